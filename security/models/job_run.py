"""The runs of periodic jobs: their lock and their proof of life."""

from datetime import timedelta
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone


class JobRunQuerySet(models.QuerySet["JobRun"]):
    def claim(self, name: str, *, lease: timedelta) -> bool:
        """Take the lock of a job for `lease`; True for exactly one of those who ask at once."""
        now = timezone.now()
        self.bulk_create([JobRun(name=name)], ignore_conflicts=True)
        free = Q(locked_until=None) | Q(locked_until__lte=now)
        return self.filter(free, name=name).update(locked_until=now + lease, started_at=now) == 1

    def beat(self, name: str) -> None:
        """Note that the job ran just now; for one that needs no lock."""
        now = timezone.now()
        self.update_or_create(name=name, defaults={"started_at": now, "succeeded_at": now})

    def finish(self, name: str) -> None:
        self.filter(name=name).update(locked_until=None, succeeded_at=timezone.now())


class JobRun(models.Model):
    """One row a job. The lock is a row, so it works without Redis; a dead holder's lease ends."""

    HEARTBEAT = "heartbeat"

    name = models.CharField(max_length=64, primary_key=True)
    locked_until = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    succeeded_at = models.DateTimeField(null=True)
    # What the job has to tell until its next run.
    result = models.JSONField(null=True)

    objects: ClassVar[JobRunQuerySet] = JobRunQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        default_permissions = ["view"]

    def __str__(self) -> str:
        return self.name
