"""How a request proves its sender: a Bearer token for the API, a password for the console."""

from typing import Any, cast
from uuid import UUID

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.auth.backends import BaseBackend
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.utils.functional import SimpleLazyObject
from rest_framework_simplejwt.authentication import JWTAuthentication
from structlog.contextvars import bind_contextvars

from accounts.api_keys import SCHEME
from accounts.models import User
from accounts.services.known_devices import (
    KnownDevice,
    device_of_token,
    device_text,
    read_device,
)
from accounts.services.live_keys import KeyCredential, live_key_user
from accounts.services.live_state import live_user
from accounts.services.login import check_for_console
from accounts.tokens import AccessToken
from security.client_info import client_info
from security.errors import SessionEnded, TokenExpired, TokenInvalid
from sessions_app.services.sessions import still_at_console

DEVICE_COOKIE = "known_device"
# Where Django's session of a browser keeps the id of the session at the console.
CONSOLE_SID = "sid"
Credentials = tuple[User, AccessToken] | tuple[User, KeyCredential]


class BearerAuthentication(JWTAuthentication):
    """`Authorization: Bearer` with an access token or an API key (RFC 6750).

    The scheme is read in any case (RFC 9110 section 11.1).
    """

    def authenticate(self, request: Any) -> Credentials | None:  # type: ignore[override]
        raw = bearer_credential(request)
        if raw is None:
            return None
        return authenticate_key(raw) if raw.startswith(SCHEME) else authenticate_token(raw)

    def authenticate_header(self, request: Any) -> str:
        return "Bearer"


def bearer_credential(request: Any) -> str | None:
    """What follows "Bearer"; None without such a header. Raises TokenInvalid for a bent one."""
    scheme, _, credential = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower() != "bearer":
        return None
    if not credential.isascii() or credential.split() != [credential]:
        raise TokenInvalid
    return str(credential)


def authenticate_token(raw: str) -> tuple[User, AccessToken]:
    """The user behind an access token, as they are now.

    Raises TokenInvalid, SessionEnded, or TokenExpired for an expired token of a live session.
    """
    token = AccessToken.parse(raw, allow_expired=True)
    user = live_user(token, counting=True)
    if user is None:
        raise SessionEnded
    if token.has_expired():
        raise TokenExpired
    bind_contextvars(user=str(user.pk), session=str(token.sid))
    return user, token


def authenticate_key(text: str) -> tuple[User, KeyCredential]:
    """The user that an API key acts as, limited to its scopes. Raises TokenInvalid."""
    found = live_key_user(text, counting=True)
    if found is None:
        raise TokenInvalid("The API key is not valid.")
    user, credential = found
    bind_contextvars(user=str(user.pk), key_prefix=credential.prefix)
    return found


def presented_device(request: Any) -> KnownDevice | None:
    """The device that a sign-in says it comes from, by its cookie or a token of its session."""
    device = read_device(request.COOKIES.get(DEVICE_COOKIE, ""))
    if device is not None:
        return device
    try:
        raw = bearer_credential(request)
    except TokenInvalid:
        return None
    return device_of_token(raw) if raw else None


def remember_device(response: HttpResponse, request: Any, user: User, *, path: str) -> None:
    """Give the device the cookie by which it is known when the user signs in there again."""
    response.set_cookie(
        DEVICE_COOKIE,
        device_text(user, before=presented_device(request)),
        max_age=settings.AUTH_LOCKOUT_DEVICE_TTL,
        path=path,
        secure=settings.SECURE_COOKIES or request.is_secure(),
        httponly=True,
        samesite="Strict",
    )


class ConsoleUserMiddleware(AuthenticationMiddleware):
    """`request.user` of a browser: who signed in to the console, while that sign-in lasts."""

    def process_request(self, request: HttpRequest) -> None:
        super().process_request(request)
        request.user = SimpleLazyObject(lambda: _console_user(request))  # type: ignore[assignment]
        request.auser = sync_to_async(lambda: _console_user(request))


def _console_user(request: HttpRequest) -> User | AnonymousUser:
    sid = request.session.get(CONSOLE_SID)
    # Without one it is no sign-in of ours, and not ours to end.
    user: Any = get_user(request) if sid else None
    if user is not None and user.is_authenticated:
        if still_at_console(sid=UUID(sid), user_id=user.pk):
            return cast(User, user)
        request.session.flush()
    return AnonymousUser()


class IdentifierBackend(BaseBackend):
    """Console sign-in by e-mail or username; permissions are the user's own business."""

    def authenticate(
        self, request: Any, username: str | None = None, password: str | None = None, **_: Any
    ) -> User | None:
        return check_for_console(
            identifier=username or "",
            password=password or "",
            client=client_info(request),
            device=presented_device(request),
        )

    def get_user(self, user_id: Any) -> User | None:
        user: User | None = User.objects.select_related("role").filter(pk=user_id).first()
        return user if user and user.is_active else None
