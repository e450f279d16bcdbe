"""Periodic jobs run in one place at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from security.models import JobRun


@contextmanager
def exclusively(name: str, *, lease: timedelta) -> Iterator[bool]:
    """Hold the job's lock; yields False where somebody else holds it.

    After an error the lock stays until the lease ends, so a failing job is not hammered.
    """
    mine = JobRun.objects.claim(name, lease=lease)
    yield mine
    if mine:
        JobRun.objects.finish(name)
