"""When a session was last seen: noted by requests, written later, at most once a minute."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from threading import Event
from typing import Any
from uuid import uuid4

import pytest
from django.db import OperationalError
from django.utils import timezone
from structlog.testing import capture_logs

from accounts.models import User
from security import last_use as module
from security.last_use import LastUse
from sessions_app.last_seen import last_seen
from sessions_app.models import DeviceSession
from tests.accounts.test_budgets import counted_sql
from tests.client import Client


@pytest.fixture(autouse=True)
def nothing_noted_before() -> Iterator[None]:
    last_seen._noted.clear()
    last_seen._failing = False
    yield
    last_seen._noted.clear()


@pytest.fixture
def old(client: Client, alice: User) -> DeviceSession:
    """A session of `client` that was last seen ten minutes ago."""
    client.sign_in("alice")
    DeviceSession.objects.update(last_seen_at=timezone.now() - timedelta(minutes=10))
    return DeviceSession.objects.get()


def seen(session: DeviceSession) -> datetime:
    session.refresh_from_db()
    return session.last_seen_at


def test_a_request_is_noted_and_written_later(client: Client, old: DeviceSession) -> None:
    before = seen(old)
    client.get("/users/me")
    assert seen(old) == before
    with counted_sql() as statements:
        assert last_seen.flush() == 1
    assert len(statements) == 1
    assert statements[0].startswith("UPDATE")
    assert timezone.now() - seen(old) < timedelta(seconds=5)
    listed = client.get("/sessions").json()[0]["last_seen_at"]
    assert datetime.fromisoformat(listed) == seen(old)


def test_a_refused_request_is_no_sighting(client: Client, old: DeviceSession) -> None:
    assert client.access_token
    client.access_token = client.access_token[:-8] + "AAAAAAAA"
    assert client.get("/users/me").status_code == 401
    assert last_seen.flush() == 0


def test_a_session_is_written_at_most_once_a_minute(client: Client, old: DeviceSession) -> None:
    client.get("/users/me")
    assert last_seen.flush() == 1
    written = seen(old)
    client.get("/users/me")
    assert last_seen.flush() == 0
    assert seen(old) == written
    DeviceSession.objects.update(last_seen_at=timezone.now() - timedelta(seconds=61))
    client.get("/users/me")
    assert last_seen.flush() == 1


def test_an_ended_session_is_left_as_it_ended(client: Client, old: DeviceSession) -> None:
    client.get("/users/me")
    client.post("/auth/logout")
    assert last_seen.flush() == 0


def test_nothing_noted_costs_nothing(db: None) -> None:
    with counted_sql() as statements:
        assert last_seen.flush() == 0
    assert statements == []


def test_what_is_noted_goes_in_slices(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SLICE", 2)
    for _ in range(5):
        Client().sign_in("alice")
    DeviceSession.objects.update(last_seen_at=timezone.now() - timedelta(minutes=2))
    for sid in DeviceSession.objects.values_list("pk", flat=True):
        last_seen.note(sid)
    with counted_sql() as statements:
        assert last_seen.flush() == 5
    assert len(statements) == 3


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_NOTED", 3)
    noted = LastUse("things", lambda pks, now: len(pks))
    for _ in range(10):
        noted.note(uuid4())
    assert len(noted._noted) == 3


def test_a_database_that_is_away_is_told_once_and_loses_only_the_noting(
    client: Client, old: DeviceSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_sids: object, _now: object) -> int:
        raise OperationalError("gone")

    with monkeypatch.context() as away, capture_logs() as events:
        away.setattr(last_seen, "_write", refuse)
        for _ in range(3):
            last_seen.note(old.pk)
            assert last_seen.flush() == 0
        assert last_seen.flush() == 0
        last_seen.note(old.pk)
        last_seen.flush()
    told = [event for event in events if event["event"] == "last_seen.not_written"]
    assert told == [
        {"event": "last_seen.not_written", "error": "OperationalError", "log_level": "warning"}
    ]
    client.get("/users/me")
    assert last_seen.flush() == 1
    assert not last_seen._failing


def test_the_thread_flushes_until_it_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FLUSH_SECONDS", 0.01)
    wrote, sid = Event(), uuid4()
    written: list[Any] = []

    def write(sids: Any, _now: Any) -> int:
        written.extend(sids)
        wrote.set()
        return len(sids)

    noted = LastUse("things", write)
    noted.start()
    noted.note(sid)
    assert wrote.wait(5)
    assert written == [sid]
    noted.stop()
