"""What an access token says, with types."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Self
from uuid import UUID

# The last second that has a date: 9999-12-31T23:59:59Z.
LAST_SECOND = 253_402_300_799
TIMES = ("exp", "iat", "nbf", "auth_time")
TEXTS = ("jti", "client_id", "role", "tier", "scope")


@dataclass(frozen=True)
class Claims:
    """A verified access token: who is calling, and what they might do when it was issued."""

    user_id: UUID
    session_id: UUID
    role: str
    tier: str
    scopes: frozenset[str]
    authenticated_at: datetime
    expires_at: datetime
    amr: tuple[str, ...]
    token_id: str
    raw: Mapping[str, Any] = field(repr=False, hash=False, compare=False)

    @classmethod
    def of(cls, claims: Mapping[str, Any]) -> Self:
        """From claims that jws.read() has checked."""
        return cls(
            user_id=UUID(claims["sub"]),
            session_id=UUID(claims["sid"]),
            role=claims["role"],
            tier=claims["tier"],
            scopes=frozenset(claims["scope"].split()),
            authenticated_at=datetime.fromtimestamp(claims["auth_time"], UTC),
            expires_at=datetime.fromtimestamp(claims["exp"], UTC),
            amr=tuple(claims["amr"]),
            token_id=claims["jti"],
            raw=MappingProxyType(dict(claims)),
        )

    def has_role(self, *names: str) -> bool:
        """Whether the user's role is one of these."""
        return self.role in names

    def has_permission(self, code: str) -> bool:
        """Whether the user's role grants `code`, such as "accounts.view_user"."""
        return code in self.scopes


def are_well_typed(claims: Mapping[str, Any]) -> bool:
    """Whether every claim that we know has its type; those that must be there have been checked."""
    methods = claims.get("amr", [])
    return (
        all(_is_whole(claims[name], LAST_SECOND) for name in TIMES if name in claims)
        and _is_whole(claims.get("gen", 0), 2**53 - 1)
        and all(isinstance(claims[name], str) for name in TEXTS if name in claims)
        and isinstance(methods, list)
        and all(isinstance(method, str) for method in methods)
        and _is_uuid(claims["sub"])
        and _is_uuid(claims["sid"])
    )


def _is_whole(value: Any, largest: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= largest


def _is_uuid(value: Any) -> bool:
    """One spelling only, so that two texts never name the same user or session."""
    try:
        return isinstance(value, str) and str(UUID(value)) == value
    except ValueError:
        return False
