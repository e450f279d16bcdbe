"""Periodic jobs run in one place at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

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


def keep_result(name: str, result: dict[str, Any]) -> None:
    """What a job has to tell, for every process, until it runs again."""
    JobRun.objects.filter(name=name).update(result=result)


def last_result(name: str) -> dict[str, Any]:
    """What the job told when it last did; empty before its first run."""
    found = JobRun.objects.filter(name=name).values_list("result", flat=True).first()
    return dict(found or {})
