"""What operators type about users: make, list, give a role, deactivate and activate."""

import getpass
import io
import json
import os
import pwd
import subprocess
import sys
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.test import TestCase

from accounts.models import OutgoingMail, Role, User
from security.models import AuditEvent
from sessions_app.models import DeviceSession
from tests.client import PASSWORD, Client, assert_problem
from tests.service import ROOT

pytestmark = pytest.mark.django_db

OTHER = "another horse battery"
WEAK = "at least 8 characters"
CHANGES = [("set_role", "alice", "moderator"), ("deactivate_user", "alice")]


class Stdin(io.StringIO):
    def __init__(self, text: str = "", *, terminal: bool = False) -> None:
        super().__init__(text)
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Stdin())
    monkeypatch.delenv("SUDO_USER", raising=False)


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A person at a terminal who answers the questions for a password so."""

    def answer(*passwords: str) -> None:
        answers = iter(passwords)

        def ask(_prompt: str) -> str:
            for password in answers:
                return password
            raise EOFError

        monkeypatch.setattr(sys, "stdin", Stdin(terminal=True))
        monkeypatch.setattr(getpass, "getpass", ask)

    return answer


def run(*command: str) -> str:
    """What a command writes to stdout, and nothing to stderr; work due after a commit runs."""
    out, err = io.StringIO(), io.StringIO()
    with TestCase.captureOnCommitCallbacks(execute=True):
        call_command(*command, stdout=out, stderr=err)
    assert err.getvalue() == ""
    return out.getvalue()


def run_json(*command: str) -> Any:
    return json.loads(run(*command, "--json"))


def me() -> str:
    return pwd.getpwuid(os.getuid()).pw_name


class TestCreateUser:
    def test_a_user_with_a_password_of_stdin_signs_in(
        self, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sys, "stdin", Stdin(f"{PASSWORD}\nmore\n"))
        names = ("--username", "carol", "--email", "Carol@example.com", "--first-name", "Carol")
        made = run_json("create_user", *names, "--tier", "premium", "--password-stdin")
        pair = client.sign_in("carol@example.com")
        assert pair["user_id"] == made["user"]["id"]
        assert (pair["role"], pair["tier"], pair["first_name"]) == ("user", "premium", "Carol")
        assert made["dry_run"] is False
        assert PASSWORD not in json.dumps(made)

    def test_the_trail_says_who_ran_it(self) -> None:
        line = run("create_user", "--username", "carol", "--role", "moderator")
        user = User.objects.get(username="carol")
        assert line == f"made: {user.pk}  active  moderator  free  carol  -\n"
        event = AuditEvent.objects.get(kind="user.created")
        assert (event.actor_id, event.subject_id) == (None, user.pk)
        assert event.details == {"operator": me()}
        assert event.user_agent == "create_user"

    def test_without_terminal_or_password_nobody_signs_in_as_them(self, client: Client) -> None:
        run("create_user", "--username", "carol")
        assert not User.objects.get(username="carol").has_usable_password()
        sent = {"username": "carol", "password": PASSWORD}
        assert_problem(client.post("/auth/login", sent), 401, "invalid_credentials")

    def test_a_terminal_is_asked_twice(self, client: Client, typed: Callable[..., None]) -> None:
        typed(PASSWORD, PASSWORD)
        run("create_user", "--username", "carol")
        client.sign_in("carol")

    def test_an_empty_answer_is_no_password(self, typed: Callable[..., None]) -> None:
        typed("")
        run("create_user", "--username", "carol")
        assert not User.objects.get(username="carol").has_usable_password()

    @pytest.mark.parametrize(
        ("answers", "told"), [((PASSWORD, "other"), "differ"), ((), "No password was given")]
    )
    def test_a_slip_at_the_terminal_makes_nobody(
        self, typed: Callable[..., None], answers: tuple[str, ...], told: str
    ) -> None:
        typed(*answers)
        with pytest.raises(CommandError, match=told):
            run("create_user", "--username", "carol")
        assert not User.objects.exists()

    def test_a_service_is_not_asked(self, typed: Callable[..., None]) -> None:
        typed()
        run("create_user", "--username", "indexer", "--service")
        assert not User.objects.get(username="indexer").has_usable_password()

    @pytest.mark.parametrize(
        ("arguments", "stdin", "told"),
        [
            ([], "", "needs a username or an e-mail"),
            (["--username", "alice"], "", "already exists"),
            (["--username", "a@b"], "", "letters, digits"),
            (["--email", "nobody"], "", "valid email"),
            (["--username", "x", "--role", "emperor"], "", "no role 'emperor'"),
            (["--username", "x", "--tier", "made-up"], "", "no tier 'made-up'"),
            (["--username", "x", "--password-stdin"], "", "no password on stdin"),
            (["--username", "x", "--password-stdin"], "short\n", WEAK),
            (["--username", "x", "--service", "--email", "x@example.com"], "", "neither"),
            (["--username", "x", "--service", "--password-stdin"], f"{PASSWORD}\n", "neither"),
        ],
    )
    def test_what_can_not_be_made_is_told(
        self,
        alice: User,
        monkeypatch: pytest.MonkeyPatch,
        arguments: list[str],
        stdin: str,
        told: str,
    ) -> None:
        for dry in ([], ["--dry-run"]):
            monkeypatch.setattr(sys, "stdin", Stdin(stdin))
            with pytest.raises(CommandError, match=told):
                run("create_user", *arguments, *dry)
        assert User.objects.get() == alice
        assert not AuditEvent.objects.filter(kind__startswith="user.").exists()

    def test_the_policy_on_operators_passwords_holds(
        self, client: Client, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        carol = ("create_user", "--username", "carol", "--password-stdin")
        settings.AUTH_ADMIN_SET_PASSWORDS = "refuse"
        monkeypatch.setattr(sys, "stdin", Stdin(PASSWORD))
        with pytest.raises(CommandError, match="Operators set no passwords"):
            run(*carol)
        settings.AUTH_ADMIN_SET_PASSWORDS = "expire"
        monkeypatch.setattr(sys, "stdin", Stdin(PASSWORD))
        run(*carol)
        sent = {"username": "carol", "password": PASSWORD}
        assert_problem(client.post("/auth/login", sent), 403, "password_expired")

    def test_a_dry_run_makes_nobody(self, caplog: pytest.LogCaptureFixture) -> None:
        assert run("create_user", "--username", "carol", "--dry-run").startswith("would make: ")
        assert not User.objects.exists()
        assert not AuditEvent.objects.filter(kind__startswith="user.").exists()
        assert "user.created" not in caplog.text
        run("create_user", "--username", "carol")
        assert "user.created" in caplog.text


class TestChanges:
    def test_a_role_counts_at_once(self, client: Client, alice: User) -> None:
        client.sign_in("alice")
        assert client.get("/users").status_code == 403
        done = run("set_role", "ALICE@example.com", "moderator")
        assert done == f"changed: {alice.pk}  active  moderator  free  alice  alice@example.com\n"
        assert client.get("/users").status_code == 200
        event = AuditEvent.objects.get(kind="user.changed")
        assert (event.actor_id, event.subject_id) == (None, alice.pk)
        assert event.details == {
            "operator": me(),
            "before": {"role": "user"},
            "after": {"role": "moderator"},
        }

    def test_a_deactivated_user_is_out_until_activated(self, client: Client, alice: User) -> None:
        client.sign_in("alice")
        assert run_json("deactivate_user", "alice")["user"]["is_active"] is False
        assert_problem(client.get("/users/me"), 401, "session_ended")
        assert OutgoingMail.objects.get().recipient == "alice@example.com"
        sent = {"username": "alice", "password": PASSWORD}
        assert_problem(client.post("/auth/login", sent), 403, "account_inactive")
        assert run("activate_user", "alice").startswith("changed: ")
        client.sign_in("alice")
        for kind in ("user.deactivated", "user.activated", "session.ended"):
            event = AuditEvent.objects.get(kind=kind)
            assert (event.actor_id, event.details["operator"]) == (None, me()), kind

    def test_the_same_again_is_no_event(self, alice: User) -> None:
        assert run_json("set_role", "alice", "user")["changed"] is False
        assert run("activate_user", "alice").startswith("unchanged: ")
        assert not AuditEvent.objects.filter(kind__startswith="user.").exists()

    @pytest.mark.parametrize("command", CHANGES, ids=lambda command: command[0])
    def test_a_dry_run_changes_nothing(
        self, client: Client, alice: User, command: tuple[str, ...]
    ) -> None:
        client.sign_in("alice")
        before = AuditEvent.objects.count()
        assert run(*command, "--dry-run").startswith("would change: ")
        found = run_json(*command, "--dry-run")
        assert (found["changed"], found["dry_run"]) == (True, True)
        assert client.get("/users/me").json()["role"] == "user"
        assert DeviceSession.objects.get().ended_at is None
        assert AuditEvent.objects.count() == before
        assert not OutgoingMail.objects.exists()

    @pytest.mark.parametrize(
        "command", [("set_role", "root", "user"), ("deactivate_user", "root")], ids=lambda c: c[0]
    )
    def test_the_last_admin_stays(self, admin: User, command: tuple[str, ...]) -> None:
        for dry in ([], ["--dry-run"]):
            with pytest.raises(CommandError, match="last active admin"):
                run(*command, *dry)
        admin.refresh_from_db()
        assert (admin.is_active, admin.role_id) == (True, "admin")

    def test_unknown_users_and_roles_are_errors(self, alice: User) -> None:
        for command in (("set_role", "nobody", "user"), ("deactivate_user", "nobody")):
            with pytest.raises(CommandError, match="no user 'nobody'"):
                run(*command)
        with pytest.raises(CommandError, match="no role 'emperor'"):
            run("set_role", "alice", "emperor")


class TestListUsers:
    @pytest.fixture(autouse=True)
    def people(self, make_user: Callable[..., User]) -> None:
        # Ids made in one millisecond are in no order.
        make_user("alice", id=UUID(int=1))
        make_user("bob", role="moderator", is_active=False, id=UUID(int=2))
        User.objects.filter(username="bob").update(tier="premium")

    def test_the_newest_come_first(self) -> None:
        lines = run("list_users").splitlines()
        bob = User.objects.get(username="bob")
        assert lines[0] == f"{bob.pk}  inactive  moderator  premium  bob  bob@example.com"
        assert ["alice" in line for line in lines] == [False, True]

    @pytest.mark.parametrize(
        ("arguments", "found"),
        [
            (["--role", "moderator"], ["bob"]),
            (["--tier", "free"], ["alice"]),
            (["--tier", "legacy"], []),
            (["--active"], ["alice"]),
            (["--inactive"], ["bob"]),
            (["--search", "BO"], ["bob"]),
            (["--search", "alice@"], ["alice"]),
            (["--search", "ob"], []),
            (["--inactive", "--search", "al"], []),
            ([], ["bob", "alice"]),
        ],
        ids=lambda given: " ".join(given),
    )
    def test_conditions_must_all_hold(self, arguments: list[str], found: list[str]) -> None:
        rows = run_json("list_users", *arguments)
        assert [row["username"] for row in rows] == found

    def test_json_has_every_field_and_no_hash(self) -> None:
        row = run_json("list_users", "--search", "alice")[0]
        alice = User.objects.get(username="alice")
        assert (row["id"], row["role"], row["is_active"]) == (str(alice.pk), "user", True)
        assert row["created_at"] == alice.created_at.isoformat()
        assert row["last_login"] is None
        assert alice.password not in json.dumps(row)

    def test_a_longer_list_needs_no_more_queries(
        self, make_user: Callable[..., User], django_assert_num_queries: Any
    ) -> None:
        for number in range(5):
            make_user(f"more{number}")
        with django_assert_num_queries(1):
            run("list_users", "--json")

    def test_a_name_cant_write_to_the_terminal(self) -> None:
        User.objects.filter(username="bob").update(username="\x1b[2Jgone\n")
        assert "?[2Jgone?" in run("list_users")

    def test_an_unknown_role_is_an_error(self) -> None:
        assert not Role.objects.filter(pk="emperor").exists()
        with pytest.raises(CommandError, match="no role 'emperor'"):
            run("list_users", "--role", "emperor")


class TestChangePassword:
    def test_the_sessions_end_and_the_user_is_told(
        self, client: Client, alice: User, typed: Callable[..., None]
    ) -> None:
        client.sign_in("alice")
        typed(OTHER, OTHER)
        assert run("changepassword", "Alice@example.com").startswith(f"changed: {alice.pk}  ")
        assert_problem(client.get("/users/me"), 401, "session_ended")
        [told] = OutgoingMail.objects.all()
        assert told.recipient == "alice@example.com"
        assert told.subject == "Authentication: your password was changed"
        client.sign_in("alice", OTHER)

    def test_the_trail_says_who_ran_it(self, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "stdin", Stdin(f"{OTHER}\nmore\n"))
        run("changepassword", "alice", "--password-stdin")
        event = AuditEvent.objects.get(kind="password.set")
        assert (event.actor_id, event.subject_id) == (None, alice.pk)
        assert event.details == {"operator": me()}
        assert event.user_agent == "changepassword"

    @pytest.mark.parametrize(
        ("answers", "told"),
        [
            ((OTHER, "other"), "differ"),
            ((), "No password was given"),
            (("",), "No password was given"),
            (("short", "short"), WEAK),
        ],
    )
    def test_a_slip_changes_nothing(
        self, alice: User, typed: Callable[..., None], answers: tuple[str, ...], told: str
    ) -> None:
        typed(*answers)
        with pytest.raises(CommandError, match=told):
            run("changepassword", "alice")
        assert User.objects.get(pk=alice.pk).password == alice.password
        assert not AuditEvent.objects.filter(subject_id=alice.pk).exists()

    def test_without_a_terminal_it_says_what_to_give(self, alice: User) -> None:
        with pytest.raises(CommandError, match="--password-stdin"):
            run("changepassword", "alice")
        with pytest.raises(CommandError, match="no password on stdin"):
            run("changepassword", "alice", "--password-stdin")

    def test_nobody_of_this_name(self, typed: Callable[..., None]) -> None:
        typed()
        with pytest.raises(CommandError, match="There is no user 'nobody'"):
            run("changepassword", "nobody")


@pytest.mark.parametrize("arguments", [[], ["--no-input", "--username=x", "--email=x@y.example"]])
def test_createsuperuser_names_the_command_that_makes_an_admin(arguments: list[str]) -> None:
    command = [sys.executable, "manage.py", "createsuperuser", *arguments]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (1, "")
    named = "An admin is made by `manage.py create_user --username NAME --role admin`."
    assert ended.stderr == f"CommandError: {named}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["create_user", "--username", "x", "--password", "given"],
        ["set_role", "alice"],
        ["deactivate_user"],
        ["changepassword"],
        ["list_users", "--active", "--inactive"],
    ],
    ids=" ".join,
)
def test_bad_arguments_end_with_1_and_nothing_on_stdout(arguments: list[str]) -> None:
    command = [sys.executable, "manage.py", *arguments]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "Traceback" not in ended.stderr


def test_help_names_the_exit_codes() -> None:
    command = [sys.executable, "manage.py", "set_role", "--help"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "Ends with 0 when it did its work, and with 1" in " ".join(ended.stdout.split())
