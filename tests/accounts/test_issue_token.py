"""A short access token for an operator, and the trail of it."""

import io
import os
import pwd
import subprocess
import sys
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import OutgoingMail, User
from security.models import AuditEvent
from sessions_app.models import DeviceSession
from tests.accounts.test_login import decoded
from tests.client import Client, assert_problem
from tests.service import ROOT


def issue(*arguments: str) -> str:
    out, err = io.StringIO(), io.StringIO()
    call_command("issue_token", *arguments, stdout=out, stderr=err)
    assert err.getvalue() == ""
    token, newline, rest = out.getvalue().partition("\n")
    assert (newline, rest) == ("\n", "")
    return token


@pytest.mark.parametrize("minutes", [None, 1, 60])
def test_the_token_acts_as_the_user_and_ends_with_its_session(
    client: Client, alice: User, minutes: int | None
) -> None:
    token = issue("alice", *([] if minutes is None else ["--minutes", str(minutes)]))
    claims = decoded(token, 1)
    session = DeviceSession.objects.get()
    assert claims["exp"] == session.expires_at.timestamp() == session.idle_expires_at.timestamp()
    assert abs(claims["exp"] - timezone.now().timestamp() - 60 * (minutes or 5)) < 5
    assert (claims["token_type"], claims["amr"]) == ("access", ["operator"])
    client.access_token = token
    assert client.get("/users/me").json()["username"] == "alice"
    assert client.get("/sessions").json()[0]["device"] == "issue_token"


def test_its_session_can_be_ended_as_any_other(client: Client, alice: User) -> None:
    client.access_token = issue("ALICE@example.com")
    assert client.post("/auth/logout-all").json() == {"revoked": 1}
    assert_problem(client.get("/users/me"), 401, "session_ended")


def test_the_trail_says_who_ran_it(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SUDO_USER", raising=False)
    issue("alice")
    event = AuditEvent.objects.get(kind="token.issued")
    assert (event.actor_id, event.subject_id) == (None, alice.pk)
    assert event.session_id == DeviceSession.objects.get().pk
    assert event.details == {"operator": pwd.getpwuid(os.getuid()).pw_name, "minutes": 5}
    assert not AuditEvent.objects.filter(kind="login.succeeded").exists()
    alice.refresh_from_db()
    assert alice.last_login is None


@pytest.mark.parametrize(("known", "sudo"), [(False, ""), (True, "carol"), (False, "carol")])
def test_who_ran_it_has_a_name_in_a_container_and_under_sudo(
    alice: User, monkeypatch: pytest.MonkeyPatch, known: bool, sudo: str
) -> None:
    def unknown(_uid: int) -> Any:
        raise KeyError

    monkeypatch.setenv("SUDO_USER", sudo)
    name = pwd.getpwuid(os.getuid()).pw_name if known else f"uid {os.getuid()}"
    if not known:
        monkeypatch.setattr(pwd, "getpwuid", unknown)
    issue("alice")
    details = AuditEvent.objects.get(kind="token.issued").details
    assert details["operator"] == (f"{name} (sudo by {sudo})" if sudo else name)


def test_it_ends_no_session_and_makes_no_device_new(
    client: Client, alice: User, settings: Any
) -> None:
    settings.AUTH_SESSION_LIMIT = 1
    issue("alice")
    client.sign_in("alice")
    assert not OutgoingMail.objects.filter(subject__contains="new device").exists()
    issue("alice")
    assert client.get("/users/me").status_code == 200


@pytest.mark.parametrize("minutes", ["0", "61", "-5", "soon", "1.5", ""])
def test_other_lifetimes_are_refused(alice: User, minutes: str) -> None:
    with pytest.raises(CommandError, match="--minutes takes 1 to 60"):
        issue("alice", f"--minutes={minutes}")
    assert not DeviceSession.objects.exists()


def test_inactive_and_unknown_users_are_refused(alice: User) -> None:
    alice.is_active = False
    alice.save()
    with pytest.raises(CommandError, match="inactive"):
        issue("alice")
    with pytest.raises(CommandError, match="no user 'nobody'"):
        issue("nobody")
    assert not DeviceSession.objects.exists()
    assert not AuditEvent.objects.filter(kind="token.issued").exists()


@pytest.mark.parametrize("arguments", [[], ["alice", "--minutes", "61"], ["alice", "--refresh"]])
def test_bad_arguments_end_with_1_and_nothing_on_stdout(arguments: list[str]) -> None:
    command = [sys.executable, "manage.py", "issue_token", *arguments]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "Traceback" not in ended.stderr
