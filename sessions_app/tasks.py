"""Periodic work on sessions."""

from celery import shared_task

from sessions_app.services.pruning import prune_exclusively


@shared_task(name="sessions_app.prune")
def prune_sessions() -> None:
    prune_exclusively()
