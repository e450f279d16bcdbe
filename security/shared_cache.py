"""The shared cache as a memory that may fail: reads miss, what could not be dropped is disowned.

Whatever is cached carries the epoch it was made in. Changing the epoch disowns everything cached
before, in every process, with one write. A drop that fails while the cache is away is made good by
such a change as soon as the cache answers again; until then this process reads nothing from it.
"""

import secrets
import threading
import time
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.core.cache import cache
from django_redis.exceptions import ConnectionInterrupted
from redis.exceptions import RedisError

from security.logs import get_logger
from security.redis_connections import server_watch

logger = get_logger(__name__)

EPOCH = "epoch"
PROBE = "probe"
FAILURES = (ConnectionInterrupted, RedisError, OSError)
# After a failure nobody waits for the cache again for this long.
PAUSE_SECONDS = 1.0
# Longer than any request that read the database before a drop and stores after it.
TOMBSTONE = "dropped"
TOMBSTONE_TTL = timedelta(seconds=30)


class SharedCache:
    """Values under keys, each believed only within the epoch that it was stored in."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._paused_until = 0.0
        # How often the contents became doubtful, and up to which of these times that was settled.
        self._doubts = 0
        self._settled = server_watch.changes

    def read(self, key: str) -> tuple[Any | None, str | None]:
        """The value and the present epoch in one round trip; (None, None) without the cache."""
        if not self._usable():
            return None, None
        try:
            found = cache.get_many([key, EPOCH])
            epoch = found.get(EPOCH) or self._start_epoch()
        except FAILURES as error:
            self._failed(error)
            return None, None
        if self._in_doubt():
            return None, None
        entry = found.get(key)
        if isinstance(entry, list) and entry[0] == epoch:
            return entry[1], epoch
        return None, epoch

    def store(self, key: str, value: Any, *, epoch: str | None, ttl: timedelta) -> None:
        """Keep a value read from the database after `read` gave `epoch`.

        Replaces nothing: between a look and a write somebody could drop the key, and the value from
        before that drop would live on. So an entry of an older epoch, which nobody believes, stays
        until it expires.
        """
        if epoch is None or ttl <= timedelta(0) or not self._usable():
            return
        try:
            seconds = max(1, int(ttl.total_seconds()))
            cache.add(key, [epoch, value], seconds)
        except FAILURES as error:
            self._failed(error)

    def drop(self, keys: Iterable[str]) -> bool:
        """Forget these keys in every process; call after the commit that changed them.

        False where the cache could not be told; this process believes nothing of it until then.
        """
        tombstones = dict.fromkeys(keys, TOMBSTONE)
        try:
            if self._usable():
                cache.set_many(tombstones, TOMBSTONE_TTL.total_seconds())
                return True
        except FAILURES as error:
            self._failed(error)
        self._doubt()
        return False

    def disown_everything(self) -> bool:
        """Begin a new epoch: nothing cached before is believed again, in any process."""
        doubts = self._all_doubts()
        try:
            cache.set(EPOCH, secrets.token_hex(8), None)
        except FAILURES as error:
            self._failed(error)
            return False
        with self._lock:
            self._settled = max(self._settled, doubts)
        return True

    def probe(self) -> bool:
        """Whether the cache takes writes; one that doesn't could not be told of a drop either."""
        if not self._usable():
            return False
        try:
            cache.set(PROBE, 1, 60)
        except FAILURES as error:
            self._failed(error)
            return False
        return True

    def _start_epoch(self) -> str:
        cache.add(EPOCH, secrets.token_hex(8), None)
        return str(cache.get(EPOCH))

    def _usable(self) -> bool:
        if time.monotonic() < self._paused_until:
            return False
        return not self._in_doubt() or self.disown_everything()

    def _all_doubts(self) -> int:
        """Our own, and each time that another server answered than before."""
        return self._doubts + server_watch.changes

    def _in_doubt(self) -> bool:
        return self._all_doubts() != self._settled

    def _doubt(self) -> None:
        with self._lock:
            self._doubts += 1

    def _failed(self, error: Exception) -> None:
        with self._lock:
            first = time.monotonic() > self._paused_until + PAUSE_SECONDS
            self._paused_until = time.monotonic() + PAUSE_SECONDS
            # Who was cut off can't know what others failed to drop, or what a restart brought back.
            self._doubts += 1
        if first:
            logger.warning("cache.unavailable", error=type(error).__name__)


shared_cache = SharedCache()
