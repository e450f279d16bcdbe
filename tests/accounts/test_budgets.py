"""What a request may cost: SQL statements, round trips to Redis, signatures."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jwt
import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from redis.connection import AbstractConnection

from accounts.models import User
from security.keyring import keyring
from security.shared_cache import shared_cache
from tests.client import Client
from tests.leg import LEG

TRANSACTION_CONTROL = ("SAVEPOINT", "RELEASE", "ROLLBACK", "BEGIN", "COMMIT")


@contextmanager
def counted_sql() -> Iterator[list[str]]:
    """The statements of the block, without those that only bound a transaction."""
    statements: list[str] = []
    with CaptureQueriesContext(connection) as captured:
        yield statements
    found = [query["sql"] for query in captured.captured_queries]
    statements += [sql for sql in found if not sql.startswith(TRANSACTION_CONTROL)]


@pytest.fixture
def signatures(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Grows by one with each signature."""
    made: list[object] = []
    sign = jwt.encode

    def counting(*args: Any, **options: Any) -> str:
        made.append(args)
        return sign(*args, **options)

    monkeypatch.setattr(jwt, "encode", counting)
    return made


@pytest.fixture
def round_trips(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Grows by one with each message to Redis; a pipeline is one."""
    # A web process has a thread for this; here is none.
    shared_cache.tend()
    made: list[object] = []
    send = AbstractConnection.send_packed_command

    def counting(self: Any, *args: Any, **options: Any) -> Any:
        made.append(args)
        return send(self, *args, **options)

    monkeypatch.setattr(AbstractConnection, "send_packed_command", counting)
    return made


@pytest.fixture
def warm(client: Client, alice: User) -> dict[str, Any]:
    """A pair of a client whose first request is behind it."""
    pair = client.sign_in("alice")
    assert client.get("/users/me").status_code == 200
    return pair


def test_the_counters_count(
    db: None, alice: User, signatures: list[object], round_trips: list[object]
) -> None:
    with counted_sql() as statements:
        User.objects.get(pk=alice.pk)
        User.objects.count()
    assert len(statements) == 2
    jwt.encode({}, "a secret of more than thirty-two bytes", algorithm="HS256")
    assert len(signatures) == 1
    cache.get("zero")  # Connects, which costs messages of its own.
    round_trips.clear()
    cache.get_many(["one", "two"])
    assert len(round_trips) == (0 if LEG == "embedded" else 1)


@pytest.mark.parametrize("keys", ["known", "forgotten"])
def test_a_sign_in_costs_6_statements_and_2_signatures(
    client: Client, warm: dict[str, Any], signatures: list[object], keys: str
) -> None:
    if keys == "forgotten":
        keyring.forget()
    with counted_sql() as statements:
        client.sign_in("alice")
    assert len(statements) <= 6, statements
    assert len(signatures) == 2


def test_a_sign_in_after_failures_costs_no_more(
    limits_on: None, client: Client, warm: dict[str, Any]
) -> None:
    for caller in (Client(), client):
        answer = caller.post("/auth/login", {"username": "alice", "password": "wrong"})
        assert answer.status_code == 401
        with counted_sql() as statements:
            caller.sign_in("alice")
        assert any("signinfailures" in sql for sql in statements[1:])
        assert len(statements) <= 6, statements


@pytest.mark.parametrize("keys", ["known", "forgotten"])
def test_a_refresh_costs_5_statements_and_2_signatures(
    client: Client, warm: dict[str, Any], signatures: list[object], keys: str
) -> None:
    if keys == "forgotten":
        keyring.forget()
    with counted_sql() as statements:
        assert client.refresh(warm["refresh_token"]).status_code == 200
    assert len(statements) <= 5, statements
    assert len([sql for sql in statements if sql.startswith("UPDATE")]) == 1
    assert len(signatures) == 2


def test_a_repeated_refresh_within_the_grace_writes_nothing(
    client: Client, warm: dict[str, Any], signatures: list[object]
) -> None:
    client.refresh(warm["refresh_token"])
    signatures.clear()
    with counted_sql() as statements:
        assert client.refresh(warm["refresh_token"]).status_code == 200
    assert len(statements) <= 5, statements
    assert all(sql.startswith("SELECT") for sql in statements), statements
    assert len(signatures) == 2


@pytest.mark.shared
def test_a_warm_request_costs_no_statement_and_one_round_trip(
    client: Client, warm: dict[str, Any], signatures: list[object], round_trips: list[object]
) -> None:
    with counted_sql() as statements:
        assert client.get("/users/me").status_code == 200
    assert statements == []
    assert len(round_trips) == 1
    assert signatures == []


def test_a_warm_request_costs_2_statements_without_a_shared_cache(
    client: Client, warm: dict[str, Any], signatures: list[object]
) -> None:
    """The embedded process forgets after a second; until then it asks nobody either."""
    with counted_sql() as statements:
        assert client.get("/users/me").status_code == 200
    assert len(statements) <= 2, statements
    assert signatures == []


def test_a_cold_request_costs_a_fixed_few_statements(client: Client, warm: dict[str, Any]) -> None:
    cache.clear()
    keyring.forget()
    with counted_sql() as statements:
        assert client.get("/users/me").status_code == 200
    assert len(statements) <= 4, statements


def test_a_warm_refusal_costs_no_more_than_a_warm_answer(
    client: Client, warm: dict[str, Any]
) -> None:
    client.access_token = warm["access_token"][:-8] + "AAAAAAAA"
    with counted_sql() as statements:
        assert client.get("/users/me").status_code == 401
    assert len(statements) <= 1, statements


def test_an_anonymous_request_costs_nothing(
    client: Client, db: None, round_trips: list[object]
) -> None:
    with counted_sql() as statements:
        assert client.get("/users/me").status_code == 401
    assert statements == []
    assert round_trips == []


@pytest.mark.parametrize("sessions", [1, 30])
def test_logging_out_costs_the_same_however_many_sessions_there_are(
    client: Client, alice: User, sessions: int
) -> None:
    for _ in range(sessions):
        pair = client.sign_in("alice")
    client.django.cookies.clear()
    client.access_token = None
    with counted_sql() as statements:
        client.post("/auth/logout", {"refresh_token": pair["refresh_token"]})
    assert len(statements) <= 8, statements
