"""Periodic work on keys and the trail, and the worker's proof of life."""

from datetime import timedelta

from celery import shared_task
from django.conf import settings

from security.audit_chain import chain_exclusively, verify_exclusively
from security.jobs import exclusively
from security.key_rotation import retire_expired, rotate_when_due
from security.models import JobRun


@shared_task(name="security.heartbeat")
def heartbeat() -> None:
    JobRun.objects.beat(JobRun.HEARTBEAT)


@shared_task(name="security.rotate_keys_when_due")
def rotate_keys_when_due() -> None:
    with exclusively("rotate-keys", lease=timedelta(minutes=5)) as mine:
        if mine:
            retire_expired()
            rotate_when_due(age=settings.AUTH_KEY_ROTATION)


@shared_task(name="security.chain_audit")
def chain_audit() -> None:
    chain_exclusively()


@shared_task(name="security.verify_audit")
def verify_audit() -> None:
    verify_exclusively()
