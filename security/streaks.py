"""Failures in a row, and the growing wait after too many, over all processes.

An attempt counts as a failure from the moment it is let through until it proves right. So however
many come at once, no more are let through than may fail. Without the shared cache each process
counts alone.
"""

import json
import math
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.core.cache import cache

from security.shared_cache import shared_cache

# How long a streak is remembered after its last failure and the wait that followed.
KEPT = timedelta(days=1)
# Streaks that a process remembers by itself; a new one beyond these pushes out the oldest.
MOST_LOCAL = 100_000

# The clock is the server's own. A streak is a hash: `n` failures, no further one before `until`.
RESERVE = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local first, longest, kept = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local streaks = cjson.decode(ARGV[1])
local wait = 0
for _, streak in ipairs(streaks) do
  local ends = tonumber(redis.call('HGET', streak[1], 'until') or 0)
  wait = math.max(wait, ends - now)
end
local found = {wait}
if wait > 0 then return found end
for _, streak in ipairs(streaks) do
  local n, cooldown = redis.call('HINCRBY', streak[1], 'n', 1), 0
  if n >= streak[2] then
    cooldown = math.min(longest, first * 2 ^ math.min(n - streak[2], 30))
    redis.call('HSET', streak[1], 'until', now + cooldown)
  end
  redis.call('PEXPIRE', streak[1], cooldown + kept)
  table.insert(found, n)
  table.insert(found, cooldown)
end
return found
"""
RELEASE = """
local taken
for _, place in ipairs(cjson.decode(ARGV[1])) do
  local key, free, mine = place[1], place[2], place[3]
  local n = tonumber(redis.call('HGET', key, 'n') or 0)
  taken = math.min(taken or tonumber(ARGV[2]), n)
  if n == taken then
    redis.call('DEL', key)
  else
    redis.call('HSET', key, 'n', n - taken)
    if n == mine or n - taken < free then redis.call('HSET', key, 'until', 0) end
  end
end
return taken
"""


@dataclass(frozen=True)
class Streak:
    """What is counted under `key`; after `free` failures in a row each further one has a wait."""

    key: str
    free: int


@dataclass(frozen=True)
class Place:
    """An attempt in a streak: the how manyth failure it would be, and the seconds to wait then."""

    streak: Streak
    count: int
    cooldown: int


class LocalStreaks:
    """The same in this process alone; moments are milliseconds of its own clock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Failures, no further one before, forgotten after.
        self._streaks: dict[str, tuple[int, int, int]] = {}

    def reserve(self, streaks: Sequence[Streak], first: int, longest: int) -> list[int]:
        """The wait, or 0 and for each streak its failures and its cooldown."""
        now = _now()
        with self._lock:
            wait = max(self._get(streak.key, now)[1] - now for streak in streaks)
            if wait > 0:
                return [wait]
            found = [0]
            for streak in streaks:
                failures = self._get(streak.key, now)[0] + 1
                over = failures - streak.free
                cooldown = min(longest, first * 2 ** min(over, 30)) if over >= 0 else 0
                self._put(streak.key, failures, now + cooldown)
                found += [failures, cooldown]
        return found

    def release(self, places: Sequence[Place], count: int) -> int:
        """Take back up to `count` failures of the first streak, and as many of the others."""
        now = _now()
        taken = count
        with self._lock:
            for place in places:
                key = place.streak.key
                failures, ends, _ = self._get(key, now)
                taken = min(taken, failures)
                left = failures - taken
                if not left:
                    self._streaks.pop(key, None)
                    continue
                open_again = failures == place.count or left < place.streak.free
                self._put(key, left, now if open_again else ends)
        return taken

    def _get(self, key: str, now: int) -> tuple[int, int, int]:
        found = self._streaks.get(key)
        return found if found and found[2] > now else (0, now, now)

    def _put(self, key: str, failures: int, ends: int) -> None:
        # Anew at the end, so that the first is the one that was not touched for longest.
        self._streaks.pop(key, None)
        if len(self._streaks) >= MOST_LOCAL:
            del self._streaks[next(iter(self._streaks))]
        self._streaks[key] = (failures, ends, ends + _milliseconds(KEPT))


local_streaks = LocalStreaks()


def reserve(streaks: Sequence[Streak]) -> tuple[int, list[Place]]:
    """Count an attempt in every streak, or in none and say how many seconds to wait."""
    first = _milliseconds(settings.AUTH_LOCKOUT_WAIT)
    longest = _milliseconds(settings.AUTH_LOCKOUT_LONGEST_WAIT)
    asked = [[cache.make_key(streak.key), streak.free] for streak in streaks]
    found: list[int] | None = shared_cache.ask(
        RESERVE, json.dumps(asked), first, longest, _milliseconds(KEPT), patient=True
    )
    if found is None:
        found = local_streaks.reserve(streaks, first, longest)
    wait, counts, cooldowns = found[0], found[1::2], found[2::2]
    places = [
        Place(streak, count, _seconds(cooldown))
        for streak, count, cooldown in zip(streaks, counts, cooldowns, strict=False)
    ]
    return _seconds(wait), places


def release(places: Sequence[Place], count: int) -> int:
    """Take back `count` failures of the first streak, and as many of the others, which hold them.

    How many these were: another process may have taken them back before.
    """
    asked = [[cache.make_key(p.streak.key), p.streak.free, p.count] for p in places]
    taken: int | None = shared_cache.ask(RELEASE, json.dumps(asked), count, patient=True)
    return local_streaks.release(places, count) if taken is None else taken


def _now() -> int:
    return int(time.monotonic() * 1000)


def _milliseconds(span: timedelta) -> int:
    return int(span.total_seconds() * 1000)


def _seconds(milliseconds: int) -> int:
    return math.ceil(milliseconds / 1000)
