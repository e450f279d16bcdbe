"""How a request proves its sender: a Bearer token for the API, a password for the console."""

from typing import Any

from django.contrib.auth.backends import BaseBackend
from rest_framework_simplejwt.authentication import JWTAuthentication
from structlog.contextvars import bind_contextvars

from accounts.api_keys import SCHEME
from accounts.models import User
from accounts.services.live_keys import KeyCredential, live_key_user
from accounts.services.live_state import live_user
from accounts.services.login import record_console_sign_in
from accounts.services.passwords import check_password
from accounts.tokens import AccessToken
from security.client_info import client_info
from security.errors import SessionEnded, TokenExpired, TokenInvalid

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


class IdentifierBackend(BaseBackend):
    """Console sign-in by e-mail or username; permissions are the user's own business."""

    def authenticate(
        self, request: Any, username: str | None = None, password: str | None = None, **_: Any
    ) -> User | None:
        user: User | None = (
            User.objects.select_related("role").for_identifier(username or "").first()
        )
        right = (
            check_password(user, password or "")
            and user is not None
            and user.is_active
            and not user.password_expired
        )
        record_console_sign_in(user, client=client_info(request), succeeded=right)
        return user if right else None

    def get_user(self, user_id: Any) -> User | None:
        user: User | None = User.objects.select_related("role").filter(pk=user_id).first()
        return user if user and user.is_active else None
