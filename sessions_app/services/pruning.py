"""Removing what nobody can use any more, a slice at a time."""

from django.conf import settings
from django.contrib.sessions.models import Session
from django.utils import timezone
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from sessions_app.models import DeviceSession

# Small enough that no request waits on the locks of one slice.
SLICE = 5000


def prune() -> dict[str, int]:
    """Delete sessions over for longer than the retention, and expired ledger and console rows.

    Returns the deleted rows by table.
    """
    return {
        "sessions": _prune_sessions(),
        "blacklist": _prune_blacklist(),
        "console": _prune_console_sessions(),
    }


def _prune_sessions() -> int:
    over = DeviceSession.objects.over_since(timezone.now() - settings.AUTH_SESSION_RETENTION)
    deleted = 0
    while ids := list(over.order_by("pk").values_list("pk", flat=True)[:SLICE]):
        deleted += DeviceSession.objects.filter(pk__in=ids).delete()[0]
    return deleted


def _prune_blacklist() -> int:
    expired = OutstandingToken.objects.filter(expires_at__lt=timezone.now())
    deleted = 0
    while ids := list(expired.order_by("pk").values_list("pk", flat=True)[:SLICE]):
        BlacklistedToken.objects.filter(token_id__in=ids).delete()
        deleted += OutstandingToken.objects.filter(pk__in=ids).delete()[0]
    return deleted


def _prune_console_sessions() -> int:
    return Session.objects.filter(expire_date__lt=timezone.now()).delete()[0]
