"""Waiting for what another process or thread does."""

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")

# Only a failure takes as long: a busy machine is no fault.
WAITING_SECONDS = 60


def wait_until(
    condition: Callable[[], Found],
    because: object = "It never came to pass.",
    seconds: float = WAITING_SECONDS,
    every: float = 0.05,
) -> Found:
    """Look again and again until `condition` holds, and return what it gave."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, because
        time.sleep(every)
    return found
