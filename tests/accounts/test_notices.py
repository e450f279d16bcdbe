"""People hear by mail of what others did to their account, and nothing of who did it."""

import io
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import structlog
from django.core.management import call_command
from django.db import OperationalError
from django.utils import timezone

from accounts.emails import notify
from accounts.models import ApiKey, OutgoingMail, User
from accounts.services import users
from accounts.services.password_reset import ask_for_reset, reset_password
from security.client_info import ClientInfo
from security.metrics import LIMITED
from security.models import AuditEvent
from tests.accounts.mailbox import letters
from tests.client import Client
from tests.console.conftest import Console, change_path

OTHER = "another horse battery"
CLIENT = ClientInfo(ip_address="192.0.2.7")
# What is done to alice at PATCH /users/{id}, and what she hears.
CHANGES: list[tuple[dict[str, Any], str, str]] = [
    ({"role": "moderator"}, "your role was changed", 'from "user" to "moderator"'),
    ({"email": "new@example.com"}, "your e-mail address was changed", "took this address"),
    ({"email": None}, "your e-mail address was changed", "took this address"),
    ({"is_active": False}, "your account was deactivated", "every device was signed out"),
]
# What nobody is to learn of the operator.
OPERATORS = ["root", "198.51.100.9", "Operatorbrowser"]


@pytest.fixture
def elsewhere(admin: User) -> Client:
    """An operator whose name, address and device can be recognised."""
    client = Client(user_agent="Operatorbrowser/1.0")
    client.sign_in("root")
    return client


def heard(about: str, *, to: str = "alice@example.com") -> str:
    """The only message that was sent, and all of what it says."""
    found = letters()
    assert [(one.to, one.subject) for one in found] == [(to, f"Authentication: {about}")]
    text = found[0].body
    assert not [name for name in OPERATORS if name in text]
    assert OTHER not in text
    assert "#token=" not in text
    return text


@pytest.mark.parametrize(("change", "about", "told"), CHANGES)
def test_what_an_operator_changes_is_told_at_the_old_address(
    elsewhere: Client, alice: User, change: dict[str, Any], about: str, told: str
) -> None:
    answer = elsewhere.patch(f"/users/{alice.pk}", change, REMOTE_ADDR="198.51.100.9")
    assert answer.status_code == 200
    text = heard(about)
    assert told in text
    assert "new@example.com" not in text
    elsewhere.patch(f"/users/{alice.pk}", change, REMOTE_ADDR="198.51.100.9")
    assert letters() == []


def test_an_account_that_is_active_again_is_told(elsewhere: Client, alice: User) -> None:
    for active in (False, True):
        elsewhere.patch(f"/users/{alice.pk}", {"is_active": active})
    reactivated = letters()[-1]
    assert reactivated.subject == "Authentication: your account is active again"
    assert "You can sign in." in reactivated.body


def test_a_password_that_an_operator_sets_is_told(elsewhere: Client, alice: User) -> None:
    body = {"username": "alice", "new_password": OTHER}
    elsewhere.put("/users/update_password", body, REMOTE_ADDR="198.51.100.9")
    assert "set another password" in heard("your password was changed")


def test_a_deleted_account_is_told_at_the_address_it_had(elsewhere: Client, alice: User) -> None:
    elsewhere.delete(f"/users/{alice.pk}", REMOTE_ADDR="198.51.100.9")
    assert "deleted your account" in heard("your account was deleted")


@pytest.mark.parametrize("change", [{"first_name": "Ally"}, {"email": "ALICE@example.com"}])
def test_what_changes_nothing_of_weight_is_not_told(
    elsewhere: Client, alice: User, change: dict[str, Any]
) -> None:
    assert elsewhere.patch(f"/users/{alice.pk}", change).status_code == 200
    assert letters() == []


