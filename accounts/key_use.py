"""When an API key was last used."""

from datetime import datetime
from uuid import UUID

from django.apps import apps
from django.db import transaction
from django.db.models import Q

from security.last_use import PRECISION, LastUse


def _write(pks: list[UUID], now: datetime) -> int:
    # Looked up late: gunicorn's configuration imports this module before the models are loaded.
    keys = apps.get_model("accounts", "ApiKey").objects
    stale = Q(last_used_at=None) | Q(last_used_at__lt=now - PRECISION)
    with transaction.atomic():
        free = keys.filter(stale, pk__in=pks).select_for_update(skip_locked=True).values("pk")
        written: int = keys.filter(pk__in=free).update(last_used_at=now)
    return written


key_use = LastUse("key_use", _write)
