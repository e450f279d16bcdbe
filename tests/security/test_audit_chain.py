"""The chain over the trail: complete whatever the order of commits, and broken by any tampering."""

import io
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection
from django.test import TestCase
from django.utils import timezone

from accounts.models import User
from security import audit_chain
from security.append_only import install, lift
from security.audit import Kind, erase, record
from security.audit_chain import chain_batch, verify
from security.client_info import ClientInfo
from security.identifiers import uuid7
from security.models import AuditEvent, JobRun
from security.tasks import chain_audit, verify_audit
from tests.accounts.test_budgets import counted_sql
from tests.client import Client

pytestmark = pytest.mark.django_db

CLIENT = ClientInfo(ip_address="192.0.2.1", user_agent="curl/8", request_id="request-1")


@dataclass
class Person:
    pk: UUID


@pytest.fixture
def person() -> Person:
    return Person(uuid4())


@contextmanager
def tampering() -> Iterator[None]:
    """What somebody can do who owns the database."""
    lift(connection)
    yield
    install(connection)


def chained(count: int, **fields: Any) -> list[AuditEvent]:
    """So many new events, chained; in the order of the chain."""
    made = [record(Kind.LOGIN_FAILED, client=CLIENT, reason=str(n), **fields) for n in range(count)]
    chain_audit()
    rows = AuditEvent.objects.filter(pk__in=[event.pk for event in made]).order_by("seq")
    assert len([row for row in rows if row.seq is not None]) == count
    return list(rows)


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


# --- Chaining


def test_events_get_consecutive_links_in_the_order_of_ids() -> None:
    rows = chained(5)
    first = rows[0].seq or 0
    assert [row.seq for row in rows] == list(range(first, first + 5))
    assert [row.pk for row in rows] == sorted(row.pk for row in rows)
    assert len({row.digest for row in rows}) == 5
    assert verify().ok


def test_a_request_does_not_chain(alice: User, client: Client) -> None:
    client.sign_in("alice")
    event = AuditEvent.objects.get(kind="login.succeeded")
    assert (event.seq, event.digest) == (None, "")


def test_an_event_that_commits_late_is_linked_later() -> None:
    early = uuid7()
    last = chained(3)[-1]
    late = record(Kind.LOGIN_FAILED)
    assert late.pk > last.pk
    with tampering():
        AuditEvent.objects.filter(pk=late.pk).update(id=early)
    chain_audit()
    assert AuditEvent.objects.get(pk=early).seq == (last.seq or 0) + 1
    assert verify().ok


def test_batches_join_without_a_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_chain, "BATCH", 2)
    chained(7)
    assert not AuditEvent.objects.unchained().exists()
    verdict = verify()
    assert verdict.ok
    assert verdict.seq == verdict.events == AuditEvent.objects.count()


def test_a_run_links_no_more_than_its_lease_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_chain, "BATCH", 2)
    monkeypatch.setattr(audit_chain, "MOST_BATCHES", 1)
    chain_audit()
    for _ in range(5):
        record(Kind.LOGIN_FAILED)
    chain_audit()
    assert AuditEvent.objects.unchained().count() == 3


def test_a_batch_that_dies_leaves_its_events_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    chain_audit()
    for _ in range(3):
        record(Kind.LOGIN_FAILED)
    with monkeypatch.context() as patched:
        patched.setattr(
            audit_chain, "LINKING", audit_chain.LINKING.replace("SET seq", "SET sequel")
        )
        with pytest.raises(Exception, match="sequel"):
            chain_batch()
    assert AuditEvent.objects.unchained().count() == 3
    assert chain_batch() == 3
    assert verify().ok


def test_who_links_from_an_old_head_links_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    chained(3)
    head = AuditEvent.objects.last_seq()
    record(Kind.LOGIN_FAILED)
    with monkeypatch.context() as patched:
        patched.setattr(type(AuditEvent.objects.all()), "last_seq", lambda _self: head - 1)
        with pytest.raises(IntegrityError):
            chain_batch()
    assert chain_batch() == 1
    assert verify().ok


