"""Sightings are written beside requests: never waiting for one, and not lost at an orderly end."""

import os
from collections.abc import Iterator
from datetime import timedelta

import psycopg
import pytest

from tests.races.racing import run_at_once
from tests.service import ADMIN_EMAIL, ADMIN_PASSWORD, Service

pytestmark = pytest.mark.shared

FLUSH_ALL = """
from sessions_app.last_seen import last_seen
from sessions_app.models import DeviceSession
for sid in DeviceSession.objects.values_list("pk", flat=True):
    last_seen.note(sid)
print(last_seen.flush(), last_seen._failing)
"""


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with Service.shared(os.environ["TEST_DATABASE_URL"], os.environ["TEST_REDIS_URL"]) as running:
        yield running


@pytest.fixture
def token(service: Service) -> str:
    """The access token of the only session, which was last seen an hour ago."""
    with psycopg.connect(service.environment["DATABASE_URL"]) as database:
        database.execute("DELETE FROM sessions_app_devicesession")
    with service.client() as http:
        login = {"username": ADMIN_EMAIL, "password": ADMIN_PASSWORD}
        given: str = http.post("/auth/login", json=login).json()["access_token"]
    with psycopg.connect(service.environment["DATABASE_URL"]) as database:
        database.execute(
            "UPDATE sessions_app_devicesession SET last_seen_at = now() - interval '1 hour'"
        )
    return given


def seen_ago(service: Service) -> timedelta:
    with psycopg.connect(service.environment["DATABASE_URL"]) as database:
        found = database.execute("SELECT now() - last_seen_at FROM sessions_app_devicesession")
        (ago,) = found.fetchone() or (timedelta.max,)
    assert isinstance(ago, timedelta)
    return ago


def test_a_row_that_a_request_holds_is_left_out(service: Service, token: str) -> None:
    with psycopg.connect(service.environment["DATABASE_URL"]) as request:
        request.execute("SELECT 1 FROM sessions_app_devicesession FOR UPDATE")
        assert run_at_once(service, FLUSH_ALL, times=1) == ["0 False\n"]
    assert seen_ago(service) > timedelta(minutes=59)
    assert run_at_once(service, FLUSH_ALL, times=1) == ["1 False\n"]


def test_processes_that_flush_at_once_write_a_row_once(service: Service, token: str) -> None:
    printed = run_at_once(service, FLUSH_ALL, times=3)
    assert sorted(printed) == ["0 False\n", "0 False\n", "1 False\n"]


def test_a_web_process_writes_what_it_saw_before_it_ends(service: Service, token: str) -> None:
    with service.client() as http:
        answer = http.get("/users/me", headers={"Authorization": f"Bearer {token}"})
        assert answer.is_success
    service.stop()
    try:
        assert seen_ago(service) < timedelta(minutes=1)
    finally:
        service.start()
