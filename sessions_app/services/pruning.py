"""Removing what nobody can use any more, a slice at a time."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from security.jobs import exclusively, keep_result, last_result
from sessions_app.models import DeviceSession

# Small enough that no request waits on the locks of one slice.
SLICE = 5000
JOB = "prune-sessions"
LEASE = timedelta(minutes=30)


def prune_exclusively() -> dict[str, int] | None:
    """The job: prune, then count for the metrics. None where somebody else is at it."""
    with exclusively(JOB, lease=LEASE) as mine:
        if not mine:
            return None
        deleted = prune()
        live = DeviceSession.objects.live().count()
        keep_result(JOB, {"live": live, "over": DeviceSession.objects.count() - live})
        return deleted


def session_counts() -> dict[str, int]:
    """Rows by state as the job last counted them; empty before its first run."""
    return last_result(JOB)


def oldest_prunable() -> timedelta:
    """How long the oldest row that is due for pruning has been over; zero without one.

    The two least values come from the ends of two indexes.
    """
    now = timezone.now()
    sessions = DeviceSession.objects.all()
    ended = sessions.filter(ended_at__isnull=False).order_by("ended_at")
    least = [
        ended.values_list("ended_at", flat=True).first(),
        sessions.order_by("idle_expires_at").values_list("idle_expires_at", flat=True).first(),
    ]
    ages = [now - moment for moment in least if moment is not None]
    oldest = max(ages, default=timedelta(0))
    return oldest if oldest > settings.AUTH_SESSION_RETENTION else timedelta(0)


def prune() -> dict[str, int]:
    """Delete sessions over for longer than the retention, and expired ledger and console rows.

    Returns the deleted rows by table.
    """
    return {
        "sessions": _prune_sessions(),
        "blacklist": _prune_blacklist(),
        "console": _prune_console_sessions(),
    }


def count_prunable() -> dict[str, int]:
    """What prune() would delete now, by table."""
    return {
        "sessions": _over_sessions().count(),
        "blacklist": _expired_ledger().count(),
        "console": _expired_console_sessions().count(),
    }


def _over_sessions() -> QuerySet[DeviceSession]:
    return DeviceSession.objects.over_since(_retained_since())


def _retained_since() -> datetime:
    return timezone.now() - settings.AUTH_SESSION_RETENTION


def _expired_ledger() -> QuerySet[OutstandingToken]:
    expired: QuerySet[OutstandingToken] = OutstandingToken.objects.filter(
        expires_at__lt=timezone.now()
    )
    return expired


def _expired_console_sessions() -> QuerySet[Session]:
    return Session.objects.filter(expire_date__lt=timezone.now())


def _prune_sessions() -> int:
    """By one index after the other: what is over by either would be looked up by none."""
    moment = _retained_since()
    return sum(
        _delete_in_slices(
            DeviceSession.objects.filter(**{f"{column}__lt": moment}),
            along=column,
            delete=_delete_sessions,
        )
        for column in ("ended_at", "idle_expires_at")
    )


def _prune_blacklist() -> int:
    """Its times have no index: this reads the ledger once, by its primary key."""
    return _delete_in_slices(_expired_ledger(), along="pk", delete=_delete_ledger)


def _prune_console_sessions() -> int:
    return _delete_in_slices(
        _expired_console_sessions(), along="expire_date", delete=_delete_console_sessions
    )


def _delete_in_slices(
    rows: QuerySet[Any], *, along: str, delete: Callable[[list[Any]], int]
) -> int:
    """Delete `rows` in the order of an indexed column, each slice a transaction of its own.

    A row that somebody holds is left to the next run, so neither waits for the other. `delete`
    is given the primary keys of a slice and returns how many rows of the table it deleted.
    """
    deleted = 0
    rest = rows.order_by(along)
    while True:
        with transaction.atomic():
            free = rest.select_for_update(skip_locked=True).values_list("pk", along)
            found = list(free[:SLICE])
            if found:
                deleted += delete([pk for pk, _ in found])
        if len(found) < SLICE:
            return deleted
        # Onwards, past what is deleted but still in the index.
        rest = rows.order_by(along).filter(**{f"{along}__gte": found[-1][1]})


def _delete_sessions(ids: list[Any]) -> int:
    return DeviceSession.objects.filter(pk__in=ids).delete()[0]


def _delete_ledger(ids: list[Any]) -> int:
    BlacklistedToken.objects.filter(token__in=ids).delete()
    # Nothing else refers to them; delete() would load them all to look.
    rows = OutstandingToken.objects.filter(pk__in=ids)
    return rows._raw_delete(rows.db)


def _delete_console_sessions(ids: list[Any]) -> int:
    return Session.objects.filter(pk__in=ids).delete()[0]
