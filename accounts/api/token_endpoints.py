"""What other services ask about tokens: RFC 7662 introspection and RFC 7009 revocation."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.services.introspection import introspect
from accounts.services.logout import revoke_token
from security.api.fields import TextField
from security.api.parsers import StrictFormParser, StrictJSONParser
from security.client_info import client_info


class TokenInput(serializers.Serializer[Any]):
    token = TextField(max_length=8192, trim_whitespace=False)
    token_type_hint = TextField(
        max_length=64, required=False, help_text="Not needed: the token tells what it is."
    )


class IsServiceOrAdmin(BasePermission):
    """A service that calls with an API key, or an admin."""

    def has_permission(self, request: Any, view: Any) -> bool:
        if not request.user:
            return False
        return request.auth.sid is None or request.user.is_admin


class IntrospectView(APIView):
    """Whether a token is live, and what it says; anything else is just not active."""

    permission_classes = (IsServiceOrAdmin,)
    parser_classes = (StrictFormParser, StrictJSONParser)

    class IntrospectionOutput(serializers.Serializer[Any]):
        active = serializers.BooleanField()
        token_type = serializers.CharField(required=False)
        scope = serializers.CharField(required=False)
        client_id = serializers.CharField(required=False)
        sub = serializers.UUIDField(required=False)
        sid = serializers.UUIDField(required=False)
        role = serializers.CharField(required=False)
        tier = serializers.CharField(required=False)
        iss = serializers.CharField(required=False)
        aud = serializers.CharField(required=False)
        jti = serializers.CharField(required=False)
        iat = serializers.IntegerField(required=False)
        exp = serializers.IntegerField(required=False)

    @extend_schema(
        operation_id="auth_introspect", request=TokenInput, responses=IntrospectionOutput
    )
    def post(self, request: Request) -> Response:
        given = TokenInput(data=request.data)
        given.is_valid(raise_exception=True)
        return Response(introspect(given.validated_data["token"]))


class RevokeView(APIView):
    """End what a token stands for: its session, or the API key itself. Always 200."""

    authentication_classes = ()
    permission_classes = ()
    parser_classes = (StrictFormParser, StrictJSONParser)

    class RevocationOutput(serializers.Serializer[Any]):
        """Nothing is told of the token."""

    @extend_schema(operation_id="auth_revoke", request=TokenInput, responses=RevocationOutput)
    def post(self, request: Request) -> Response:
        given = TokenInput(data=request.data)
        given.is_valid(raise_exception=True)
        revoke_token(given.validated_data["token"], client=client_info(request))
        return Response({})
