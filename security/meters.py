"""Counting what somebody does in a window of time, over all processes.

The window is fixed and begins with the first thing counted. Without the shared cache each process
counts alone: neither open to everything nor closed to everybody.
"""

import math
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from security.shared_cache import shared_cache

# Windows that a process remembers by itself; a new one beyond these pushes out the oldest.
MOST_LOCAL = 100_000


@dataclass(frozen=True)
class Meter:
    """At most `quota` in `seconds` for `who`; `name` is shown in the RateLimit headers."""

    name: str
    who: str
    quota: int
    seconds: int

    @property
    def key(self) -> str:
        return f"meter:{self.name}:{self.who}:{self.quota}/{self.seconds}"


@dataclass(frozen=True)
class Usage:
    """How much of a meter is used, including what was just counted; `resets_in` is in seconds."""

    meter: Meter
    used: int
    resets_in: int

    @property
    def exceeded(self) -> bool:
        return self.used > self.meter.quota

    @property
    def remaining(self) -> int:
        return max(0, self.meter.quota - self.used)


def longest_wait(usages: Sequence[Usage]) -> int | None:
    """Seconds until every exceeded window begins anew; None where none is exceeded."""
    return max((usage.resets_in for usage in usages if usage.exceeded), default=None)


class LocalCounters:
    """Windows in this process alone."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._windows: dict[str, tuple[int, float]] = {}

    def count(self, key: str, seconds: int) -> tuple[int, int]:
        """How often in the window, and how many milliseconds are left of it."""
        now = time.monotonic()
        with self._lock:
            used, ends = self._windows.get(key, (0, 0.0))
            if ends <= now:
                self._windows.pop(key, None)
                used, ends = 0, now + seconds
                if len(self._windows) >= MOST_LOCAL:
                    del self._windows[next(iter(self._windows))]
            self._windows[key] = (used + 1, ends)
        return used + 1, math.ceil((ends - now) * 1000)

    def forget(self, key: str) -> None:
        with self._lock:
            self._windows.pop(key, None)


local_counters = LocalCounters()


def forget(meters: Sequence[Meter]) -> None:
    """Let these windows begin anew; without the shared cache, those of this process alone."""
    shared_cache.forget([(meter.key, meter.seconds) for meter in meters])
    for meter in meters:
        local_counters.forget(meter.key)


def count(meters: Sequence[Meter], *, counted: Sequence[tuple[int, int]] | None) -> list[Usage]:
    """The usage of each meter; `counted` is what reading the shared cache has counted already."""
    if counted is None:
        keys = [(meter.key, meter.seconds) for meter in meters]
        counted = shared_cache.count(keys) or [local_counters.count(*key) for key in keys]
    return [
        Usage(meter, used, max(1, math.ceil(milliseconds / 1000)))
        for meter, (used, milliseconds) in zip(meters, counted, strict=True)
    ]
