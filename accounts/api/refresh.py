"""Exchanging a refresh token, from the body or the cookie."""

from typing import Any

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


class RefreshView(APIView):
    """Spend a refresh token once; its successor goes back the way the token came."""

    authentication_classes = ()
    permission_classes = ()

    @extend_schema(operation_id="auth_refresh", request=RefreshInput, responses=TokenPairOutput)
    def post(self, request: Request) -> Response:
        in_body = body_refresh_token(request)
        if settings.AUTH_REFRESH_TRANSPORT == "cookie":
            in_body = ""
        raw_token = in_body or cookie_refresh_token(request)
        if not raw_token:
            raise TokenInvalid("Refresh token is missing.")
        signed_in = refresh(raw_token=raw_token, client=client_info(request))
        body = token_pair(signed_in) | {"message": "Token refreshed successfully."}
        if in_body:
            body["refresh_token"] = str(signed_in.refresh)
        response = Response(body)
        if not in_body:
            set_refresh_cookie(response, request, signed_in)
        return response
