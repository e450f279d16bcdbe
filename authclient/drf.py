"""Django REST framework: an authentication class and permissions for our tokens.

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["authclient.drf.BearerAuthentication"],
    "UNAUTHENTICATED_USER": None,
}
AUTHCLIENT_ISSUER = "https://auth.example.com"
AUTHCLIENT_AUDIENCE = "api"
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, Self
from uuid import UUID

from django.conf import settings
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import APIException, AuthenticationFailed
from rest_framework.permissions import BasePermission

from authclient.claims import Claims
from authclient.credentials import bearer_token
from authclient.errors import InvalidToken, Unavailable
from authclient.verifier import Verifier


class TokenCheckUnavailable(APIException):
    """Nobody can say whether the token is good: 503 with Retry-After."""

    status_code = 503
    default_detail = "The token can't be checked now."
    default_code = "token_check_unavailable"
    wait = 5


@dataclass(frozen=True, slots=True)
class TokenUser:
    """The caller as the token tells of them; there is no row behind, and nothing else on it."""

    claims: Claims
    is_authenticated: ClassVar[bool] = True
    is_anonymous: ClassVar[bool] = False
    is_active: ClassVar[bool] = True

    @property
    def pk(self) -> UUID:
        return self.claims.user_id

    @property
    def id(self) -> UUID:
        return self.claims.user_id

    def has_perm(self, perm: str, obj: object = None) -> bool:
        """A token grants its permissions on everything of their kind, on no single object."""
        return obj is None and self.claims.has_permission(perm)

    def has_perms(self, perm_list: Iterable[str], obj: object = None) -> bool:
        return all(self.has_perm(perm, obj) for perm in perm_list)

    def __str__(self) -> str:
        return str(self.claims.user_id)


class BearerAuthentication(BaseAuthentication):
    """`Authorization: Bearer <access token>`: `request.user` is a TokenUser, `request.auth` Claims.

    A subclass may bring its own `verifier`, with a live check for instance.
    """

    verifier: ClassVar[Verifier | None] = None

    def authenticate(self, request: Any) -> tuple[TokenUser, Claims] | None:
        verifier = self.verifier or _configured_verifier(settings)
        try:
            token = bearer_token(request.META.get("HTTP_AUTHORIZATION"))
            if token is None:
                return None
            claims = verifier.verify(token)
        except InvalidToken as error:
            raise AuthenticationFailed("The token is invalid or has expired.") from error
        except Unavailable as error:
            raise TokenCheckUnavailable from error
        return TokenUser(claims), claims

    def authenticate_header(self, request: Any) -> str:
        return "Bearer"


def _configured_verifier(configured: Any) -> Verifier:
    return _verifier(configured.AUTHCLIENT_ISSUER, configured.AUTHCLIENT_AUDIENCE)


@lru_cache(maxsize=8)
def _verifier(issuer: str, audience: str) -> Verifier:
    return Verifier(issuer, audience)


class HasScope(BasePermission):
    """`permission_classes = [HasScope.of("accounts.view_user")]`; by itself it allows nothing."""

    code: ClassVar[str | None] = None

    @classmethod
    def of(cls, code: str) -> type[Self]:
        return type(cls.__name__, (cls,), {"code": code})

    def has_permission(self, request: Any, view: Any) -> bool:
        claims = request.auth
        return isinstance(claims, Claims) and self.code in claims.scopes


class HasRole(BasePermission):
    """`permission_classes = [HasRole.of("admin")]`; by itself it allows nobody."""

    names: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def of(cls, *names: str) -> type[Self]:
        return type(cls.__name__, (cls,), {"names": names})

    def has_permission(self, request: Any, view: Any) -> bool:
        claims = request.auth
        return isinstance(claims, Claims) and claims.has_role(*self.names)
