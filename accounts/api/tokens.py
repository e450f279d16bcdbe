"""The token pair as every sign-in and refresh answers it, and the cookie it may travel in."""

from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.services.login import SignedIn

COOKIE = "refresh_token"


class TokenPairOutput(serializers.Serializer[Any]):
    access_token = serializers.CharField()
    refresh_token = serializers.CharField(
        required=False, help_text="Absent when the token travels in the cookie only."
    )
    token_type = serializers.CharField()
    expires_in = serializers.IntegerField(help_text="Seconds.")
    refresh_expires_in = serializers.IntegerField(help_text="Seconds.")
    session_id = serializers.UUIDField()
    user_id = serializers.UUIDField()
    username = serializers.CharField(allow_null=True)
    email = serializers.EmailField(allow_null=True)
    role = serializers.CharField()
    tier = serializers.CharField()
    first_name = serializers.CharField()
    last_name = serializers.CharField()
    is_admin = serializers.BooleanField()
    status = serializers.CharField()
    message = serializers.CharField(required=False)


def token_pair(signed_in: SignedIn) -> dict[str, Any]:
    """TokenPair without the refresh token, which travels as the transport rule says."""
    user, session = signed_in.user, signed_in.session
    now = timezone.now()
    return {
        "access_token": str(signed_in.access),
        "token_type": "bearer",
        "expires_in": signed_in.access["exp"] - int(now.timestamp()),
        "refresh_expires_in": _seconds_until(session.idle_expires_at, now),
        "session_id": session.pk,
        "user_id": user.pk,
        "username": user.username,
        "email": user.email,
        "role": user.role_id,
        "tier": user.tier,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "is_admin": user.is_admin,
        "status": "logged in",
    }


def set_refresh_cookie(response: Response, request: Request, signed_in: SignedIn) -> None:
    response.set_cookie(
        COOKIE,
        str(signed_in.refresh),
        max_age=_seconds_until(signed_in.session.idle_expires_at, timezone.now()),
        path=cookie_path(request),
        secure=settings.SECURE_COOKIES or request.is_secure(),
        httponly=True,
        samesite="Strict",
    )


def clear_refresh_cookie(response: Response, request: Request) -> None:
    response.delete_cookie(COOKIE, path=cookie_path(request), samesite="Strict")


def cookie_path(request: Request) -> str:
    """The folder of the sign-in routes, wherever the project has put them."""
    return request.path.rstrip("/").rpartition("/")[0] or "/"


def comes_from_another_site(request: Request) -> bool:
    """Whether a browser says that a site which is neither ours nor allowed sent this.

    `Origin` decides where there is one (`null` is foreign), else Sec-Fetch-Site. With neither the
    caller is no browser.
    """
    origin = request.headers.get("Origin")
    if origin is None:
        return request.headers.get("Sec-Fetch-Site") == "cross-site"
    ours = {_origin_of(settings.PUBLIC_URL), f"{request.scheme}://{request.get_host()}"}
    return origin not in ours | set(settings.CORS_ALLOWED_ORIGINS)


def _origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _seconds_until(moment: datetime, now: datetime) -> int:
    return max(0, round((moment - now).total_seconds()))
