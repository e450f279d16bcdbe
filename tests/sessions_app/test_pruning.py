"""What nobody can use any more goes, and nothing else."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from accounts.models import User
from sessions_app.models import DeviceSession
from sessions_app.services import pruning
from tests.accounts.test_budgets import counted_sql
from tests.client import Client


def sign_in_times(count: int) -> list[dict[str, Any]]:
    return [Client().sign_in("alice") for _ in range(count)]


def test_sessions_over_for_longer_than_the_retention_go(alice: User) -> None:
    sign_in_times(4)
    live, ended, idle, recent = DeviceSession.objects.order_by("pk")
    long_ago = timezone.now() - timedelta(days=31)
    DeviceSession.objects.filter(pk=ended.pk).update(ended_at=long_ago)
    DeviceSession.objects.filter(pk=idle.pk).update(idle_expires_at=long_ago)
    DeviceSession.objects.filter(pk=recent.pk).update(ended_at=timezone.now())
    assert pruning.prune()["sessions"] == 2
    assert set(DeviceSession.objects.all()) == {live, recent}


def test_a_token_of_a_pruned_session_stays_refused(alice: User) -> None:
    client = Client()
    pair = client.sign_in("alice")
    client.post("/auth/logout", {"refresh_token": pair["refresh_token"]})
    DeviceSession.objects.update(ended_at=timezone.now() - timedelta(days=31))
    pruning.prune()
    assert not DeviceSession.objects.exists()
    assert client.refresh(pair["refresh_token"]).json()["code"] == "session_ended"
    assert client.get("/users/me").json()["code"] == "session_ended"


def test_expired_ledger_rows_go_and_others_stay(alice: User) -> None:
    for pair in sign_in_times(2):
        Client().post("/auth/logout", {"refresh_token": pair["refresh_token"]})
    old = OutstandingToken.objects.earliest("pk")
    OutstandingToken.objects.filter(pk=old.pk).update(expires_at=timezone.now())
    assert pruning.prune()["blacklist"] == 1
    assert OutstandingToken.objects.count() == BlacklistedToken.objects.count() == 1


def test_many_rows_go_in_slices(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "SLICE", 2)
    sign_in_times(5)
    DeviceSession.objects.update(ended_at=timezone.now() - timedelta(days=31))
    assert pruning.prune()["sessions"] == 5
    assert not DeviceSession.objects.exists()


def test_the_ledger_grows_with_sessions_not_with_refreshes(client: Client, alice: User) -> None:
    token = client.sign_in("alice")["refresh_token"]
    for _ in range(3):
        token = client.refresh(token).json()["refresh_token"]
    assert not OutstandingToken.objects.exists()
    assert DeviceSession.objects.count() == 1
    client.post("/auth/logout", {"refresh_token": token})
    row = OutstandingToken.objects.get()
    assert token not in row.token
    assert BlacklistedToken.objects.get().token == row


@pytest.mark.shared
def test_what_is_over_is_found_by_index(alice: User) -> None:
    sign_in_times(1)
    DeviceSession.objects.update(ended_at=timezone.now() - timedelta(days=31))
    with counted_sql() as statements:
        pruning.prune()
    looks = [sql for sql in statements if "sessions_app_devicesession" in sql and "SKIP" in sql]
    assert len(looks) == 2
    with connection.cursor() as cursor:
        # The table is too small for the planner to bother.
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_bitmapscan = off")
        for sql, index in zip(looks, ["session_ended", "session_idle"], strict=True):
            cursor.execute(f"EXPLAIN {sql}")
            plan = "\n".join(line for (line,) in cursor.fetchall())
            assert f"Index Scan using {index}" in plan, plan
            assert "Sort" not in plan


def test_a_slice_costs_two_statements_however_many_rows_it_has(alice: User) -> None:
    for pair in sign_in_times(4):
        Client().post("/auth/logout", {"refresh_token": pair["refresh_token"]})
    DeviceSession.objects.update(ended_at=timezone.now() - timedelta(days=31))
    OutstandingToken.objects.update(expires_at=timezone.now())
    with counted_sql() as statements:
        assert pruning.prune() == {"sessions": 4, "blacklist": 4, "console": 0}
    # Two of the ledger, whose rows are in two tables, and the look-ups that find nothing.
    assert len(statements) == 2 + 1 + 3 + 1


@pytest.mark.shared
def test_vacuum_locks_nobody_out_after_a_pruning(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT reloptions FROM pg_class WHERE relname = 'sessions_app_devicesession'"
        )
        assert cursor.fetchone() == (["vacuum_truncate=off"],)