def test_a_user_without_an_address_hears_nothing(elsewhere: Client, alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(email=None, email_key=None)
    for body in ({"role": "moderator"}, {"is_active": False}, {"email": "new@example.com"}):
        assert elsewhere.patch(f"/users/{alice.pk}", body).status_code == 200
    assert elsewhere.patch(f"/users/{alice.pk}", {"email": None}).status_code == 200
    letters()
    assert elsewhere.delete(f"/users/{alice.pk}").status_code == 204
    assert letters() == []


def test_a_new_api_key_is_told_by_its_beginning_alone(client: Client, alice: User) -> None:
    client.sign_in("alice")
    body = {"name": "https://evil.example/x"}
    key = client.post("/api-keys", body, REMOTE_ADDR="192.0.2.44").json()
    text = heard("a new API key")
    assert key["prefix"] in text
    assert key["key"] not in text
    assert "evil.example" not in text
    assert "192.0.2.44" in text


def test_whoever_makes_many_keys_floods_no_mailbox(client: Client, alice: User) -> None:
    client.sign_in("alice")
    for _ in range(8):
        key = client.post("/api-keys", {"name": "x"}).json()
        assert client.delete(f"/api-keys/{key['id']}").status_code == 204
    assert len(letters()) == 5
    ApiKey.objects.update(created_at=timezone.now() - timedelta(hours=1))
    client.post("/api-keys", {"name": "x"})
    assert len(letters()) == 1


@pytest.mark.usefixtures("limits_on")
class TestAnAddressThatNobodyHasProven:
    """It may be a stranger's mailbox."""

    def test_it_gets_three_notices_an_hour(
        self, alice: User, make_user: Callable[..., User]
    ) -> None:
        bob = make_user("bob")
        limited = LIMITED.labels("notices")._value.get()
        with structlog.testing.capture_logs() as logged:
            for user in (alice, bob):
                for email in (user.email, str(user.email).upper()) * 2:
                    user.email = email
                    notify(user, "new_device", client=CLIENT)
        told = [one.to.lower() for one in letters()]
        assert told == ["alice@example.com"] * 3 + ["bob@example.com"] * 3
        assert [(one["event"], one["user"]) for one in logged] == [
            ("mail.notice_left_out", str(user.pk)) for user in (alice, bob)
        ]
        assert LIMITED.labels("notices")._value.get() == limited + 2

    def test_links_and_the_old_address_are_told_all_the_same(self, alice: User) -> None:
        for _ in range(5):
            notify(alice, "email_replaced", client=CLIENT, to="old@example.com")
            notify(alice, "new_device", client=CLIENT)
        assert len(letters()) == 5 + 3
        ask_for_reset(email="alice@example.com", client=CLIENT)
        token = letters()[0].token
        # Which proves the address.
        reset_password(token=token, new_password=OTHER, client=CLIENT)
        assert [one.subject for one in letters()] == ["Authentication: your password was changed"]

    def test_a_proven_one_gets_all(self, alice: User) -> None:
        alice.email_verified_at = timezone.now()
        for _ in range(5):
            notify(alice, "new_device", client=CLIENT)
        assert len(letters()) == 5


def test_a_new_api_key_that_an_operator_makes_is_told_without_them(
    elsewhere: Client, alice: User
) -> None:
    path = f"/users/{alice.pk}/api-keys"
    assert elsewhere.post(path, {"name": "x"}, REMOTE_ADDR="198.51.100.9").status_code == 201
    assert "The people who run it made it" in heard("a new API key")


@pytest.mark.parametrize(
    ("command", "about", "told"),
    [
        (("set_role", "alice", "moderator"), "your role was changed", '"moderator"'),
        (("deactivate_user", "alice"), "your account was deactivated", "every device"),
        (
            ("issue_token", "alice", "--minutes=20"),
            "somebody acts in your account",
            "for 20 minutes",
        ),
    ],
    ids=lambda given: given[0] if isinstance(given, tuple) else "",
)
def test_what_a_command_does_is_told_like_what_operators_do(
    alice: User, command: tuple[str, ...], about: str, told: str
) -> None:
    printed = io.StringIO()
    call_command(*command, stdout=printed)
    text = heard(about)
    assert told in text
    assert printed.getvalue().strip() not in text
    operator = AuditEvent.objects.exclude(kind="session.ended").latest("id").details["operator"]
    assert str(operator) not in text.replace(str(alice), "")


def test_the_console_tells_as_the_api_does(admin: User, alice: User) -> None:
    console = Console(raise_request_exception=False)
    console.sign_in("root")
    console.save_user(alice, role="moderator")
    assert '"moderator"' in heard("your role was changed")
    console.save_user(User.objects.get(pk=alice.pk), email="new@example.com")
    assert "took this address" in heard("your e-mail address was changed")
    console.save_user(User.objects.get(pk=alice.pk), new_password=OTHER)
    assert "set another" in heard("your password was changed", to="new@example.com")
    assert console.post(change_path(alice, "delete"), {"post": "yes"}).status_code == 302
    assert "deleted" in heard("your account was deleted", to="new@example.com")


def test_what_is_taken_back_is_not_told(
    elsewhere: Client, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The notice is written in the transaction of the change."""
    notify = users.notify

    def fail(*given: Any, **named: Any) -> None:
        notify(*given, **named)
        raise OperationalError("gone")

    monkeypatch.setattr(users, "notify", fail)
    assert elsewhere.patch(f"/users/{alice.pk}", {"role": "moderator"}).status_code == 503
    assert User.objects.get(pk=alice.pk).role_id == "user"
    assert not OutgoingMail.objects.exists()


def test_an_import_mails_nobody(elsewhere: Client, alice: User, tmp_path: Any) -> None:
    file = tmp_path / "users.jsonl"
    file.write_text('{"email": "carol@example.com", "username": "carol", "password": "!"}\n')
    call_command("import_users", str(file), stdout=io.StringIO(), stderr=io.StringIO())
    assert User.objects.filter(email="carol@example.com").exists()
    assert letters() == []
