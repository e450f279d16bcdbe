"""What operators type: list, revoke and prune sessions."""

import io
import json
import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command, get_commands
from django.test import TestCase
from django.utils import timezone
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from accounts.models import User
from security.management.operator_command import operator_name
from security.models import AuditEvent, JobRun
from sessions_app.models import DeviceSession
from sessions_app.services import sessions as sessions_module
from tests.client import Client
from tests.service import ROOT

pytestmark = pytest.mark.django_db


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def run(*command: str) -> tuple[str, str]:
    """What a command writes to stdout and to stderr; work due after a commit runs."""
    out, err = io.StringIO(), io.StringIO()
    with TestCase.captureOnCommitCallbacks(execute=True):
        call_command(*command, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def run_json(*command: str) -> Any:
    out, err = run(*command, "--json")
    assert err == ""
    return json.loads(out)


@pytest.fixture
def phone(alice: User) -> Client:
    client = Client(user_agent="okhttp/4.12")
    client.sign_in("alice")
    return client


@pytest.fixture
def desk(bob: User) -> Client:
    client = Client(user_agent="curl/8.1")
    client.sign_in("bob")
    return client


def works(client: Client) -> bool:
    return bool(client.get("/users/me").status_code == 200)


def test_live_sessions_are_listed_the_newest_first(phone: Client, desk: Client) -> None:
    out, err = run("list_sessions")
    lines = out.splitlines()
    assert [("bob" in lines[0]), ("alice" in lines[1]), len(lines)] == [True, True, 2]
    assert "okhttp" in lines[1]
    assert "127.0.0.1" in lines[1]
    assert err == ""


def test_a_list_in_json_has_every_field_and_no_secret(phone: Client, alice: User) -> None:
    (row,) = run_json("list_sessions")
    session = DeviceSession.objects.get()
    assert row["id"] == str(session.pk)
    assert (row["user"], row["user_id"], row["live"]) == ("alice", str(alice.pk), True)
    assert row["created_at"] == session.created_at.isoformat()
    assert row["ended_at"] is None
    assert session.refresh_jti not in json.dumps(row)


def test_an_empty_list_is_an_empty_array(db: None) -> None:
    assert run_json("list_sessions") == []
    assert run("list_sessions") == ("", "")


def test_the_list_of_a_user_and_of_those_over(phone: Client, desk: Client) -> None:
    assert [row["user"] for row in run_json("list_sessions", "--user", "Alice@Example.com")] == [
        "alice"
    ]
    phone.post("/auth/logout")
    assert [row["user"] for row in run_json("list_sessions")] == ["bob"]
    rows = run_json("list_sessions", "--all")
    assert [(row["user"], row["end_reason"]) for row in rows] == [("bob", ""), ("alice", "logout")]
    assert "logout" in run("list_sessions", "--all")[0]


def test_a_device_cant_write_to_the_terminal(phone: Client) -> None:
    DeviceSession.objects.update(device="\x1b[2Jgone\n")
    assert "?[2Jgone?" in run("list_sessions")[0]


@pytest.mark.parametrize("command", ["list_sessions", "revoke_sessions"])
def test_an_unknown_user_is_an_error(command: str) -> None:
    with pytest.raises(CommandError, match="no user 'nobody'"):
        run(command, "--user", "nobody")


def test_a_users_sessions_are_revoked(phone: Client, desk: Client) -> None:
    assert run("revoke_sessions", "--user", "alice") == ("revoked 1\n", "")
    assert (works(phone), works(desk)) == (False, True)
    event = AuditEvent.objects.get(kind="session.ended")
    assert event.actor_id is None
    assert event.details == {"reason": "ended_by_staff", "operator": operator_name()}


def test_everybodys_sessions_are_revoked(phone: Client, desk: Client) -> None:
    assert run_json("revoke_sessions", "--all") == {"matched": 2, "revoked": 2, "dry_run": False}
    assert (works(phone), works(desk)) == (False, False)
    assert run_json("revoke_sessions", "--all") == {"matched": 0, "revoked": 0, "dry_run": False}


def test_sessions_are_revoked_by_age(phone: Client, desk: Client, alice: User) -> None:
    old = timezone.now() - timedelta(days=7, hours=1)
    DeviceSession.objects.for_user(alice.pk).update(created_at=old)
    assert run("revoke_sessions", "--older-than", "8")[0] == "revoked 0\n"
    assert run("revoke_sessions", "--older-than", "7")[0] == "revoked 1\n"
    assert (works(phone), works(desk)) == (False, True)


@pytest.mark.parametrize("address", ["2001:db8::1", "2001:0DB8:0::1"])
def test_sessions_are_revoked_by_address(
    phone: Client, desk: Client, alice: User, address: str
) -> None:
    DeviceSession.objects.for_user(alice.pk).update(ip_address="2001:db8::1")
    assert run("revoke_sessions", "--ip", address)[0] == "revoked 1\n"
    assert (works(phone), works(desk)) == (False, True)


def test_conditions_must_all_hold(phone: Client, desk: Client) -> None:
    assert run("revoke_sessions", "--user", "alice", "--older-than", "1")[0] == "revoked 0\n"
    assert run("revoke_sessions", "--user", "alice", "--ip", "127.0.0.1")[0] == "revoked 1\n"
    assert works(desk)


def test_a_dry_run_ends_nothing(phone: Client, desk: Client) -> None:
    assert run("revoke_sessions", "--all", "--dry-run") == ("would revoke 2\n", "")
    found = run_json("revoke_sessions", "--all", "--dry-run")
    assert found == {"matched": 2, "revoked": 0, "dry_run": True}
    assert (works(phone), works(desk)) == (True, True)


def test_many_go_in_slices_with_progress_on_a_terminal_alone(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions_module, "SLICE", 2)
    for _ in range(5):
        Client().sign_in("alice")
    out, terminal = io.StringIO(), Terminal()
    call_command("revoke_sessions", "--all", stdout=out, stderr=terminal)
    assert out.getvalue() == "revoked 5\n"
    assert terminal.getvalue() == "\r2 of 5\r4 of 5\r5 of 5\n"
    assert not DeviceSession.objects.filter(ended_at=None).exists()


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--dry-run"],
        ["--all", "--user", "alice"],
        ["--older-than", "-1"],
        ["--older-than", "soon"],
        ["--older-than", "99999999999"],
        ["--ip", "home"],
        ["--user", ""],
    ],
    ids=" ".join,
)
def test_bad_arguments_end_nothing(phone: Client, arguments: list[str]) -> None:
    with pytest.raises(CommandError):
        run("revoke_sessions", *arguments)
    assert works(phone)


