"""When a session was last used."""

from datetime import datetime
from uuid import UUID

from django.apps import apps
from django.db import transaction

from security.last_use import PRECISION, LastUse


def _write(sids: list[UUID], now: datetime) -> int:
    """Rows that somebody holds are left out: they are being changed, and nobody should wait."""
    # Looked up late: gunicorn's configuration imports this module before the models are loaded.
    sessions = apps.get_model("sessions_app", "DeviceSession").objects
    due = sessions.filter(pk__in=sids, ended_at=None, last_seen_at__lt=now - PRECISION)
    with transaction.atomic():
        free = due.select_for_update(skip_locked=True).values("pk")
        written: int = sessions.filter(pk__in=free).update(last_seen_at=now)
    return written


last_seen = LastUse("last_seen", _write)
