"""Who is made without a password sets one by a mailed link."""

from typing import Any

import pytest

from accounts.models import OutgoingMail, User
from accounts.services.registration import create_user
from tests.accounts.mailbox import letter, letters
from tests.client import PASSWORD, Client, assert_problem

EMAIL = "ada@example.com"
BODY = {"email": EMAIL, "username": "ada"}


def accept(token: str, password: str = PASSWORD) -> int:
    body = {"token": token, "new_password": password}
    return int(Client().post("/auth/password/reset", body).status_code)


@pytest.mark.parametrize("policy", ["allow", "expire", "refuse"])
def test_the_person_gets_a_link_whatever_operators_may_set(
    operator: Client, settings: Any, policy: str
) -> None:
    settings.AUTH_ADMIN_SET_PASSWORDS = policy
    assert operator.post("/users", BODY).status_code == 201
    found = letter()
    assert (found.to, found.link) == (EMAIL, "http://localhost:8000/account/reset")
    assert "72 hours" in found.body
    assert "with the username ada" in found.body
    login = {"username": "ada", "password": ""}
    assert Client().post("/auth/login", login).status_code == 422
    assert accept(found.token) == 200
    pair = Client().sign_in("ada")
    assert Client(pair["access_token"]).get("/users/me").json()["email_verified"]
    assert accept(found.token) == 422


def test_with_refuse_an_operator_sets_none(operator: Client, settings: Any) -> None:
    settings.AUTH_ADMIN_SET_PASSWORDS = "refuse"
    answer = operator.post("/users", BODY | {"password": PASSWORD})
    assert_problem(answer, 403, "admin_passwords_refused")
    assert letters() == []


def test_who_gets_a_password_gets_no_link(operator: Client) -> None:
    assert operator.post("/users", BODY | {"password": PASSWORD}).status_code == 201
    assert letters() == []


def test_who_has_no_mailbox_gets_no_link(operator: Client) -> None:
    assert operator.post("/users", {"username": "ada"}).status_code == 201
    assert operator.post("/users", {"username": "robot", "kind": "service"}).status_code == 201
    assert letters() == []


def test_the_command_line_sends_it_too(db: None) -> None:
    create_user(email=EMAIL, username=None, password=None, actor=None)
    assert accept(letter().token) == 200


def test_a_reset_ends_an_unused_link(operator: Client) -> None:
    operator.post("/users", BODY)
    invited = letter().token
    Client().post("/auth/password/forgot", {"email": EMAIL})
    assert accept(letter().token) == 200
    assert accept(invited, "another horse battery") == 422


def test_an_invitation_gives_no_other_role_than_it_was_made_for(operator: Client) -> None:
    """Not by what is sent with it, and not after another has used it."""
    operator.post("/users", BODY | {"role": "guest"})
    token = letter().token
    wishes = {"role": "admin", "role_id": "admin", "is_admin": True, "is_staff": True}
    wishes |= {"is_superuser": True, "tier": "enterprise", "purpose": "verify_email"}
    body = {"token": token, "new_password": PASSWORD}
    assert Client().post("/auth/password/reset", body | wishes).status_code == 200
    ada = User.objects.get(email=EMAIL)
    assert (ada.role_id, ada.is_staff, ada.tier) == ("guest", False, "free")
    assert accept(token, "another horse battery") == 422
    assert Client().post("/auth/email/verify", {"token": token}).status_code == 422


def test_an_invitation_belongs_to_whom_it_was_made_for(operator: Client, alice: User) -> None:
    operator.post("/users", BODY)
    body = {"token": letter().token, "new_password": "another horse battery"}
    others = {"user": str(alice.pk), "user_id": str(alice.pk), "id": str(alice.pk)}
    others |= {"email": alice.email, "username": "alice"}
    alice_client = Client()
    alice_client.sign_in("alice")
    assert alice_client.post("/auth/password/reset", body | others).status_code == 200
    assert Client().sign_in("alice")
    assert Client().sign_in("ada", "another horse battery")


def test_a_hostile_username_is_refused_before_it_reaches_a_message(operator: Client) -> None:
    answer = operator.post("/users", BODY | {"username": "ada\r\nBcc: x@example.com"})
    assert_problem(answer, 422, "validation_error")
    assert not User.objects.filter(email=EMAIL).exists()
    assert not OutgoingMail.objects.exists()
