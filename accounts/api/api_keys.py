"""API keys: one's own, and for operators those of a user."""

from typing import Any
from uuid import UUID

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.requests import UserRequest
from accounts.api.users import find_visible_user
from accounts.models import ApiKey, User
from accounts.services.api_keys import create_api_key, revoke_api_key
from security.api.fields import MomentField, TextField
from security.api.permissions import HasPermission, HasSession
from security.client_info import client_info

MOST_SCOPES = 100


class ApiKeyInput(serializers.Serializer[Any]):
    name = TextField(max_length=100)
    scopes = serializers.ListField(
        child=TextField(max_length=150), max_length=MOST_SCOPES, default=list
    )
    expires_at = MomentField(required=False, allow_null=True, default=None)
    quota = serializers.IntegerField(
        min_value=1,
        max_value=1_000_000_000,
        required=False,
        allow_null=True,
        default=None,
        help_text="Requests in the window of the role's quota; null: as many as the role allows.",
    )


class ApiKeyOutput(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    prefix = serializers.CharField()
    scopes = serializers.ListField(child=serializers.CharField())
    quota = serializers.IntegerField(allow_null=True)
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    last_used_at = serializers.DateTimeField(allow_null=True)


class NewApiKeyOutput(ApiKeyOutput):
    key = serializers.CharField(help_text="Shown only now.")


def _list(user_id: UUID) -> Response:
    keys = ApiKey.objects.live().filter(user_id=user_id)
    return Response(ApiKeyOutput(keys, many=True).data)


def _create(request: UserRequest, user: User) -> Response:
    given = ApiKeyInput(data=request.data)
    given.is_valid(raise_exception=True)
    key, text = create_api_key(
        user=user, **given.validated_data, actor=request.user, client=client_info(request)
    )
    return Response({**ApiKeyOutput(key).data, "key": text}, status=201)


class ApiKeysView(APIView):
    """The caller's own keys."""

    @extend_schema(operation_id="api_keys_list", responses=ApiKeyOutput(many=True))
    def get(self, request: UserRequest) -> Response:
        return _list(request.user.pk)

    @extend_schema(
        operation_id="api_keys_create", request=ApiKeyInput, responses={201: NewApiKeyOutput}
    )
    def post(self, request: UserRequest) -> Response:
        return _create(request, request.user)


class ApiKeyView(APIView):
    """One key of the caller; anybody else's is not there."""

    @extend_schema(operation_id="api_keys_revoke", request=None, responses={204: None})
    def delete(self, request: UserRequest, pk: UUID) -> Response:
        key = ApiKey.objects.live().filter(user_id=request.user.pk, pk=pk).first()
        if key is None:
            raise Http404
        revoke_api_key(key=key, actor=request.user, client=client_info(request))
        return Response(status=204)


class UserApiKeysView(APIView):
    """A user's keys, for operators."""

    permission_classes = (HasSession, HasPermission)
    required_permission = None

    def permission_on(self, user: User) -> str:
        return self.to_do

    @property
    def to_do(self) -> str:
        return "accounts.add_apikey" if self.request.method == "POST" else "accounts.view_apikey"

    @extend_schema(operation_id="user_api_keys_list", responses=ApiKeyOutput(many=True))
    def get(self, request: UserRequest, pk: UUID) -> Response:
        return _list(find_visible_user(self, pk, to_do=self.to_do).pk)

    @extend_schema(
        operation_id="user_api_keys_create",
        request=ApiKeyInput,
        responses={201: NewApiKeyOutput},
    )
    def post(self, request: UserRequest, pk: UUID) -> Response:
        return _create(request, find_visible_user(self, pk, to_do=self.to_do))
