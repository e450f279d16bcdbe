"""Periodic jobs: one at a time, each idempotent, and the worker's proof of life."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import User
from security.jobs import exclusively
from security.models import JobRun, SigningKey
from security.tasks import heartbeat, rotate_keys_when_due
from tests.client import Client

pytestmark = pytest.mark.django_db


def test_a_job_that_runs_is_nobody_elses() -> None:
    with exclusively("job", lease=timedelta(minutes=1)) as mine:
        assert mine
        with exclusively("job", lease=timedelta(minutes=1)) as second:
            assert not second
    with exclusively("job", lease=timedelta(minutes=1)) as again:
        assert again


def test_the_lock_of_a_dead_holder_ends_with_its_lease() -> None:
    assert JobRun.objects.claim("job", lease=timedelta(minutes=1))
    JobRun.objects.update(locked_until=timezone.now() - timedelta(seconds=1))
    assert JobRun.objects.claim("job", lease=timedelta(minutes=1))


def test_a_failing_job_keeps_its_lock_until_the_lease_ends() -> None:
    with pytest.raises(ZeroDivisionError), exclusively("job", lease=timedelta(minutes=1)):
        raise ZeroDivisionError
    assert not JobRun.objects.claim("job", lease=timedelta(minutes=1))


def test_keys_rotate_when_due_and_not_before() -> None:
    current = SigningKey.objects.get(state="current")
    rotate_keys_when_due()
    assert SigningKey.objects.get(state="current") == current
    current.activated_at = timezone.now() - timedelta(days=31)
    current.created_at = current.activated_at
    current.save()
    # The next key has to have been published for a while.
    SigningKey.objects.filter(state="next").update(created_at=timezone.now() - timedelta(minutes=6))
    rotate_keys_when_due()
    rotate_keys_when_due()
    assert SigningKey.objects.get(state="current") != current
    assert SigningKey.objects.count() == 3


def test_the_heartbeat_makes_the_service_healthy(client: Client, alice: User) -> None:
    assert client.get("//health").json()["checks"]["worker"] == "failing"
    assert client.get("//health").json()["status"] == "degraded"
    heartbeat()
    assert client.get("//health").json()["status"] == "healthy"
