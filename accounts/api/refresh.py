"""Exchanging a refresh token, from the body or the cookie."""

from typing import Any, ClassVar

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.tokens import (
    COOKIE,
    TokenPairOutput,
    comes_from_another_site,
    set_refresh_cookie,
    token_pair,
)
from accounts.services.refresh import refresh
from accounts.tokens import RefreshToken
from security.api.throttling import Limits, by_address
from security.client_info import client_info
from security.errors import CrossSiteRequest, TokenInvalid


class RefreshInput(serializers.Serializer[Any]):
    refresh_token = serializers.CharField(
        required=False, allow_null=True, allow_blank=True, trim_whitespace=False
    )


def body_refresh_token(request: Request) -> str:
    """The token in the body, or ""; every failure of a refresh is a 401, so its type is too."""
    token: Any = dict(request.data).get("refresh_token")
    if token is None or token == "":
        return ""
    if not isinstance(token, str):
        raise TokenInvalid
    return token


def cookie_refresh_token(request: Request) -> str:
    """The token in the cookie, or "". Raises CrossSiteRequest if a foreign site sent it."""
    token = request.COOKIES.get(COOKIE, "")
    if token and settings.AUTH_REFRESH_TRANSPORT == "body":
        return ""
    if token and comes_from_another_site(request):
        raise CrossSiteRequest
    return token


def presented_token(request: Request) -> tuple[str, bool]:
    """The refresh token, and whether it came in the body. Raises TokenInvalid, CrossSiteRequest."""
    in_body = body_refresh_token(request)
    if settings.AUTH_REFRESH_TRANSPORT == "cookie":
        in_body = ""
    token = in_body or cookie_refresh_token(request)
    if not token:
        raise TokenInvalid("Refresh token is missing.")
    return token, bool(in_body)


def by_session(request: Request) -> str | None:
    """The session of a token that is ours, so that nobody uses up another's limit."""
    try:
        return str(RefreshToken.parse(presented_token(request)[0], allow_expired=True).sid)
    except (TokenInvalid, CrossSiteRequest):
        return None


class RefreshView(APIView):
    """Spend a refresh token once; its successor goes back the way the token came."""

    authentication_classes = ()
    permission_classes = ()
    limits: ClassVar[Limits] = {"refresh": by_session, "refresh_address": by_address}

    @extend_schema(operation_id="auth_refresh", request=RefreshInput, responses=TokenPairOutput)
    def post(self, request: Request) -> Response:
        raw_token, in_body = presented_token(request)
        signed_in = refresh(raw_token=raw_token, client=client_info(request))
        body = token_pair(signed_in) | {"message": "Token refreshed successfully."}
        if in_body:
            body["refresh_token"] = str(signed_in.refresh)
        response = Response(body)
        if not in_body:
            set_refresh_cookie(response, request, signed_in)
        return response
