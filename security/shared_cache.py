"""The shared cache as a memory that may fail: reads miss, what could not be dropped is disowned.

Whatever is cached carries the epoch it was made in. Changing the epoch disowns everything cached
before, in every process, with one write. A drop that fails while the cache is away is made good by
such a change as soon as the cache answers again; until then this process reads nothing from it.

A cache that answers but takes no change (full, or a replica without its primary) is away too: what
one process could not drop in it another would go on believing. So every process looks again and
again whether the epoch can still be changed, and believes nothing where it can't.
"""

import json
import secrets
import threading
import time
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django_redis.exceptions import ConnectionInterrupted
from redis.exceptions import RedisError

from security.logs import get_logger
from security.redis_connections import server_watch

logger = get_logger(__name__)

EPOCH = "epoch"
FAILURES = (ConnectionInterrupted, RedisError, OSError)
# After a failure nobody waits for the cache again for this long.
PAUSE_SECONDS = 1.0
# An answer that takes longer is as good as none: a request may need several.
SLOW_SECONDS = 0.075
SLOW = "Slow"
# How long the cache is believed after it last took a change. With the next look of the watching
# thread this stays below the second in which a token must be refused.
PROOF_SECONDS = 0.5
# Longer than any request that read the database before a drop and stores after it.
TOMBSTONE = "dropped"
TOMBSTONE_TTL = timedelta(seconds=30)

# An entry is [epoch, value, proof, counters]. Reading one that is believed, for a caller who knows
# its proof, counts in the same round trip.
COUNT = """
local function count(counters)
  local found = {}
  for _, counter in ipairs(counters) do
    local used = redis.call('INCR', counter[1])
    if used == 1 then redis.call('EXPIRE', counter[1], counter[2]) end
    table.insert(found, used)
    table.insert(found, redis.call('PTTL', counter[1]))
  end
  return found
end
"""
FORGET = "return redis.call('DEL', unpack(cjson.decode(ARGV[1])))"
COUNT_ONLY = COUNT + "return count(cjson.decode(ARGV[1]))"
READ_AND_COUNT = (
    COUNT
    + """
local state, epoch = unpack(redis.call('MGET', KEYS[1], KEYS[2]))
local counted = {}
if state and epoch then
  local entry = cjson.decode(state)
  if type(entry) == 'table' and entry[1] == cjson.decode(epoch) and entry[3] == ARGV[1] then
    counted = count(entry[4])
  end
end
return {state, epoch, counted}
"""
)
Counted = list[tuple[int, int]]