def test_one_job_chains_at_a_time() -> None:
    assert JobRun.objects.claim("chain-audit", lease=timedelta(minutes=1))
    record(Kind.LOGIN_FAILED)
    chain_audit()
    assert AuditEvent.objects.unchained().exists()


def test_an_idle_run_costs_one_look_at_the_trail() -> None:
    chain_audit()
    with counted_sql() as statements:
        chain_audit()
    assert len([sql for sql in statements if "security_auditevent" in sql]) == 1


def test_recording_is_one_statement(person: Person) -> None:
    with counted_sql() as statements:
        record(Kind.USER_CHANGED, subject=person, client=CLIENT, after={"email": "a@example.com"})
    assert len(statements) == 1


# --- Verifying

OTHER: dict[str, Any] = {
    "kind": "login.succeeded",
    "actor_id": uuid4(),
    "subject_id": uuid4(),
    "session_id": uuid4(),
    "request_id": "another",
    "details": {"reason": "another"},
    "created_at": timezone.now() - timedelta(days=1),
    "personal_digest": "00",
    "digest": "00",
    "ip_address": "192.0.2.99",
    "user_agent": "another",
    "personal": {"after": {"username": "another"}},
    "salt": "00",
}


@pytest.mark.parametrize("column", OTHER)
def test_a_changed_column_breaks_the_chain_there(column: str) -> None:
    rows = chained(5)
    assert verify().ok
    with tampering():
        AuditEvent.objects.filter(pk=rows[2].pk).update(**{column: OTHER[column]})
    assert verify().broken_at == rows[2].seq


def test_a_deleted_event_breaks_the_chain_there() -> None:
    rows = chained(5)
    with tampering():
        AuditEvent.objects.filter(pk=rows[1].pk).delete()
    verdict = verify()
    assert (verdict.broken_at, verdict.reason) == (rows[1].seq, "an event is missing")


def test_two_events_that_changed_places_break_the_chain() -> None:
    rows = chained(5)
    with tampering():
        for row, seq in ((rows[1], -1), (rows[2], rows[1].seq), (rows[1], rows[2].seq)):
            AuditEvent.objects.filter(pk=row.pk).update(seq=seq)
    assert verify().broken_at == rows[1].seq


def test_a_cut_off_end_shows_against_a_link_from_the_log() -> None:
    rows = chained(5)
    anchor = f"{rows[4].seq}:{rows[4].digest}"
    assert run("verify_audit", "--anchor", anchor).startswith("whole: ")
    with tampering():
        AuditEvent.objects.filter(pk__in=[rows[3].pk, rows[4].pk]).delete()
    assert verify().ok
    with pytest.raises(CommandError, match=f"broken at {rows[4].seq}: this link is not the one"):
        run("verify_audit", "--anchor", anchor)
    # Nor is it the same when new events fill the gap.
    chained(2)
    with pytest.raises(CommandError, match=f"broken at {rows[4].seq}: "):
        run("verify_audit", "--anchor", anchor)


def test_verification_reads_pages_of_constant_size(monkeypatch: pytest.MonkeyPatch) -> None:
    chained(10)
    monkeypatch.setattr(audit_chain, "BATCH", 3)
    with counted_sql() as statements:
        assert verify().ok
    assert all("LIMIT 3" in sql or "LIMIT 1" in sql for sql in statements)


def test_an_address_in_another_spelling_is_the_same_address() -> None:
    for address in ("2001:DB8::0:1", "::102:304", "::ffff:192.0.2.1"):
        record(Kind.LOGIN_FAILED, client=ClientInfo(ip_address=address))
    chain_audit()
    assert verify().ok


def test_details_of_every_sort_survive_the_database() -> None:
    sorts = {"a": [1, 1.5, 1e22, True, None], "ü": "\U0001f512 \u2028", "n": {"z": 1, "a": {}}}
    record(Kind.USER_CHANGED, **sorts, after={"email": "ü\U0001f512@example.com", "username": None})
    chain_audit()
    assert verify().ok


