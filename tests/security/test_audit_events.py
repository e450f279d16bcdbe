"""The trail as operators read it: over the API, in the console's details, exported."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import User
from security.audit import Kind, record
from security.client_info import ClientInfo
from security.identifiers import least_uuid7, moment_of, uuid7
from security.models import AuditEvent
from tests.accounts.test_budgets import counted_sql
from tests.client import Client, assert_problem

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"


@pytest.fixture
def root(admin: User) -> Client:
    client = Client()
    client.sign_in("root")
    return client


def listed(client: Client, query: str = "") -> list[dict[str, Any]]:
    answer = client.get(f"/audit/events{query}")
    assert answer.status_code == 200, answer.content
    return list(answer.json()["results"])


def an_hour_ago(event: AuditEvent) -> AuditEvent:
    """The same event with an id and a moment of an hour ago."""
    pk = UUID(int=event.pk.int - (3_600_000 << 80))
    fields = AuditEvent.objects.filter(pk=event.pk).values().get()
    return AuditEvent.objects.create(**(fields | {"id": pk, "created_at": moment_of(pk)}))


# --- Over the API


def test_an_event_tells_who_did_what_from_where(root: Client, alice: User, admin: User) -> None:
    root.headers |= {"user_agent": FIREFOX, "x_request_id": "request-0001"}
    root.patch(f"/users/{alice.pk}", {"username": "alicia", "tier": "premium"})
    event = listed(root, "?kind=user.changed")[0]
    stored = AuditEvent.objects.get(kind="user.changed")
    assert event == {
        "id": str(stored.pk),
        "kind": "user.changed",
        "actor_id": str(admin.pk),
        "subject_id": str(alice.pk),
        "session_id": None,
        "ip_address": "127.0.0.1",
        "user_agent": FIREFOX,
        "device": "Firefox on Linux",
        "request_id": "request-0001",
        "details": {
            "before": {"username": "alice", "tier": "free"},
            "after": {"username": "alicia", "tier": "premium"},
        },
        "created_at": stored.created_at.isoformat().replace("+00:00", "Z"),
    }


def test_the_newest_come_first(root: Client) -> None:
    made = [str(record(Kind.LOGIN_FAILED).pk) for _ in range(3)]
    assert {event["id"] for event in listed(root)[:3]} == set(made)
    ids = [event["id"] for event in listed(root)]
    assert ids == sorted(ids, reverse=True)


@pytest.mark.parametrize("role", ["guest", "user", "model_manager", "moderator"])
def test_only_who_may_view_the_trail_reads_it(make_user: Callable[..., User], role: str) -> None:
    make_user("somebody", role=role)
    client = Client()
    client.sign_in("somebody")
    assert_problem(client.get("/audit/events"), 403, "permission_denied")


def test_nobody_reads_it_without_a_token(client: Client) -> None:
    assert client.get("/audit/events").status_code == 401


def test_an_api_key_reads_it_with_the_scope_alone(root: Client) -> None:
    keys = {}
    for scope in ("security.view_auditevent", "accounts.view_user"):
        answer = root.post("/api-keys", {"name": scope, "scopes": [scope]})
        keys[scope] = Client(answer.json()["key"])
    assert listed(keys["security.view_auditevent"])
    assert keys["accounts.view_user"].get("/audit/events").status_code == 403


def test_it_is_found_by_user_as_subject_or_actor(root: Client, alice: User, bob: User) -> None:
    expected = {
        str(record(Kind.LOGIN_FAILED, subject=alice).pk),
        str(record(Kind.USER_CHANGED, actor=alice, subject=bob).pk),
        str(record(Kind.PASSWORD_CHANGED, actor=alice, subject=alice).pk),
    }
    record(Kind.LOGIN_FAILED, subject=bob)
    found = [event["id"] for event in listed(root, f"?user={alice.pk}")]
    assert set(found) == expected
    assert len(found) == 3
    assert found == sorted(found, reverse=True)
    assert listed(root, f"?user={uuid4()}") == []


def test_it_is_found_by_kind_and_address(root: Client) -> None:
    for address in ("192.0.2.1", "2001:db8::1"):
        record(Kind.LOGIN_FAILED, client=ClientInfo(ip_address=address))
    assert len(listed(root, "?kind=login.failed")) == 2
    assert len(listed(root, "?ip=192.0.2.1")) == 1
    assert len(listed(root, "?ip=2001:DB8:0::1")) == 1
    assert len(listed(root, "?ip=::ffff:192.0.2.1&kind=login.failed")) == 1
    assert listed(root, "?ip=192.0.2.1&kind=login.succeeded") == []


def test_a_span_holds_its_beginning_and_not_its_end(root: Client) -> None:
    event = record(Kind.LOGIN_FAILED)
    at = event.created_at
    for since, until, found in (
        (at, at + timedelta(milliseconds=1), True),
        (at - timedelta(milliseconds=1), at, False),
        (at + timedelta(microseconds=1), at + timedelta(hours=1), False),
        (at, at + timedelta(microseconds=1), True),
    ):
        events = AuditEvent.objects.between(since, until).filter(pk=event.pk)
        assert events.exists() is found, (since, until)
    old = an_hour_ago(event)
    half_an_hour_ago = (timezone.now() - timedelta(minutes=30)).isoformat().replace("+", "%2B")
    base = "?kind=login.failed"
    assert [e["id"] for e in listed(root, f"{base}&until={half_an_hour_ago}")] == [str(old.pk)]
    assert [e["id"] for e in listed(root, f"{base}&since={half_an_hour_ago}")] == [str(event.pk)]


@pytest.mark.parametrize(
    "query",
    ["user=alice", "kind=no.such", "since=soon", "until=1e9", "ip=home", "cursor=a", "page_size=0"],
)
def test_a_filter_that_makes_no_sense_is_named(root: Client, query: str) -> None:
    body = assert_problem(root.get(f"/audit/events?{query}"), 422, "validation_error")
    assert body["errors"][0]["field"] == query.partition("=")[0]


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_moments_at_the_ends_of_time_are_understood(root: Client, moment: str) -> None:
    listed(root, f"?since={moment}")
    listed(root, f"?until={moment}")


@pytest.mark.parametrize("by_user", [True, False])
def test_pages_hold_every_event_once(root: Client, alice: User, bob: User, by_user: bool) -> None:
    people = [(alice, alice), (alice, bob), (bob, alice)]
    for n in range(12):
        actor, subject = people[n % 3]
        record(Kind.USER_CHANGED, actor=actor, subject=subject)
    query = f"?user={alice.pk}" if by_user else "?kind=user.changed"
    found, url = [], f"/audit/events{query}&page_size=5"
    back = ""
    while url:
        page = root.get(url).json()
        found += [event["id"] for event in page["results"]]
        url = (page["next"] or "").replace("http://testserver/api/v1", "")
        back = page["previous"] or back
    expected = AuditEvent.objects.filter(kind="user.changed").order_by("-pk")
    assert found == [str(pk) for pk in expected.values_list("pk", flat=True)]
    previous = root.get(back.replace("http://testserver/api/v1", "")).json()
    assert [event["id"] for event in previous["results"]] == found[5:10]


def test_a_page_of_a_user_costs_two_statements_and_of_all_one(root: Client, alice: User) -> None:
    for _ in range(8):
        record(Kind.LOGIN_FAILED, subject=alice)
    root.get("/audit/events")
    for query, cost in (("", 1), (f"user={alice.pk}", 2)):
        url = root.get(f"/audit/events?page_size=3&{query}").json()["next"]
        with counted_sql() as statements:
            root.get(url.replace("http://testserver/api/v1", ""))
        reads = [sql for sql in statements if "security_auditevent" in sql]
        assert len(reads) == len(statements) == cost
        assert all("LIMIT 4" in sql and "COUNT" not in sql for sql in reads)


@pytest.mark.shared
@pytest.mark.parametrize(
    ("query", "indexes"),
    [
        ("", {"security_auditevent_pkey"}),
        ("kind=login.failed", {"audit_kind"}),
        ("ip=192.0.2.1", {"audit_ip"}),
        ("user=00000000-0000-7000-8000-000000000000", {"audit_subject", "audit_actor"}),
        ("since=2026-01-01T00:00:00Z&kind=login.failed", {"audit_kind"}),
    ],
)
def test_each_filter_reads_the_end_of_an_index(root: Client, query: str, indexes: set[str]) -> None:
    root.get("/audit/events")
    with counted_sql() as statements:
        root.get(f"/audit/events?{query}")
    used = set()
    with connection.cursor() as cursor:
        # The table is too small for the planner to bother.
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_bitmapscan = off")
        cursor.execute("SET LOCAL enable_sort = off")
        for sql in statements:
            cursor.execute(f"EXPLAIN {sql}")
            plan = "\n".join(line for (line,) in cursor.fetchall())
            assert "Sort" not in plan, plan
            used |= {name for name in indexes if f"using {name}" in plan}
    assert used == indexes


# --- Ids and moments


def test_an_event_happened_when_its_id_was_made(db: None) -> None:
    event = record(Kind.LOGIN_FAILED)
    assert event.created_at == moment_of(event.pk)
    assert timedelta(0) <= timezone.now() - event.created_at < timedelta(minutes=1)


def test_the_least_id_of_a_moment_divides_before_from_after() -> None:
    pk = uuid7()
    at = moment_of(pk)
    assert moment_of(least_uuid7(at)) == at
    assert least_uuid7(at) <= pk < least_uuid7(at + timedelta(microseconds=1))
    assert least_uuid7(at).version == 7
    assert least_uuid7(datetime(1969, 1, 1, tzinfo=UTC)).int >> 80 == 0
