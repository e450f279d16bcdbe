"""Signing out."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.refresh import RefreshInput, body_refresh_token, cookie_refresh_token
from accounts.api.requests import UserRequest
from accounts.api.tokens import clear_refresh_cookie
from accounts.authentication import bearer_credential
from accounts.services.logout import log_out
from security.client_info import client_info
from security.errors import TokenInvalid
from sessions_app.api.sessions import RevokedOutput
from sessions_app.models import DeviceSession
from sessions_app.models.device_session import EndReason
from sessions_app.services.sessions import end_sessions


class LogoutView(APIView):
    """End the session that the body, the cookie or the Bearer token names; always succeeds."""

    authentication_classes = ()
    permission_classes = ()

    class LogoutOutput(serializers.Serializer[Any]):
        message = serializers.CharField()
        status = serializers.CharField()

    @extend_schema(operation_id="auth_logout", request=RefreshInput, responses=LogoutOutput)
    def post(self, request: Request) -> Response:
        candidates = [cookie_refresh_token(request), _or_nothing(body_refresh_token, request)]
        log_out(
            refresh_tokens=[token for token in candidates if token],
            access_token=_or_nothing(bearer_credential, request),
            client=client_info(request),
        )
        response = Response({"message": "Successfully logged out.", "status": "logged out"})
        clear_refresh_cookie(response, request)
        return response


class LogoutAllView(APIView):
    """End every session of the caller, this one too."""

    @extend_schema(operation_id="auth_logout_all", request=None, responses=RevokedOutput)
    def post(self, request: UserRequest) -> Response:
        revoked = end_sessions(
            DeviceSession.objects.live().for_user(request.user.pk),
            reason=EndReason.LOGOUT_ALL,
            actor=request.user,
            client=client_info(request),
        )
        response = Response({"revoked": revoked})
        clear_refresh_cookie(response, request)
        return response


def _or_nothing(read: Any, request: Request) -> str:
    try:
        return read(request) or ""
    except TokenInvalid:
        return ""
