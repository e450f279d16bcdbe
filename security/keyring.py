"""The signing keys as one process sees them: who signs now, and who may verify.

A snapshot of the table is kept in the process. It is read again when it is old, when the shared
cache tells of a new epoch (a key was revoked), or when a token names a key it does not know.
"""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt
from django.conf import settings
from django.db import DatabaseError

from security.errors import SigningUnavailable
from security.key_material import UnusableKey, load_private_key
from security.logs import get_logger
from security.models import SigningKey
from security.sealing import SealBroken, unseal

logger = get_logger(__name__)

# A path that asks the database anyway reads the keys again after this many seconds.
FRESH_SECONDS = 1.0
# Tokens naming unknown keys make this process look at most once in this many seconds.
UNKNOWN_KID_SECONDS = 5.0


@dataclass(frozen=True)
class VerifyingKey:
    """A public key and the one algorithm it may be used with (RFC 8725 section 3.1)."""

    kid: str
    algorithm: str
    key: Any


@dataclass(frozen=True)
class SigningPair:
    kid: str
    algorithm: str
    private_key: Any


@dataclass(frozen=True)
class Snapshot:
    verifying: Mapping[str, VerifyingKey]
    public_jwks: tuple[Mapping[str, Any], ...]
    current: SigningKey | None
    read_at: float
    epoch: str | None


class Keyring:
    """Thread-safe access to the keys; every method may read the database once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._snapshot: Snapshot | None = None
        self._signing: SigningPair | None = None
        self._unknown_at = 0.0

    def signing_pair(self) -> SigningPair:
        """The pair that signs now. Raises SigningUnavailable; never makes a key."""
        current = self._fresh(FRESH_SECONDS).current
        if current is None:
            logger.error("keyring.no_current_key")
            raise SigningUnavailable
        pair = self._signing
        if pair is None or pair.kid != current.kid:
            try:
                private_key = load_private_key(unseal(current.sealed_private_key))
            except (SealBroken, UnusableKey) as error:
                logger.error("keyring.current_key_unusable", kid=current.kid)
                raise SigningUnavailable from error
            pair = self._signing = SigningPair(current.kid, current.algorithm, private_key)
        return pair

    def verifying_key(self, kid: str, *, fresh: bool = False) -> VerifyingKey | None:
        """The key named `kid`, or None. `fresh` looks again when the last look is a second old."""
        snapshot = self._fresh(FRESH_SECONDS if fresh else self._oldest())
        found = snapshot.verifying.get(kid)
        if found is None and time.monotonic() - self._unknown_at > UNKNOWN_KID_SECONDS:
            self._unknown_at = time.monotonic()
            found = self._fresh(0).verifying.get(kid)
        return found

    def still_verifies(self, kid: str, *, epoch: str | None) -> bool:
        """Whether `kid` verifies in this epoch of the shared cache, or (None) right now."""
        snapshot = self._snapshot
        if snapshot is None or snapshot.epoch != epoch:
            snapshot = self._fresh(FRESH_SECONDS if epoch is None else 0, epoch=epoch)
        return kid in snapshot.verifying

    def public_jwks(self) -> tuple[Mapping[str, Any], ...]:
        """The public keys for the JWKS; a stale answer is better than none."""
        try:
            return self._fresh(FRESH_SECONDS).public_jwks
        except DatabaseError:
            if self._snapshot is None:
                raise
            return self._snapshot.public_jwks

    def warm(self) -> None:
        """Read the keys at the start, so that the JWKS can be answered whatever happens then."""
        try:
            self._fresh(FRESH_SECONDS)
        except DatabaseError as error:
            logger.warning("keyring.not_read", error=type(error).__name__)

    def forget(self) -> None:
        """Read the table again at the next use; called after a change in this process.

        The opened pair may stay: it signs only while the table names its kid, and opening an RSA
        key takes a tenth of a second.
        """
        self._snapshot = None

    def _oldest(self) -> float:
        return settings.AUTH_LIVE_STATE_TTL.total_seconds()

    def _fresh(self, max_age: float, *, epoch: str | None = None) -> Snapshot:
        """Keys read at most `max_age` seconds before this call; what others read since will do."""
        oldest = time.monotonic() - max_age
        snapshot = self._snapshot
        if snapshot is None or snapshot.read_at < oldest:
            with self._lock:
                snapshot = self._snapshot
                if snapshot is None or snapshot.read_at < oldest:
                    kept = epoch or (snapshot.epoch if snapshot else None)
                    snapshot = self._snapshot = _read_snapshot(kept)
        return snapshot


def _read_snapshot(epoch: str | None) -> Snapshot:
    read_at = time.monotonic()
    keys = list(SigningKey.objects.published())
    verifying = {key.kid: usable for key in keys if (usable := _verifying_key(key))}
    return Snapshot(
        verifying=verifying,
        public_jwks=tuple(key.public_jwk for key in keys if key.kid in verifying),
        current=next((key for key in keys if key.state == SigningKey.State.CURRENT), None),
        read_at=read_at,
        epoch=epoch,
    )


def _verifying_key(row: SigningKey) -> VerifyingKey | None:
    """The row's public key; None, told in the log, for a row that was damaged."""
    jwk = row.public_jwk
    try:
        if (jwk["use"], jwk["alg"]) == ("sig", row.algorithm):
            return VerifyingKey(row.kid, row.algorithm, jwt.PyJWK(jwk).key)
    except (KeyError, TypeError, ValueError, jwt.PyJWTError) as error:
        logger.error("keyring.key_unreadable", kid=row.kid, error=type(error).__name__)
    return None


keyring = Keyring()
