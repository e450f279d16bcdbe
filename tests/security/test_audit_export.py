"""The trail exported: complete, filtered, in chunks, and harmless in a spreadsheet."""

import csv
import io
import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import User
from security import audit_reading
from security.audit import Kind, record
from security.audit_chain import chain_batch
from security.client_info import ClientInfo
from security.models import AuditEvent
from tests.accounts.test_budgets import counted_sql
from tests.security.test_audit_events import an_hour_ago


def export(*arguments: str) -> str:
    out = io.StringIO()
    call_command("export_audit", *arguments, stdout=out)
    return out.getvalue()


def test_the_export_is_a_json_line_an_event_the_oldest_first(alice: User, db: None) -> None:
    record(Kind.USER_CHANGED, subject=alice, after={"username": "alicia"})
    record(Kind.LOGIN_FAILED, subject=alice)
    chain_batch()
    rows = [json.loads(line) for line in export().splitlines()]
    assert [row["id"] for row in rows] == [
        str(pk) for pk in AuditEvent.objects.order_by("pk").values_list("pk", flat=True)
    ]
    (changed,) = [row for row in rows if row["kind"] == "user.changed"]
    assert changed["details"] == {"after": {"username": "alicia"}}
    assert datetime.fromisoformat(changed["created_at"]).tzinfo is not None
    stored = AuditEvent.objects.get(kind="user.changed")
    assert (changed["seq"], changed["digest"]) == (stored.seq, stored.digest)


def test_the_export_is_filtered(alice: User, bob: User) -> None:
    failed = record(Kind.LOGIN_FAILED, subject=alice)
    old = an_hour_ago(failed)
    record(Kind.USER_CHANGED, actor=alice, subject=alice)
    record(Kind.LOGIN_FAILED, subject=bob)
    moment = (timezone.now() - timedelta(minutes=30)).isoformat()

    def ids(*arguments: str) -> list[str]:
        return [json.loads(line)["id"] for line in export(*arguments).splitlines()]

    of_alice = ("--user", str(alice.pk))
    assert len(ids(*of_alice)) == 3
    assert ids(*of_alice, "--kind", "login.failed") == [str(old.pk), str(failed.pk)]
    assert ids(*of_alice, "--until", moment) == [str(old.pk)]
    assert ids(*of_alice, "--kind", "login.failed", "--since", moment) == [str(failed.pk)]
    for wrong in (("--user", "alice"), ("--kind", "no.such"), ("--since", "soon")):
        with pytest.raises(CommandError):
            export(*wrong)


def test_the_export_reads_in_chunks(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_reading, "CHUNK", 2)
    made = [str(record(Kind.LOGIN_FAILED, actor=alice, subject=alice).pk) for _ in range(5)]
    with counted_sql() as statements:
        rows = [json.loads(line)["id"] for line in export("--user", str(alice.pk)).splitlines()]
    assert rows == sorted(made)
    assert all("LIMIT 2" in sql for sql in statements)


def test_the_csv_runs_nothing_in_a_spreadsheet(alice: User) -> None:
    client = ClientInfo(ip_address="192.0.2.1", user_agent='=HYPERLINK("http://example.com")')
    event = record(Kind.LOGIN_FAILED, subject=alice, client=client, reason='a;=1+1,"x"\n=2')
    text = export("--format", "csv", "--user", str(alice.pk))
    header, row = csv.reader(io.StringIO(text))
    found = dict(zip(header, row, strict=True))
    assert found["id"] == str(event.pk)
    assert found["user_agent"] == '\'=HYPERLINK("http://example.com")'
    assert json.loads(found["details"]) == {"reason": 'a;=1+1,"x"\n=2'}
    assert found["actor_id"] == ""
    assert all(line.startswith('"') for line in text.splitlines())


def test_a_file_is_new_and_for_its_owner_alone(alice: User, tmp_path: Path) -> None:
    record(Kind.LOGIN_FAILED, subject=alice)
    file = tmp_path / "events.jsonl"
    assert export(str(file)) == ""
    assert file.stat().st_mode & 0o777 == 0o600
    assert len(file.read_text().splitlines()) == AuditEvent.objects.count()
    with pytest.raises(CommandError, match="exists"):
        export(str(file))
