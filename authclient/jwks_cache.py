"""The issuer's public keys, fetched when needed and kept as long as the issuer allows."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from authclient.errors import KeysUnavailable
from authclient.fetching import FetchFailed, check_url, get
from authclient.jwks import PublicKey, parse_jwks

logger = logging.getLogger("authclient")

# The issuer publishes a key for at least this long before it signs (Cache-Control: max-age=300).
TTL_SECONDS = 300.0
# How long old keys verify while no new ones can be fetched.
STALE_SECONDS = 24 * 60 * 60.0
# Tokens naming unknown keys cause at most one fetch in this many seconds.
UNKNOWN_KID_SECONDS = 10.0
# After a failed fetch the next attempt waits this long.
RETRY_SECONDS = 2.0
LARGEST_JWKS = 262_144


@dataclass(frozen=True)
class Snapshot:
    keys: Mapping[str, PublicKey]
    fetched_at: float


class JWKSCache:
    """Thread-safe; one fetch at a time, and who can be served from memory doesn't wait for it."""

    def __init__(
        self,
        uri: str,
        *,
        ttl: float = TTL_SECONDS,
        stale: float = STALE_SECONDS,
        timeout: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.uri = check_url(uri)
        self._ttl, self._stale, self._timeout, self._clock = ttl, stale, timeout, clock
        self._lock = threading.Lock()
        self._snapshot: Snapshot | None = None
        self._failed = False
        self._attempted_at = self._unknown_at = float("-inf")

    def key(self, kid: str) -> PublicKey | None:
        """The key named `kid`; None if the issuer has no such key. Raises KeysUnavailable."""
        asked_at = self._clock()
        if self._is_due(asked_at):
            self._refresh(asked_at, wait=not self._may_use(self._snapshot, asked_at))
        found = self._keys(asked_at).get(kid)
        if found is None:
            self._look_for_unknown(asked_at)
            found = self._keys(asked_at).get(kid)
        if found is None and self._failed:
            raise KeysUnavailable("The issuer can't be asked about a key that is not known yet.")
        return found

    def _is_due(self, now: float) -> bool:
        snapshot = self._snapshot
        if snapshot is not None and now - snapshot.fetched_at < self._ttl:
            return False
        return not self._failed or now - self._attempted_at >= RETRY_SECONDS

    def _may_use(self, snapshot: Snapshot | None, now: float) -> bool:
        return snapshot is not None and now - snapshot.fetched_at < max(self._stale, self._ttl)

    def _keys(self, now: float) -> Mapping[str, PublicKey]:
        snapshot = self._snapshot
        if snapshot is None or not self._may_use(snapshot, now):
            raise KeysUnavailable(f"No keys from {self.uri}.")
        return snapshot.keys

    def _refresh(self, asked_at: float, *, wait: bool) -> None:
        """Fetch, unless an attempt ended since `asked_at`; or let another thread's fetch be."""
        if self._lock.acquire(blocking=wait):
            try:
                if self._attempted_at < asked_at:
                    self._fetch()
            finally:
                self._lock.release()

    def _look_for_unknown(self, asked_at: float) -> None:
        """Fetch for a key that may be new; whoever comes meanwhile waits for the same fetch."""
        with self._lock:
            rested = asked_at - self._unknown_at >= UNKNOWN_KID_SECONDS
            if rested and self._attempted_at < asked_at:
                self._unknown_at = asked_at
                self._fetch()

    def _fetch(self) -> None:
        """Replace the keys; the old ones stay if that fails."""
        began_at = self._clock()
        headers = {"Accept": "application/jwk-set+json, application/json"}
        try:
            answer = get(self.uri, timeout=self._timeout, largest=LARGEST_JWKS, headers=headers)
            if answer.status != 200:
                raise FetchFailed(f"status {answer.status}")
            self._snapshot = Snapshot(parse_jwks(answer.body), began_at)
            self._failed = False
        except (FetchFailed, ValueError) as error:
            logger.warning("The keys at %s could not be fetched: %s", self.uri, error)
            self._failed = True
        self._attempted_at = self._clock()