class SharedCache:
    """Values under keys, each believed only within the epoch that it was stored in."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._paused_until = 0.0
        self._proved_at = -PROOF_SECONDS
        self._away = False
        # Whether it is away only because its answers are late.
        self._slow = False
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

    def read_and_count(
        self, key: str, *, proof: str = ""
    ) -> tuple[Any | None, str | None, Counted | None]:
        """The same, and how far the counters stored with the value are after this reading.

        Each is (count, milliseconds until it begins anew); None where nothing was counted: without
        the cache or the value, or if `proof` is not the stored one.
        """
        if not (settings.SHARED_CACHE and self._usable()):
            return *self.read(key), None
        client = cache.client  # type: ignore[attr-defined]
        try:
            state, epoch, counted = self._run(READ_AND_COUNT, keys=(key, EPOCH), args=(proof,))
            epoch = client.decode(epoch) if epoch else self._start_epoch()
        except FAILURES as error:
            self._failed(error)
            return None, None, None
        if self._in_doubt():
            return None, None, None
        entry = client.decode(state) if state else None
        if isinstance(entry, list) and entry[0] == epoch:
            return entry[1], epoch, _pairs(counted) if counted else None
        return None, epoch, None

    def count(self, counters: list[tuple[str, int]]) -> Counted | None:
        """Count once on each of (key, seconds); None without the cache."""
        found = self.ask(COUNT_ONLY, json.dumps(_named(counters)))
        return None if found is None else _pairs(found)

    def forget(self, counters: list[tuple[str, int]]) -> None:
        """Let these begin anew; without the cache they go on until their time."""
        self.ask(FORGET, json.dumps([name for name, _ in _named(counters)]), patient=True)

    def ask(self, script: str, *args: str | int, patient: bool = False) -> Any | None:
        """What a script that counts returns; None without the cache.

        A `patient` caller also asks a cache that is too slow for others: it has few questions, and
        who counts alone counts less.
        """
        if not (settings.SHARED_CACHE and (self._usable() or (patient and self._slow))):
            return None
        try:
            return self._run(script, keys=(), args=args)
        except FAILURES as error:
            self._failed(error)
            return None

    def store(
        self,
        key: str,
        value: Any,
        *,
        epoch: str | None,
        ttl: timedelta,
        proof: str = "",
        counters: Iterable[tuple[str, int]] = (),
    ) -> None:
        """Keep a value read from the database after `read` gave `epoch`.

        `counters` are counted by each `read_and_count` that knows the `proof`.

        Replaces nothing: between a look and a write somebody could drop the key, and the value from
        before that drop would live on. So an entry of an older epoch, which nobody believes, stays
        until it expires.
        """
        if epoch is None or ttl <= timedelta(0) or not self._usable():
            return
        try:
            seconds = max(1, int(ttl.total_seconds()))
            cache.add(key, [epoch, value, proof, _named(counters)], seconds)
        except FAILURES as error:
            self._failed(error)

    def drop(self, keys: Iterable[str]) -> bool:
        """Forget these keys in every process; call after the commit that changed them.

        Tried even where this process left the cache alone: others may still read it. False where it
        could not be told; this process then believes nothing of it until it could.
        """
        tombstones = dict.fromkeys(keys, TOMBSTONE)
        try:
            cache.set_many(tombstones, TOMBSTONE_TTL.total_seconds())
        except FAILURES as error:
            self._failed(error)
            return False
        return True

    def disown_everything(self) -> bool:
        """Begin a new epoch: nothing cached before is believed again, in any process.

        A full cache takes no new value, but lets the old epoch be deleted, which disowns as much.
        """
        doubts = self._all_doubts()
        try:
            cache.delete(EPOCH)
            cache.set(EPOCH, secrets.token_hex(8), None)
        except FAILURES as error:
            self._failed(error)
            return False
        with self._lock:
            self._settled = max(self._settled, doubts)
        return True

    def tend(self) -> None:
        """Make good what failed, and see whether the cache takes changes and answers in time."""
        if self._in_doubt() and not self.disown_everything():
            return
        started = time.monotonic()
        try:
            # Changes nothing, and is refused exactly where the epoch could not be deleted.
            cache.touch(EPOCH, None)
        except FAILURES as error:
            self._failed(error)
            return
        self._proved_at = started
        if time.monotonic() - started > SLOW_SECONDS:
            self._turn_away(SLOW)
        elif self._away and not self._paused():
            self._away = self._slow = False
            logger.info("cache.available")

    def _run(self, script: str, *, keys: Iterable[str], args: Iterable[str | int]) -> Any:
        """One round trip; two where the server does not know the script yet."""
        client = cache.client.get_client(write=True)  # type: ignore[attr-defined]
        return client.register_script(script)(keys=[cache.make_key(key) for key in keys], args=args)

    def _start_epoch(self) -> str | None:
        cache.add(EPOCH, secrets.token_hex(8), None)
        # None if somebody deleted it in between: then this reader has no epoch.
        epoch: str | None = cache.get(EPOCH)
        return epoch

    def _paused(self) -> bool:
        return time.monotonic() < self._paused_until

    def _usable(self) -> bool:
        if self._paused():
            return False
        proven = time.monotonic() - self._proved_at < PROOF_SECONDS
        if self._in_doubt() or self._away or not proven:
            self.tend()
        return not self._in_doubt() and not self._away

    def _all_doubts(self) -> int:
        """Our own, and each time that another server answered than before."""
        return self._doubts + server_watch.changes

    def _in_doubt(self) -> bool:
        return self._all_doubts() != self._settled

    def _doubt(self) -> None:
        with self._lock:
            self._doubts += 1

    def _failed(self, error: Exception) -> None:
        # Whoever was cut off can't know what others failed to drop, or what a restart brought back.
        self._doubt()
        self._turn_away(type(error).__name__)

    def _turn_away(self, reason: str) -> None:
        with self._lock:
            self._paused_until = time.monotonic() + PAUSE_SECONDS
            first, self._away = not self._away, True
            self._slow = reason == SLOW
        if first:
            logger.warning("cache.unavailable", error=reason)


def _named(counters: Iterable[tuple[str, int]]) -> list[list[Any]]:
    """Under the names that they have in the cache."""
    return [[cache.make_key(key), seconds] for key, seconds in counters]


def _pairs(flat: list[int]) -> Counted:
    return list(zip(flat[::2], flat[1::2], strict=True))


shared_cache = SharedCache()
