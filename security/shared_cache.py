"""The shared cache as a memory that may fail: reads miss, what could not be dropped is disowned.

Whatever is cached carries the epoch it was made in. Changing the epoch disowns everything cached
before, in every process, with one write. A drop that fails while the cache is away is made good by
such a change as soon as the cache answers again.
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

logger = get_logger(__name__)

EPOCH = "epoch"
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
        self._must_disown = False

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

    def drop(self, keys: Iterable[str]) -> None:
        """Forget these keys in every process; call after the commit that changed them."""
        tombstones = dict.fromkeys(keys, TOMBSTONE)
        if not tombstones:
            return
        try:
            if self._usable():
                cache.set_many(tombstones, TOMBSTONE_TTL.total_seconds())
                return
        except FAILURES as error:
            self._failed(error)
        self._must_disown = True

    def disown_everything(self) -> None:
        """Begin a new epoch: nothing cached before is believed again, in any process."""
        try:
            cache.set(EPOCH, secrets.token_hex(8), None)
            self._must_disown = False
        except FAILURES as error:
            self._failed(error)
            self._must_disown = True

    def settle(self, seconds: float) -> bool:
        """For a process about to end: wait to make good what failed; whether it is done."""
        deadline = time.monotonic() + seconds
        while self._must_disown and time.monotonic() < deadline:
            time.sleep(PAUSE_SECONDS)
            self._usable()
        return not self._must_disown

    def _start_epoch(self) -> str:
        cache.add(EPOCH, secrets.token_hex(8), None)
        return str(cache.get(EPOCH))

    def _usable(self) -> bool:
        if time.monotonic() < self._paused_until:
            return False
        if self._must_disown:
            self.disown_everything()
        return not self._must_disown

    def _failed(self, error: Exception) -> None:
        with self._lock:
            first = time.monotonic() > self._paused_until + PAUSE_SECONDS
            self._paused_until = time.monotonic() + PAUSE_SECONDS
        # Whoever was cut off can't know what others failed to drop, or what a restart brought back.
        self._must_disown = True
        if first:
            logger.warning("cache.unavailable", error=type(error).__name__)


shared_cache = SharedCache()
