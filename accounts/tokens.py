"""The two kinds of token, made from a session and its user as they are now."""

import time
from datetime import datetime, timedelta
from typing import Any, ClassVar, NoReturn, Self
from uuid import UUID, uuid4

from django.conf import settings
from django.utils import timezone
from rest_framework_simplejwt.exceptions import ExpiredTokenError, TokenError
from rest_framework_simplejwt.tokens import AccessToken as StockAccessToken
from rest_framework_simplejwt.tokens import RefreshToken as StockRefreshToken

from accounts.models import User
from accounts.token_backend import KeyringBackend
from authclient import jws
from security.errors import TokenExpired, TokenInvalid
from sessions_app.models import DeviceSession

CLIENT_ID = "first-party"
REFRESH = jws.Kind("refresh+jwt", "refresh", jws.COMMON_CLAIMS | {"gen"})


def _epoch(moment: datetime) -> int:
    return int(moment.timestamp())


class OwnToken:
    """What both kinds share: they come from a session, are verified by the keyring, signed once."""

    backend: ClassVar[KeyringBackend]
    payload: dict[str, Any]
    token: Any
    _signed: str | None = None

    def get_token_backend(self) -> KeyringBackend:
        return self.backend

    def __str__(self) -> str:
        if self._signed is None:
            self._signed = self.backend.encode(self.payload)
        return self._signed

    @property
    def kid(self) -> str:
        """The key that signed a parsed token."""
        return jws.kid_of(str(self.token))

    @property
    def sid(self) -> UUID:
        return UUID(self.payload["sid"])

    def age(self) -> timedelta:
        """How long ago the bearer proved who they are."""
        return timedelta(seconds=time.time() - self.payload["auth_time"])

    def has_expired(self) -> bool:
        return int(self.payload["exp"]) <= time.time()

    @classmethod
    def parse(cls, raw: str | bytes, *, allow_expired: bool = False) -> Self:
        """A verified token. Raises TokenInvalid or TokenExpired."""
        try:
            token = cls(raw, verify=not allow_expired)  # type: ignore[call-arg]
        except ExpiredTokenError as error:
            raise TokenExpired from error
        except TokenError as error:
            raise TokenInvalid from error
        if token.payload["token_type"] != cls.token_type:  # type: ignore[attr-defined]
            raise TokenInvalid
        return token

    @classmethod
    def for_user(cls, user: Any) -> NoReturn:
        raise TypeError("A token belongs to a session: use for_session().")

    @classmethod
    def _of(cls, session: DeviceSession, claims: dict[str, Any]) -> Self:
        token = cls()
        token.payload = {
            "iss": settings.AUTH_ISSUER,
            "aud": cls.backend.audience_now(),
            "sub": str(session.user_id),
            "sid": str(session.pk),
            "token_type": cls.token_type,  # type: ignore[attr-defined]
            **claims,
        }
        return token


class AccessToken(OwnToken, StockAccessToken):
    """Proves who is calling for AUTH_ACCESS_TTL (RFC 9068); holds no e-mail and no names."""

    lifetime = timedelta(minutes=15)  # SimpleJWT wants one; for_session() sets `exp`.
    backend = KeyringBackend(jws.ACCESS)

    @classmethod
    def for_session(
        cls, session: DeviceSession, user: User, *, lifetime: timedelta | None = None
    ) -> Self:
        """Made from the user's present role and tier; never outlives the session."""
        now = timezone.now()
        ttl = settings.AUTH_ACCESS_TTL if lifetime is None else lifetime
        return cls._of(
            session,
            {
                "jti": uuid4().hex,
                "iat": _epoch(now),
                "exp": _epoch(min(now + ttl, session.expires_at)),
                "client_id": CLIENT_ID,
                "role": user.role_id,
                "tier": user.tier,
                "scope": " ".join(sorted(user.role.codes)),
                "auth_time": _epoch(session.created_at),
                "amr": session.amr,
            },
        )


class RefreshToken(OwnToken, StockRefreshToken):
    """Names a generation of a session; only the present one can be spent."""

    lifetime = timedelta(days=14)  # SimpleJWT wants one; for_session() sets `exp`.
    backend = KeyringBackend(REFRESH)

    @classmethod
    def for_session(cls, session: DeviceSession) -> Self:
        """The session's present refresh token; made again, it is the same token."""
        return cls._of(
            session,
            {
                "jti": session.refresh_jti,
                "gen": session.generation,
                "iat": _epoch(session.refreshed_at),
                "exp": _epoch(session.idle_expires_at),
            },
        )

    def check_blacklist(self) -> None:
        """The session's row decides; the blacklist is a ledger for SimpleJWT's own tools."""

    def blacklist(self) -> NoReturn:
        raise TypeError("End the session instead: sessions_app.services.sessions.end_sessions().")

    def outstand(self) -> NoReturn:
        raise TypeError("Only ended sessions have ledger rows.")
