"""Pruning many rows: in slices that commit one by one, waiting for nobody and holding up nobody."""

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from tests.client import PASSWORD
from tests.service import Service
from tests.waiting import wait_until

pytestmark = pytest.mark.shared

ROWS = 20_000
SLICE = 5000
MID_PRUNE = 7
LEDGER_TABLE = "token_blacklist_outstandingtoken"

# Half of them were ended, half fell idle; both have a row in the ledger.
SEED = f"""
INSERT INTO sessions_app_devicesession (id, user_id, generation, refresh_jti, refreshed_at,
    idle_expires_at, expires_at, created_at, last_seen_at, ended_at, end_reason, device, user_agent,
    origin, amr)
SELECT gen_random_uuid(), person.id, 1, 'jti' || n, day, day + interval '14 days',
    day + interval '90 days', day, day, CASE WHEN n %% 2 = 0 THEN day END, '', 'a device', '', '',
    '[]'
FROM generate_series(1, {ROWS}) AS n, (SELECT now() - interval '60 days' AS day) AS d,
    accounts_user AS person WHERE person.email_key = %s
"""
LEDGER = f"""
WITH token AS (
    INSERT INTO {LEDGER_TABLE} (jti, token, created_at, expires_at)
    SELECT 'jti' || n, '', now(), now() - interval '1 day' FROM generate_series(1, {ROWS}) AS n
    RETURNING id
)
INSERT INTO token_blacklist_blacklistedtoken (token_id, blacklisted_at)
SELECT id, now() FROM token
"""
# Tells which transaction deleted how many sessions, and stops the second until the lock is free.
WATCH = f"""
CREATE TABLE deleted (transaction xid8, sessions int);
CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO deleted SELECT pg_current_xact_id(), count(*) FROM gone;
    IF (SELECT count(*) FROM deleted) = 2 THEN
        PERFORM pg_advisory_xact_lock({MID_PRUNE});
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER watch AFTER DELETE ON sessions_app_devicesession REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION watch();
"""
PRUNABLE = "SELECT count(*) FROM sessions_app_devicesession WHERE device = 'a device'"
STOPPED = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


@pytest.fixture
def service() -> Iterator[Service]:
    urls = os.environ["TEST_DATABASE_URL"], os.environ["TEST_REDIS_URL"]
    with Service.shared(*urls, WEB_PROCESSES="1") as running:
        yield running


@pytest.fixture
def database(service: Service) -> Iterator[psycopg.Connection[Any]]:
    url = service.environment["DATABASE_URL"]
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def pair(service: Service, database: psycopg.Connection[Any]) -> dict[str, Any]:
    """The tokens of somebody who also has 20,000 sessions that are long over."""
    email = f"{uuid4().hex}@example.com"
    body = {"email": email, "password": PASSWORD}
    with service.client() as http:
        assert http.post("/auth/register", json=body).status_code == 201
        signed_in: dict[str, Any] = http.post("/auth/login", json=body).json()
    database.execute(SEED, (email,))
    database.execute(LEDGER)
    return signed_in | {"email": email}


def prune(service: Service) -> dict[str, int]:
    deleted: dict[str, int] = json.loads(service.manage("prune_sessions", "--json"))["deleted"]
    return deleted


def count(database: psycopg.Connection[Any], query: str) -> int:
    found: int = database.execute(query).fetchone()[0]  # type: ignore[index]
    return found


def test_slices_commit_one_by_one_and_clients_go_on_meanwhile(
    service: Service, database: psycopg.Connection[Any], pair: dict[str, Any]
) -> None:
    database.execute(WATCH)
    with ThreadPoolExecutor(1) as pool, service.client() as http:
        with psycopg.connect(service.environment["DATABASE_URL"]) as holding:
            holding.execute(f"SELECT pg_advisory_lock({MID_PRUNE})")
            pruning = pool.submit(prune, service)
            wait_until(lambda: pruning.done() or count(database, STOPPED))
            assert not pruning.done()
            # The first slice is gone for everybody; the second is locked and undecided.
            assert count(database, PRUNABLE) == ROWS - SLICE
            sent = {"refresh_token": pair["refresh_token"]}
            refreshed = http.post("/auth/refresh", json=sent)
            assert refreshed.status_code == 200
            bearer = {"Authorization": f"Bearer {refreshed.json()['access_token']}"}
            assert len(http.get("/sessions", headers=bearer).json()) == 1
            body = {"email": pair["email"], "password": PASSWORD}
            assert http.post("/auth/login", json=body).status_code == 200
            assert not pruning.done()
        assert pruning.result(60) == {"sessions": ROWS, "blacklist": ROWS, "console": 0}
    slices = database.execute("SELECT transaction, sessions FROM deleted").fetchall()
    assert [sessions for _, sessions in slices] == [SLICE] * (ROWS // SLICE)
    assert len({transaction for transaction, _ in slices}) == len(slices)


def test_a_row_that_somebody_holds_is_left_to_the_next_run(
    service: Service, database: psycopg.Connection[Any], pair: dict[str, Any]
) -> None:
    # Whoever waited would fail.
    name = service.environment["DATABASE_URL"].rpartition("/")[2]
    database.execute(f'ALTER DATABASE "{name}" SET lock_timeout = 5000')
    with psycopg.connect(service.environment["DATABASE_URL"]) as holding:
        for table, rows in (("sessions_app_devicesession", 3), (LEDGER_TABLE, 4)):
            holding.execute(f"SELECT 1 FROM {table} ORDER BY id LIMIT {rows} FOR UPDATE")
        assert prune(service) == {"sessions": ROWS - 3, "blacklist": ROWS - 4, "console": 0}
        assert count(database, PRUNABLE) == 3
    assert prune(service) == {"sessions": 3, "blacklist": 4, "console": 0}
    with service.client() as http:
        sent = {"refresh_token": pair["refresh_token"]}
        assert http.post("/auth/refresh", json=sent).status_code == 200
