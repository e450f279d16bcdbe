"""Removing what nobody can use any more, a slice at a time."""

from datetime import timedelta

from django.conf import settings
from django.contrib.sessions.models import Session
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
    return DeviceSession.objects.over_since(timezone.now() - settings.AUTH_SESSION_RETENTION)


def _expired_ledger() -> QuerySet[OutstandingToken]:
    expired: QuerySet[OutstandingToken] = OutstandingToken.objects.filter(
        expires_at__lt=timezone.now()
    )
    return expired


def _expired_console_sessions() -> QuerySet[Session]:
    return Session.objects.filter(expire_date__lt=timezone.now())


def _prune_sessions() -> int:
    over = _over_sessions()
    deleted = 0
    while ids := list(over.order_by("pk").values_list("pk", flat=True)[:SLICE]):
        deleted += DeviceSession.objects.filter(pk__in=ids).delete()[0]
    return deleted


def _prune_blacklist() -> int:
    expired = _expired_ledger()
    deleted = 0
    while ids := list(expired.order_by("pk").values_list("pk", flat=True)[:SLICE]):
        BlacklistedToken.objects.filter(token_id__in=ids).delete()
        deleted += OutstandingToken.objects.filter(pk__in=ids).delete()[0]
    return deleted


def _prune_console_sessions() -> int:
    return _expired_console_sessions().delete()[0]
