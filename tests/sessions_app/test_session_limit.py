"""At most so many live sessions a user: one more sign-in ends the oldest."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from security.metrics import SIGN_INS
from security.models import AuditEvent
from sessions_app.models import DeviceSession
from tests.client import Client, assert_problem


def clients(count: int, name: str = "alice") -> list[Client]:
    made = [Client() for _ in range(count)]
    for client in made:
        client.sign_in(name)
    return made


def signed_in(each: list[Client]) -> list[bool]:
    return [client.get("/users/me").status_code == 200 for client in each]


def test_there_is_no_limit_by_default(alice: User) -> None:
    assert all(signed_in(clients(8)))


@pytest.mark.parametrize("limit", [1, 3])
def test_one_more_sign_in_ends_the_oldest(alice: User, settings: Any, limit: int) -> None:
    settings.AUTH_SESSION_LIMIT = limit
    each = clients(5)
    assert signed_in(each) == [False] * (5 - limit) + [True] * limit
    assert_problem(each[0].get("/users/me"), 401, "session_ended")
    reasons = DeviceSession.objects.exclude(ended_at=None).values_list("end_reason", flat=True)
    assert set(reasons) == {"session_limit"}


def test_the_end_is_audited_and_no_sign_in_failed(alice: User, settings: Any) -> None:
    settings.AUTH_SESSION_LIMIT = 1
    failed = SIGN_INS.labels("invalid_credentials")._value.get()
    clients(2)
    event = AuditEvent.objects.get(kind="session.ended")
    assert event.details == {"reason": "session_limit"}
    assert (event.actor_id, event.subject_id) == (alice.pk, alice.pk)
    assert event.session_id == DeviceSession.objects.earliest("created_at").pk
    assert not AuditEvent.objects.filter(kind="login.failed").exists()
    assert SIGN_INS.labels("invalid_credentials")._value.get() == failed


def test_a_limit_lowered_later_ends_all_beyond_it(alice: User, settings: Any) -> None:
    each = clients(4)
    settings.AUTH_SESSION_LIMIT = 2
    assert signed_in([*each, *clients(1)]) == [False, False, False, True, True]


def test_sessions_that_are_over_and_those_of_others_dont_count(
    alice: User, bob: User, settings: Any
) -> None:
    settings.AUTH_SESSION_LIMIT = 2
    _, live = clients(2)
    DeviceSession.objects.filter(pk=DeviceSession.objects.earliest("created_at").pk).update(
        idle_expires_at=timezone.now() - timedelta(seconds=1)
    )
    other = clients(2, "bob")
    assert signed_in([live, *clients(1), *other]) == [True] * 4
    assert not AuditEvent.objects.filter(kind="session.ended").exists()


def test_the_newest_stays_though_a_clock_elsewhere_is_ahead(alice: User, settings: Any) -> None:
    settings.AUTH_SESSION_LIMIT = 1
    (ahead,) = clients(1)
    DeviceSession.objects.update(created_at=timezone.now() + timedelta(minutes=1))
    assert signed_in([ahead, *clients(1)]) == [False, True]
