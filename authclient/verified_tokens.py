"""Tokens that have been verified, so that one that comes often costs a signature check once."""

import hashlib
import threading
from dataclasses import dataclass
from typing import Any

# A few hundred bytes each.
MOST_REMEMBERED = 10_000


@dataclass(frozen=True)
class VerifiedBy:
    """The key that made a token's signature."""

    kid: str
    key: Any


class VerifiedTokens:
    """Remembers only what can't change; whether the key may still verify, and what the time says,
    is asked anew for each request. Digests are kept, not tokens; the oldest are forgotten first.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[tuple[bytes, str, str, str], VerifiedBy] = {}

    def find(self, raw: Any, typ: str, issuer: str, audience: str) -> VerifiedBy | None:
        """Who verified this text as this kind of token, if anybody did."""
        if not isinstance(raw, str) or not raw.isascii():
            return None
        return self._known.get((_digest(raw), typ, issuer, audience))

    def add(self, raw: str, typ: str, issuer: str, audience: str, *, kid: str, key: Any) -> None:
        with self._lock:
            self._known[_digest(raw), typ, issuer, audience] = VerifiedBy(kid, key)
            if len(self._known) > MOST_REMEMBERED:
                del self._known[next(iter(self._known))]


def _digest(raw: str) -> bytes:
    return hashlib.sha256(raw.encode()).digest()
