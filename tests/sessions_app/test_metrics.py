"""Rows of sessions and the oldest that is due, as /metrics tells them."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from accounts.models import User
from sessions_app import metrics
from sessions_app.models import DeviceSession
from sessions_app.tasks import prune_sessions
from tests.accounts.test_budgets import counted_sql
from tests.client import Client

TOKEN = "a-metrics-token-of-the-tests-0123456789"
OLDEST = "auth_sessions_oldest_prunable_seconds"


@pytest.fixture(autouse=True)
def metrics_token(settings: Any) -> None:
    settings.AUTH_METRICS_TOKEN = TOKEN


def scrape(client: Client) -> dict[str, float]:
    client.access_token = TOKEN
    answer = client.get("//metrics")
    assert answer.status_code == 200
    assert b"auth_requests_total" in answer.content
    found = re.findall(r"^(auth_sessions\S*) (\S+)$", answer.content.decode(), re.M)
    return {name: float(value) for name, value in found}


def test_the_job_counts_and_the_scrape_tells(client: Client, alice: User) -> None:
    assert scrape(client) == {OLDEST: 0}
    for _ in range(3):
        pair = Client().sign_in("alice")
    Client(pair["access_token"]).post("/auth/logout")
    prune_sessions()
    counts = {'auth_sessions{state="live"}': 2, 'auth_sessions{state="over"}': 1}
    assert scrape(client) == {**counts, OLDEST: 0}
    Client().sign_in("alice")
    assert scrape(client) == {**counts, OLDEST: 0}
    prune_sessions()
    assert scrape(client)['auth_sessions{state="live"}'] == 3


@pytest.mark.parametrize("column", ["ended_at", "idle_expires_at"])
def test_the_oldest_row_that_is_due_has_an_age(client: Client, alice: User, column: str) -> None:
    Client().sign_in("alice")
    Client().sign_in("alice")
    oldest = DeviceSession.objects.earliest("created_at")
    rows = DeviceSession.objects.filter(pk=oldest.pk)
    rows.update(**{column: timezone.now() - timedelta(days=29)})
    assert scrape(client)[OLDEST] == 0
    rows.update(**{column: timezone.now() - timedelta(days=40)})
    assert abs(scrape(client)[OLDEST] - timedelta(days=40).total_seconds()) < 60
    prune_sessions()
    assert scrape(client)[OLDEST] == 0


def test_a_scrape_asks_seven_times_and_counts_nothing(client: Client, alice: User) -> None:
    Client().sign_in("alice")
    with counted_sql() as statements:
        scrape(client)
    assert len(statements) == 7
    for sql in statements:
        assert "COUNT(" not in sql
        assert sql.endswith("LIMIT 1")


@pytest.mark.shared
def test_the_oldest_rows_come_from_the_ends_of_indexes(client: Client, alice: User) -> None:
    with counted_sql() as statements:
        scrape(client)
    looks = [sql for sql in statements if "sessions_app_devicesession" in sql]
    assert len(looks) == 2
    with connection.cursor() as cursor:
        # The table is too small for the planner to bother.
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_bitmapscan = off")
        for sql in looks:
            cursor.execute(f"EXPLAIN {sql}")
            plan = "\n".join(line for (line,) in cursor.fetchall())
            assert re.search(r"Index Only Scan using session_(ended|idle)", plan), plan
            assert "Sort" not in plan


def test_without_the_database_the_other_metrics_are_told(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise OperationalError("gone")

    monkeypatch.setattr(metrics, "session_counts", refuse)
    assert scrape(client) == {}
