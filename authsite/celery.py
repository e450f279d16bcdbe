"""The Celery app; its settings are Django's that begin with CELERY_."""

import os
from pathlib import Path
from typing import Any

from celery import Celery
from celery.signals import setup_logging, worker_ready
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "authsite.settings")

app = Celery("authsite")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

for folder in getattr(settings, "CELERY_BROKER_TRANSPORT_OPTIONS", {}).values():
    Path(folder).mkdir(mode=0o700, parents=True, exist_ok=True)


@setup_logging.connect
def keep_django_logging(**_: Any) -> None:
    """With a receiver here, Celery leaves logging as Django's settings have it."""


@worker_ready.connect
def show_life(**_: Any) -> None:
    """At once, so that the health check doesn't take a start for a failure."""
    app.send_task("security.heartbeat", expires=15)