def test_the_command_says_what_it_saw() -> None:
    rows = chained(3)
    record(Kind.LOGIN_FAILED)
    found = json.loads(run("verify_audit", "--json"))
    assert found == {
        "ok": True,
        "seq": rows[2].seq,
        "head": rows[2].digest,
        "events": rows[2].seq,
        "erased": 0,
        "broken_at": None,
        "reason": "",
        "unchained": 1,
    }


def test_the_command_fails_on_a_broken_chain(capsys: pytest.CaptureFixture[str]) -> None:
    rows = chained(3)
    with tampering():
        AuditEvent.objects.filter(pk=rows[1].pk).update(details={})
    out = io.StringIO()
    with pytest.raises(CommandError, match=f"broken at {rows[1].seq}"):
        call_command("verify_audit", "--json", stdout=out)
    found = json.loads(out.getvalue())
    assert (found["ok"], found["broken_at"]) == (False, rows[1].seq)


def test_since_trusts_what_was_chained_before() -> None:
    chained(2)
    with tampering():
        for event in AuditEvent.objects.all():
            an_hour_earlier = UUID(int=event.pk.int - (3_600_000 << 80))
            AuditEvent.objects.filter(pk=event.pk).update(id=an_hour_earlier)
    chained(2)
    assert not verify().ok
    recently = (timezone.now() - timedelta(minutes=5)).isoformat()
    assert "whole: 2 events" in run("verify_audit", "--since", recently)
    assert "whole: 0 events" in run("verify_audit", "--since", "2999-01-01")


@pytest.mark.parametrize(
    "arguments", [("--since", "soon"), ("--anchor", "12"), ("--anchor", "x:y")]
)
def test_bad_arguments_are_refused(arguments: tuple[str, str]) -> None:
    with pytest.raises(CommandError):
        run("verify_audit", *arguments)


# --- The daily job


def scrape(client: Client, settings: Any) -> dict[str, float]:
    settings.AUTH_METRICS_TOKEN = "a-metrics-token-of-the-tests-0123456789"
    client.access_token = settings.AUTH_METRICS_TOKEN
    text = client.get("//metrics").content.decode()
    return {n: float(v) for n, v in re.findall(r"^auth_audit_(\w+) (\S+)$", text, re.M)}


