"""An address is its user's once they have shown that they read its mail."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from accounts.models import OneTimeToken, User
from accounts.services.registration import bootstrap_admin
from accounts.services.users import change_user
from security.models import AuditEvent
from tests.accounts.mailbox import Letter, letter, letters, other_code
from tests.client import PASSWORD, Client, assert_problem

EMAIL = "new@example.com"


def register(email: str = EMAIL, **fields: str) -> Letter:
    body = {"email": email, "password": PASSWORD, **fields}
    assert Client().post("/auth/register", body).status_code == 201
    return letter("verify your")


def verify(**fields: str) -> Any:
    return Client().post("/auth/email/verify", fields)


def resend(email: str = EMAIL) -> None:
    assert Client().post("/auth/email/resend", {"email": email}).status_code == 202


def verified(email: str = EMAIL) -> bool:
    return bool(User.objects.for_identifier(email).get().email_verified)


def log_in(identifier: str = EMAIL, password: str = PASSWORD) -> Any:
    return Client().post("/auth/login", {"username": identifier, "password": password})


def refuse(answer: Any, field: str) -> None:
    (error,) = assert_problem(answer, 422, "validation_error")["errors"]
    assert (error["field"], error["code"]) == (field, "invalid_or_expired")


def test_a_registration_sends_one_message_with_link_and_code(client: Client) -> None:
    found = register()
    assert found.to == EMAIL
    assert found.link == "http://localhost:8000/account/verify"
    assert len(found.code) == 6
    assert "24 hours" in found.body
    assert not verified()


def test_the_link_verifies_once(client: Client) -> None:
    found = register()
    client.sign_in(EMAIL)
    assert not client.get("/users/me").json()["email_verified"]
    answer = verify(token=found.token)
    assert answer.status_code == 200
    assert set(answer.json()) == {"message"}
    # At once, for tokens issued before.
    assert client.get("/users/me").json()["email_verified"]
    refuse(verify(token=found.token), "token")
    event = AuditEvent.objects.get(kind="email.verified")
    assert event.subject_id == User.objects.get().pk


def test_the_message_says_who_asked_and_what_to_do_if_nobody_did(client: Client) -> None:
    client.headers = {"user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Firefox/128.0"}
    client.post("/auth/register", {"email": EMAIL, "password": PASSWORD}, REMOTE_ADDR="192.0.2.7")
    found = letter()
    assert "from Firefox on Linux (192.0.2.7)" in found.body
    assert "If it was not you, do nothing" in found.body


def test_the_message_says_when_the_account_was_made_and_how_to_end_a_strangers_password(
    db: None,
) -> None:
    register()
    User.objects.update(created_at=datetime(2025, 3, 4, 5, 6, tzinfo=UTC))
    resend()
    found = letter().body
    assert "made on 2025-03-04 05:06 UTC" in found
    assert found.index("forgot password") < found.index("#token=")


def test_somebody_elses_session_verifies_nothing_of_its_own(client: Client, alice: User) -> None:
    """A link that is sent on to others proves the address it was mailed to, no other."""
    found = register()
    client.sign_in("alice")
    sent = {"token": found.token, "email": "alice@example.com", "user_id": str(alice.pk)}
    assert client.post("/auth/email/verify", sent).status_code == 200
    assert verified()
    assert not verified("alice@example.com")


def test_so_does_the_code(client: Client) -> None:
    found = register()
    assert verify(email="NEW@example.com", code=found.code).status_code == 200
    assert verified()
    refuse(verify(email=EMAIL, code=found.code), "code")
    refuse(verify(token=found.token), "token")


def test_wrong_codes_end_the_code_after_five(client: Client) -> None:
    found = register()
    for _ in range(5):
        refuse(verify(email=EMAIL, code=other_code(found.code)), "code")
    refuse(verify(email=EMAIL, code=found.code), "code")
    assert not verified()
    resend()
    assert verify(email=EMAIL, code=letter().code).status_code == 200


def test_a_wrong_code_and_a_strange_address_are_told_alike(client: Client) -> None:
    found = register()
    answers = [
        verify(email=EMAIL, code=other_code(found.code)),
        verify(email="nobody@example.com", code=found.code),
        verify(email="nobody", code="x"),
    ]
    bodies = [answer.json() | {"request_id": ""} for answer in answers]
    assert bodies == [bodies[0]] * 3


@pytest.mark.parametrize(
    "body",
    [{}, {"email": EMAIL}, {"code": "000000"}, {"token": ""}, {"token": None}, {"token": ["x"]}],
)
def test_an_incomplete_answer_is_422(client: Client, body: dict[str, Any]) -> None:
    register()
    assert_problem(client.post("/auth/email/verify", body), 422, "validation_error")
    assert not verified()


@pytest.mark.parametrize("text", ["\u0663" * 6, "12345", "'; --", " ", "0" * 16])
def test_odd_codes_are_refused(client: Client, text: str) -> None:
    register()
    assert verify(email=EMAIL, code=text).status_code == 422


def test_a_resent_message_ends_the_older(client: Client) -> None:
    older = register()
    resend()
    newer = letter()
    refuse(verify(token=older.token), "token")
    assert verify(token=newer.token).status_code == 200


def test_who_is_verified_inactive_or_unknown_gets_no_message(
    make_user: Callable[..., User],
) -> None:
    done = make_user("done")
    make_user("idle", is_active=False)
    User.objects.filter(pk=done.pk).update(email_verified_at=done.created_at)
    for name in ("done", "idle", "nobody"):
        resend(f"{name}@example.com")
    assert letters() == []
    assert not OneTimeToken.objects.exists()


def test_a_name_in_the_message_stays_text(client: Client) -> None:
    client.headers = {"user_agent": "{{7*7}}{%debug%}<b>"}
    client.post("/auth/register", {"email": EMAIL, "password": PASSWORD})
    assert "{{7*7}}{%debug%}<b>" in letter().body


def test_an_address_changed_meanwhile_is_not_verified(client: Client, admin: User) -> None:
    found = register()
    user = User.objects.for_identifier(EMAIL).get()
    change_user(user=user, changes={"email": "other@example.com"}, actor=admin)
    refuse(verify(token=found.token), "token")
    assert not verified("other@example.com")


class TestRequired:
    @pytest.fixture(autouse=True)
    def required(self, db: None, settings: Any) -> None:
        settings.AUTH_EMAIL_VERIFICATION = "required"

    def test_a_right_password_is_told_to_verify_first(self) -> None:
        found = register()
        assert_problem(log_in(), 403, "email_unverified")
        assert_problem(log_in(password="wrong"), 401, "invalid_credentials")
        failed = AuditEvent.objects.filter(kind="login.failed").order_by("id")
        assert [event.details["reason"] for event in failed] == [
            "email_unverified",
            "invalid_credentials",
        ]
        verify(token=found.token)
        assert log_in().status_code == 200

    def test_the_username_makes_no_difference(self) -> None:
        register(username="newcomer")
        assert_problem(log_in("newcomer"), 403, "email_unverified")

    def test_an_inactive_account_is_told_so(self) -> None:
        register()
        User.objects.update(is_active=False)
        assert_problem(log_in(), 403, "account_inactive")

    def test_who_has_no_address_has_nothing_to_verify(self, alice: User) -> None:
        User.objects.update(email=None, email_key=None)
        assert log_in("alice").status_code == 200

    def test_the_console_asks_for_it_too(self, admin: User) -> None:
        sent = {"username": "root", "password": PASSWORD}
        assert Client().django.post("/admin/login/", sent).status_code == 200
        User.objects.update(email_verified_at=admin.created_at)
        assert Client().django.post("/admin/login/", sent).status_code == 302

    def test_a_reset_verifies_too(self) -> None:
        register()
        Client().post("/auth/password/forgot", {"email": EMAIL})
        body = {"token": letter().token, "new_password": "tapir under seven moons"}
        assert Client().post("/auth/password/reset", body).status_code == 200
        assert log_in(password="tapir under seven moons").status_code == 200

    def test_the_first_admin_needs_no_mail(self, settings: Any) -> None:
        settings.FIRST_SUPERUSER_EMAIL = "first@example.com"
        assert bootstrap_admin(password="an-admin-of-the-tests")
        assert log_in("first@example.com", "an-admin-of-the-tests").status_code == 200


def test_optional_lets_everybody_in(client: Client) -> None:
    register()
    assert log_in().status_code == 200
