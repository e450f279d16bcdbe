"""With AUTH_CONCEAL_ACCOUNTS registering tells nobody but the mailbox whether it has an account."""

from typing import Any

import pytest

from accounts.models import OutgoingMail, RegistrationRequest, User
from accounts.services.registration_answers import answer_registrations
from security.models import AuditEvent
from tests.accounts.mailbox import letter, letters
from tests.client import Client, assert_problem
from tests.enumeration.seeing import WHO, seen

REGISTER = "/auth/register"
PASSWORD = "eleven tapirs under moons"
MAILED = [name for name in WHO if name != "service"]

pytestmark = pytest.mark.usefixtures("people", "concealed")


def body(name: str, **more: str) -> dict[str, str]:
    return {"email": f"{name}@example.com", "password": PASSWORD, **more}


def test_the_answer_and_its_work_are_the_same_for_everybody() -> None:
    answers = [seen(REGISTER, body(name)) for name in WHO]
    assert answers == [answers[0]] * len(WHO)
    assert answers[0]["status"] == 202
    assert answers[0]["hashes"] == ["argon2"]
    assert answers[0]["statements"].count("INSERT") == 1
    assert set(answers[0]["statements"]) == {"INSERT", "SELECT"}
    assert not OutgoingMail.objects.exists()


def test_usernames_are_concealed_too() -> None:
    answers = [seen(REGISTER, body("fresh", username=name)) for name in WHO]
    assert answers == [answers[0]] * len(WHO)
    assert answers[0]["status"] == 202


def test_the_mailbox_of_a_free_address_gets_the_link_and_then_the_account() -> None:
    assert Client().post(REGISTER, body("fresh", username="fresh")).status_code == 202
    assert not User.objects.filter(username="fresh").exists()
    client = Client()
    assert_problem(
        client.post("/auth/login", {"username": "fresh", "password": PASSWORD}),
        401,
        "invalid_credentials",
    )
    assert answer_registrations() == 1
    assert not RegistrationRequest.objects.exists()
    event = AuditEvent.objects.get(kind="user.registered")
    assert event.subject_id == User.objects.get(username="fresh").pk
    token = letter("verify").token
    assert client.post("/auth/email/verify", {"token": token}).status_code == 200
    client.sign_in("fresh", PASSWORD)


def test_the_mailbox_of_a_taken_address_is_told_and_nothing_changes() -> None:
    before = list(User.objects.order_by("pk").values())
    for name in MAILED:
        if name != "unknown":
            Client().post(REGISTER, body(name.upper(), first_name="Mallory"))
    answer_registrations()
    assert list(User.objects.order_by("pk").values()) == before
    told = {one.to: one.subject for one in letters()}
    assert set(told) == {f"{name}@example.com" for name in MAILED if name != "unknown"}
    assert {"you have an account already" in subject for subject in told.values()} == {True}


def test_the_mailbox_is_told_of_a_username_that_is_taken() -> None:
    Client().post(REGISTER, body("fresh", username="Known"))
    answer_registrations()
    told = letter("username is taken")
    assert told.to == "fresh@example.com"
    assert not User.objects.filter(email="fresh@example.com").exists()


def test_two_registrations_of_one_address_make_one_account() -> None:
    for first_name in ("First", "Second"):
        Client().post(REGISTER, body("fresh", first_name=first_name))
    assert answer_registrations() == 2
    assert User.objects.get(email="fresh@example.com").first_name == "First"
    # No link to verify it: the first may have been a stranger's.
    assert letter().link.endswith("/account/reset")


@pytest.mark.parametrize("told", ["each at once", "both together"])
def test_who_registers_a_strangers_address_first_gets_no_account_of_theirs(told: str) -> None:
    """The owner trusts the messages that follow their own registration, and clicks."""
    mine, chosen = "nine herons over lakes", "six otters below bridges"
    Client().post(REGISTER, body("fresh", first_name="Mallory"))
    if told == "each at once":
        answer_registrations()
        found = letter("verify")
    Client().post(REGISTER, body("FRESH") | {"password": mine})
    answer_registrations()
    link = letter()
    assert (link.to, link.link) == ("fresh@example.com", "http://localhost:8000/account/reset")
    assert "you have an account already" in link.subject
    if told == "each at once":
        for proof in ({"token": found.token}, {"email": link.to, "code": found.code}):
            assert Client().post("/auth/email/verify", proof).status_code == 422
    reset = {"token": link.token, "new_password": chosen}
    assert Client().post("/auth/password/reset", reset).status_code == 200
    for password in (PASSWORD, mine):
        answer = Client().post("/auth/login", {"username": link.to, "password": password})
        assert_problem(answer, 401, "invalid_credentials")
    assert Client().sign_in(link.to, chosen)


@pytest.mark.parametrize("name", [name for name in MAILED if name != "unknown"])
def test_only_who_has_not_proven_an_active_account_is_sent_a_link(name: str) -> None:
    Client().post(REGISTER, body(name))
    answer_registrations()
    assert ("#token=" in letter().body) == (name == "unverified")


def test_what_was_asked_before_registration_closed_is_dropped(settings: Any) -> None:
    for name in ("fresh", "unverified", "known"):
        Client().post(REGISTER, body(name))
    settings.AUTH_REGISTRATION_OPEN = False
    assert answer_registrations() == 3
    assert not RegistrationRequest.objects.exists()
    assert not User.objects.filter(email="fresh@example.com").exists()
    assert letters() == []


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"email": "nonsense"}, "email"),
        ({"password": "short"}, "password"),
        ({"username": "a@b"}, "username"),
        ({"tier": "enterprise"}, "tier"),
    ],
)
def test_what_is_wrong_with_the_request_itself_is_told_at_once(
    wrong: dict[str, str], field: str
) -> None:
    for name in ("known", "fresh"):
        answer = Client().post(REGISTER, body(name) | wrong)
        assert answer.status_code == 422
        assert {error["field"] for error in answer.json()["errors"]} == {field}
    assert not RegistrationRequest.objects.exists()


def test_privileged_fields_are_ignored_and_audited() -> None:
    Client().post(REGISTER, body("fresh") | {"role": "admin", "is_active": False})
    answer_registrations()
    user = User.objects.get(email="fresh@example.com")
    assert (user.role_id, user.is_active) == ("user", True)
    event = AuditEvent.objects.get(kind="user.registered")
    assert event.details == {"ignored": ["role", "is_active"]}


@pytest.mark.usefixtures("limits_on")
def test_a_mailbox_gets_at_most_three_messages_an_hour() -> None:
    for name in ("known", "fresh"):
        statuses = [
            Client().post(REGISTER, body(spelling), REMOTE_ADDR=f"192.0.2.{number}").status_code
            for number, spelling in enumerate([name, name.upper(), f" {name}", name])
        ]
        assert statuses == [202, 202, 202, 429], name
