"""Everything ends by the clock: no worker and no beat runs in these tests, so nothing cleans up."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
import time_machine
from django.test import Client as Browser
from django.utils import timezone

from accounts.models import OneTimeToken, User
from accounts.models.one_time_token import Purpose
from accounts.services.one_time_tokens import issue
from sessions_app.models import DeviceSession
from tests.client import Client

NEW = "tapir under seven moons"
SLACK = timedelta(seconds=60)


@contextmanager
def later(span: timedelta) -> Iterator[None]:
    with time_machine.travel(timezone.now() + span, tick=False):
        yield


def posted(path: str, **body: str) -> int:
    return int(Client().post(path, body).status_code)


def reset(token: str) -> int:
    return posted("/auth/password/reset", token=token, new_password=NEW)


def confirm(token: str) -> int:
    return posted("/auth/email/verify", token=token)


def undo(token: str) -> int:
    return int(Browser().post("/account/email/undo", {"token": token}).status_code)


@pytest.mark.parametrize(
    ("purpose", "use", "lifetime"),
    [
        (Purpose.RESET_PASSWORD, reset, timedelta(minutes=30)),
        (Purpose.SET_PASSWORD, reset, timedelta(hours=72)),
        (Purpose.VERIFY_EMAIL, confirm, timedelta(hours=24)),
        (Purpose.CHANGE_EMAIL, confirm, timedelta(hours=24)),
        (Purpose.UNDO_EMAIL_CHANGE, undo, timedelta(hours=72)),
    ],
)
def test_a_mailed_link_is_refused_after_its_time(
    alice: User, purpose: Purpose, use: Callable[[str], int], lifetime: timedelta
) -> None:
    token = issue(user=alice, purpose=purpose, email="other@example.com").text
    with later(lifetime + SLACK):
        assert use(token) == 422
    assert OneTimeToken.objects.filter(used_at=None).count() == 1
    with later(lifetime - SLACK):
        assert use(token) == 200


def test_a_mailed_code_is_refused_after_ten_minutes(alice: User) -> None:
    code = issue(user=alice, purpose=Purpose.VERIFY_EMAIL).code
    sent = {"email": "alice@example.com", "code": code}
    with later(timedelta(minutes=10) + SLACK):
        assert posted("/auth/email/verify", **sent) == 422
    with later(timedelta(minutes=10) - SLACK):
        assert posted("/auth/email/verify", **sent) == 200


def test_an_access_token_is_refused_after_its_time(client: Client, alice: User) -> None:
    pair = client.sign_in("alice")
    with later(timedelta(seconds=pair["expires_in"]) + SLACK):
        answer = client.get("/users/me")
    assert (answer.status_code, answer.json()["code"]) == (401, "token_expired")


@pytest.mark.parametrize("days", [15, 91])
def test_a_refresh_token_is_refused_after_the_sessions_time(
    client: Client, alice: User, days: int
) -> None:
    """Idle for 14 days, or older than 90 however often it was used."""
    token = client.sign_in("alice")["refresh_token"]
    if days > 90:
        future = timezone.now() + timedelta(days=365)
        DeviceSession.objects.update(idle_expires_at=future)
    with later(timedelta(days=days)):
        assert client.refresh(token).status_code == 401
        assert client.get("/users/me").status_code == 401
    assert DeviceSession.objects.get().end_reason == ""


def test_a_key_is_refused_after_its_time(client: Client, alice: User) -> None:
    client.sign_in("alice")
    ends = timezone.now() + timedelta(hours=1)
    body = {"name": "x", "scopes": [], "expires_at": ends.isoformat()}
    key = Client(client.post("/api-keys", body).json()["key"])
    with later(timedelta(hours=1) + SLACK):
        assert key.get("/users/me").status_code == 401
    assert key.get("/users/me").status_code == 200


def test_an_ended_session_stays_ended_however_late(client: Client, alice: User) -> None:
    pair = client.sign_in("alice")
    client.post("/auth/logout", {"refresh_token": pair["refresh_token"]})
    for span in (timedelta(0), timedelta(minutes=14), timedelta(days=13)):
        with later(span):
            assert client.get("/users/me").status_code == 401
            assert client.refresh(pair["refresh_token"]).status_code == 401
