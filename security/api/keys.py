"""The signing keys, for operators; a private half never leaves the keyring."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from security.api.permissions import HasPermission, HasSession
from security.api.requests import SignedInRequest
from security.client_info import client_info
from security.key_rotation import revoke, rotate
from security.models import SigningKey
from security.models.signing_key import State


class KeyOutput(serializers.Serializer[Any]):
    kid = serializers.CharField()
    algorithm = serializers.CharField()
    state = serializers.ChoiceField(choices=State.values)
    created_at = serializers.DateTimeField()
    activated_at = serializers.DateTimeField(allow_null=True)
    verifies_until = serializers.DateTimeField(allow_null=True)
    revoked_at = serializers.DateTimeField(allow_null=True)


class RotatedOutput(serializers.Serializer[Any]):
    current = serializers.CharField(help_text="The key that signs now.")
    rotated = serializers.BooleanField()


class KeyRevokedOutput(serializers.Serializer[Any]):
    current = serializers.CharField(help_text="The key that signs now.")
    revoked = serializers.CharField()


def _current() -> str:
    return SigningKey.objects.get(state=State.CURRENT).kid


class KeysView(APIView):
    """Every key there was, the newest first."""

    permission_classes = (HasPermission,)
    required_permission = "security.view_signingkey"

    @extend_schema(operation_id="keys_list", responses=KeyOutput(many=True))
    def get(self, request: SignedInRequest) -> Response:
        return Response(KeyOutput(SigningKey.objects.all(), many=True).data)


class RotateKeysView(APIView):
    """Let the next key sign now.

    200 with `rotated: false` where it was published a moment ago, so that other services may not
    know it yet.
    """

    permission_classes = (HasSession, HasPermission)
    required_permission = "security.rotate_signingkey"

    @extend_schema(
        operation_id="keys_rotate", request=None, responses={201: RotatedOutput, 200: RotatedOutput}
    )
    def post(self, request: SignedInRequest) -> Response:
        kid = rotate(actor=request.user, client=client_info(request))
        found = {"current": kid or _current(), "rotated": kid is not None}
        return Response(found, status=201 if kid else 200)


class RevokeKeyView(APIView):
    """End a compromised key: within a second the tokens that it signed are refused."""

    permission_classes = (HasSession, HasPermission)
    required_permission = "security.rotate_signingkey"

    @extend_schema(operation_id="keys_revoke", request=None, responses=KeyRevokedOutput)
    def post(self, request: SignedInRequest, kid: str) -> Response:
        revoke(kid, actor=request.user, client=client_info(request))
        return Response({"current": _current(), "revoked": kid})
