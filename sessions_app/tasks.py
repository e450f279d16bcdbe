"""Periodic work on sessions."""

from datetime import timedelta

from celery import shared_task

from security.jobs import exclusively
from sessions_app.services.pruning import prune


@shared_task(name="sessions_app.prune")
def prune_sessions() -> None:
    with exclusively("prune-sessions", lease=timedelta(minutes=30)) as mine:
        if mine:
            prune()