def test_the_job_tells_the_metrics_and_logs_the_head(
    client: Client, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    assert "chain_ok" not in scrape(client, settings)
    rows = chained(3)
    verify_audit()
    assert scrape(client, settings) == {"chain_ok": 1, "oldest_unchained_seconds": 0}
    (head,) = [r.msg for r in caplog.records if "audit.head" in str(r.msg)]
    assert (head["seq"], head["digest"]) == (rows[2].seq, rows[2].digest)
    with tampering():
        AuditEvent.objects.filter(pk=rows[1].pk).update(details={})
    verify_audit()
    assert scrape(client, settings)["chain_ok"] == 0
    (broken,) = [r for r in caplog.records if "audit.broken" in str(r.msg)]
    assert (broken.levelname, broken.msg["seq"]) == ("ERROR", rows[1].seq)


def test_the_metrics_tell_how_long_events_wait(client: Client, settings: Any) -> None:
    chain_audit()
    AuditEvent.objects.create(kind="x", created_at=timezone.now() - timedelta(minutes=10))
    assert 600 <= scrape(client, settings)["oldest_unchained_seconds"] < 660


# --- Erasing


def test_erasing_a_person_empties_their_events_and_keeps_the_chain(person: Person) -> None:
    other = Person(uuid4())
    changed = record(
        Kind.USER_CHANGED,
        actor=other,
        subject=person,
        client=CLIENT,
        before={"email": "old@example.com", "tier": "free"},
        after={"email": "new@example.com", "tier": "premium"},
    )
    acted = record(Kind.ROLE_CHANGED, actor=person, client=CLIENT, role="user")
    kept = record(Kind.LOGIN_SUCCEEDED, actor=other, subject=other, client=CLIENT)
    chain_audit()
    assert erase(person, operator="me") == 2
    for pk in (changed.pk, acted.pk):
        event = AuditEvent.objects.get(pk=pk)
        assert (event.ip_address, event.user_agent, event.salt) == (None, "", "")
        assert "example.com" not in json.dumps(
            list(AuditEvent.objects.filter(pk=pk).values()), default=str
        )
    assert AuditEvent.objects.get(pk=changed.pk).full_details == {
        "before": {"email": "[personal]", "tier": "free"},
        "after": {"email": "[personal]", "tier": "premium"},
    }
    assert AuditEvent.objects.get(pk=kept.pk).ip_address == "192.0.2.1"
    on_record = AuditEvent.objects.get(kind="user.erased")
    assert (on_record.subject_id, on_record.details) == (person.pk, {"operator": "me", "events": 2})
    verdict = verify()
    assert (verdict.ok, verdict.erased) == (True, 2)
    chain_audit()
    assert verify().ok


def test_what_was_erased_before_it_was_chained_is_chained(person: Person) -> None:
    record(Kind.LOGIN_FAILED, subject=person, client=CLIENT)
    erase(person, operator="me")
    chain_audit()
    assert (verify().ok, verify().erased) == (True, 1)


def test_erasing_again_finds_nothing(person: Person) -> None:
    record(Kind.LOGIN_FAILED, subject=person, client=CLIENT)
    assert erase(person, operator="me") == 1
    assert erase(person, operator="me") == 0
    assert erase(Person(uuid4()), operator="me") == 0
    assert AuditEvent.objects.filter(kind="user.erased").count() == 1


def test_emptying_past_the_command_breaks_the_chain(person: Person) -> None:
    row = chained(3, subject=person)[1]
    AuditEvent.objects.filter(pk=row.pk).update(
        ip_address=None, user_agent="", personal={}, salt=""
    )
    verdict = verify()
    assert verdict.broken_at == row.seq
    assert "without an erasure on record" in verdict.reason


def test_data_written_into_an_erased_event_breaks_the_chain(person: Person) -> None:
    row = chained(3, subject=person)[1]
    erase(person, operator="me")
    with tampering():
        AuditEvent.objects.filter(pk=row.pk).update(ip_address="192.0.2.99")
    assert verify().broken_at == row.seq


def test_many_events_are_erased_in_slices(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("security.audit.SLICE", 2)
    chained(5, subject=person, actor=person)
    assert erase(person, operator="me") == 5


def test_the_log_holds_no_name(person: Person, caplog: pytest.LogCaptureFixture) -> None:
    after = {"email": "new@example.com", "tier": "free"}
    with TestCase.captureOnCommitCallbacks(execute=True):
        record(Kind.USER_CHANGED, subject=person, after=after)
    text = "".join(str(record_.msg) for record_ in caplog.records)
    assert "new@example.com" not in text
    assert "'tier': 'free'" in text


def test_the_command_erases_a_deleted_user_and_no_other(
    alice: User, client: Client, admin: User
) -> None:
    client.sign_in("alice")
    with pytest.raises(CommandError, match="This user exists"):
        run("erase_person", str(alice.pk))
    assert AuditEvent.objects.filter(subject_id=alice.pk, ip_address="127.0.0.1").exists()
    root = Client()
    root.sign_in("root")
    assert root.delete(f"/users/{alice.pk}").status_code == 204
    events = AuditEvent.objects.filter(subject_id=alice.pk).count()
    assert run("erase_person", str(alice.pk)) == f"erased {events}\n"
    assert not AuditEvent.objects.filter(subject_id=alice.pk).exclude(ip_address=None).exists()
    with pytest.raises(CommandError):
        run("erase_person", "alice")


# --- Events from before the chain


def test_events_from_before_the_chain_are_made_ready_for_it() -> None:
    row = record(Kind.USER_CHANGED, client=CLIENT)
    details = {"after": {"email": "old@example.com", "tier": "free"}}
    bare = {"details": details, "personal": {}, "salt": "", "personal_digest": ""}
    migration = import_module("security.migrations.0005_append_only")
    with tampering():
        AuditEvent.objects.filter(pk=row.pk).update(**bare)
        migration.seal_present_events(apps, SimpleNamespace(connection=connection))
    event = AuditEvent.objects.get(pk=row.pk)
    assert event.details == {"after": {"email": "[personal]", "tier": "free"}}
    assert event.full_details == details
    chain_audit()
    assert verify().ok