@pytest.mark.parametrize(
    "arguments",
    [["revoke_sessions"], ["revoke_sessions", "--wat"], ["list_sessions", "--user"]],
    ids=" ".join,
)
def test_bad_arguments_end_with_1_and_nothing_on_stdout(arguments: list[str]) -> None:
    ended = subprocess.run(
        [sys.executable, "manage.py", *arguments], cwd=ROOT, capture_output=True, text=True
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "Traceback" not in ended.stderr
    assert ended.stderr


def over_and_expired(client: Client) -> None:
    client.post("/auth/logout")
    long_ago = timezone.now() - timedelta(days=31)
    DeviceSession.objects.filter(end_reason="logout").update(ended_at=long_ago)
    OutstandingToken.objects.update(expires_at=long_ago)


@pytest.mark.parametrize("command", ["prune_sessions", "flushexpiredtokens"])
def test_what_is_over_is_pruned(command: str, phone: Client, desk: Client) -> None:
    over_and_expired(phone)
    expected = "sessions: would delete 1\nblacklist: would delete 1\nconsole: would delete 0\n"
    assert run(command, "--dry-run") == (expected, "")
    assert DeviceSession.objects.count() == 2
    assert run_json(command) == {
        "deleted": {"sessions": 1, "blacklist": 1, "console": 0},
        "dry_run": False,
    }
    assert DeviceSession.objects.count() == 1
    assert run(command)[0] == "sessions: deleted 0\nblacklist: deleted 0\nconsole: deleted 0\n"
    assert works(desk)


def test_pruning_runs_once_at_a_time(phone: Client) -> None:
    over_and_expired(phone)
    assert JobRun.objects.claim("prune-sessions", lease=timedelta(minutes=1))
    out, err = run("prune_sessions", "--json")
    assert json.loads(out) == {"deleted": {}, "dry_run": False}
    assert "Another run" in err
    assert DeviceSession.objects.count() == 1


def test_simplejwts_name_is_our_command() -> None:
    assert get_commands()["flushexpiredtokens"] == "sessions_app"
