"""Another address for an account: confirmed from the new one, told to the old one, undone."""

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import ApiKey, OneTimeToken, User
from accounts.services.email_change import undo_email_change
from accounts.services.passwords import set_password
from accounts.services.registration_answers import answer_registrations
from accounts.services.users import change_user
from security.client_info import ClientInfo
from security.errors import AlreadyRegistered, FieldError
from security.models import AuditEvent
from tests.accounts.mailbox import Letter, letter, letters
from tests.client import PASSWORD, Client, assert_problem

OLD, NEW = "alice@example.com", "new@example.com"
CLIENT = ClientInfo()


@pytest.fixture
def signed_in(client: Client, alice: User) -> Client:
    client.sign_in("alice")
    return client


def ask(client: Client, new_email: str = NEW, password: str = PASSWORD) -> Any:
    body = {"new_email": new_email, "password": password}
    return client.post("/auth/email/change", body)


def confirm(token: str) -> Any:
    return Client().post("/auth/email/verify", {"token": token})


def address() -> str:
    return str(User.objects.get(username="alice").email)


def change(client: Client, new_email: str = NEW) -> Letter:
    """Ask and confirm; what the old address is told."""
    assert ask(client, new_email).status_code == 202
    assert confirm(letter("confirm your new").token).status_code == 200
    return letter("was changed")


def test_it_takes_effect_when_confirmed_from_the_new_address(signed_in: Client) -> None:
    assert ask(signed_in).status_code == 202
    found = letter()
    assert (found.to, found.link) == (NEW, "http://localhost:8000/account/email")
    assert address() == OLD
    assert confirm(found.token).status_code == 200
    me = signed_in.get("/users/me").json()
    assert (me["email"], me["email_verified"]) == (NEW, True)
    assert Client().sign_in(NEW)
    assert_problem(confirm(found.token), 422, "validation_error")


def test_the_old_address_is_told_with_a_way_back(signed_in: Client) -> None:
    told = change(signed_in)
    assert (told.to, told.link) == (OLD, "http://localhost:8000/account/email/undo")
    assert "72 hours" in told.body
    assert NEW not in told.body


class TestWhatEndsIt:
    """Asked for, but not mailed yet, by whoever knew the password until then."""

    @pytest.fixture(autouse=True)
    def asked(self, signed_in: Client) -> None:
        assert ask(signed_in).status_code == 202

    def test_a_reset(self) -> None:
        Client().post("/auth/password/forgot", {"email": OLD})
        token = letter("reset").token
        # Asked for by the thief again while the owner was reading.
        thief = Client()
        thief.sign_in("alice")
        assert ask(thief).status_code == 202
        reset = {"token": token, "new_password": "an entirely other one"}
        assert Client().post("/auth/password/reset", reset).status_code == 200
        assert NEW not in {found.to for found in letters()}

    def test_a_password_change(self, signed_in: Client) -> None:
        body = {"current_password": PASSWORD, "new_password": "an entirely other one"}
        assert signed_in.post("/users/me/password", body).status_code == 200
        assert NEW not in {found.to for found in letters()}

    def test_a_password_from_an_operator(self, alice: User) -> None:
        set_password(user=alice, new_password="an entirely other one", actor=None)
        assert NEW not in {found.to for found in letters()}

    def test_an_address_from_an_operator(self, operator: Client, alice: User) -> None:
        answer = operator.patch(f"/users/{alice.pk}", {"email": "elsewhere@example.com"})
        assert answer.status_code == 200
        assert NEW not in {found.to for found in letters()}


def test_an_operators_word_ends_every_way_back(
    signed_in: Client, operator: Client, alice: User
) -> None:
    """A thief who changes the address twice must not get the account back from its repair."""
    change(signed_in, "first@example.com")
    thiefs = change(signed_in, "second@example.com")
    assert thiefs.to == "first@example.com"
    assert operator.patch(f"/users/{alice.pk}", {"email": OLD}).status_code == 200
    refused = Client().post("/account/email/undo", {"token": thiefs.token})
    assert refused.status_code != 200
    with pytest.raises(FieldError):
        undo_email_change(token=thiefs.token, client=CLIENT)
    assert address() == OLD


def test_ones_own_word_at_the_console_ends_no_way_back(operator: Client, admin: User) -> None:
    """It may be a thief's, who knows the password, too."""
    owners = change(operator, "first@example.com")
    assert owners.to == "root@example.com"
    admin.refresh_from_db()
    second = {"email": "second@example.com"}
    change_user(user=admin, changes=second, actor=admin, client=CLIENT, proven=True)
    undo_email_change(token=owners.token, client=CLIENT)
    admin.refresh_from_db()
    assert admin.email == "root@example.com"


def test_no_token_gives_its_own_account_another_address(operator: Client, admin: User) -> None:
    """What a thief of an operator's token would follow with a reset."""
    answer = operator.patch(f"/users/{admin.pk}", {"email": NEW})
    assert_problem(answer, 403, "not_on_yourself")
    admin.refresh_from_db()
    assert admin.email == "root@example.com"
    assert operator.patch(f"/users/{admin.pk}", {"first_name": "Rooty"}).status_code == 200


def test_it_is_audited(signed_in: Client, alice: User) -> None:
    change(signed_in)
    asked = AuditEvent.objects.get(kind="email.change_requested")
    changed = AuditEvent.objects.get(kind="email.changed")
    assert {asked.subject_id, changed.subject_id} == {alice.pk}
    assert changed.personal == {"before": {"email": OLD}, "after": {"email": NEW}}


@pytest.mark.parametrize("password", ["wrong", "", PASSWORD.upper()])
def test_a_stolen_access_token_is_not_enough(signed_in: Client, password: str) -> None:
    refusal = assert_problem(ask(signed_in, password=password), 422, "validation_error")
    assert {error["field"] for error in refusal["errors"]} == {"password"}
    assert letters() == []


def test_nobody_does_it_without_a_session(client: Client, alice: User) -> None:
    assert_problem(ask(client), 401, "not_authenticated")


@pytest.mark.parametrize("new_email", ["", "x", "a@b@c.de", "a@example.com\nBcc: b@example.com"])
def test_what_is_no_address_is_422(signed_in: Client, new_email: str) -> None:
    refusal = assert_problem(ask(signed_in, new_email), 422, "validation_error")
    assert {error["field"] for error in refusal["errors"]} == {"new_email"}


@pytest.mark.parametrize("taken", ["bob@example.com", "BOB@Example.com"])
def test_a_taken_address_is_told_to_its_owner_alone(
    signed_in: Client, bob: User, taken: str
) -> None:
    free = ask(signed_in)
    letters()
    answer = ask(signed_in, taken)
    assert (answer.status_code, answer.content) == (free.status_code, free.content)
    found = letter()
    assert found.to == "bob@example.com"
    assert "#token=" not in found.body


def test_an_address_taken_meanwhile_is_409(
    signed_in: Client, make_user: Callable[..., User]
) -> None:
    ask(signed_in)
    token = letter().token
    make_user("new")
    assert_problem(confirm(token), 409, "already_registered")
    assert address() == OLD


def test_a_link_is_for_whom_it_was_asked_whoever_sends_it(signed_in: Client, bob: User) -> None:
    """Bob is talked into confirming what alice asked for: nothing of his changes."""
    ask(signed_in)
    found = letter()
    assert "Somebody asked to use this address for their account" in found.body
    assert "127.0.0.1" in found.body
    bobs = Client()
    bobs.sign_in("bob")
    sent = {"token": found.token, "email": "bob@example.com", "user_id": str(bob.pk)}
    assert bobs.post("/auth/email/verify", sent).status_code == 200
    assert bobs.get("/users/me").json()["email"] == "bob@example.com"
    assert not bobs.get("/users/me").json()["email_verified"]
    assert address() == NEW


def test_a_new_wish_ends_the_older(signed_in: Client) -> None:
    ask(signed_in)
    older = letter().token
    ask(signed_in, "newer@example.com")
    newer = letter().token
    assert_problem(confirm(older), 422, "validation_error")
    assert confirm(newer).status_code == 200
    assert address() == "newer@example.com"


def test_a_link_for_the_new_address_resets_no_password(signed_in: Client) -> None:
    ask(signed_in)
    body = {"token": letter().token, "new_password": "tapir under seven moons"}
    assert_problem(Client().post("/auth/password/reset", body), 422, "validation_error")


def test_an_unconfirmed_address_gets_no_reset(signed_in: Client) -> None:
    ask(signed_in)
    letters()
    Client().post("/auth/password/forgot", {"email": NEW})
    assert letters() == []


def test_who_has_no_address_gets_one(signed_in: Client) -> None:
    User.objects.update(email=None, email_key=None)
    ask(signed_in)
    assert confirm(letter().token).status_code == 200
    assert letters() == []
    assert address() == NEW


class TestTheWayBack:
    def test_it_restores_the_address_and_ends_everything(self, signed_in: Client) -> None:
        key = signed_in.post("/api-keys", {"name": "x", "scopes": []}).json()["key"]
        way_back = change(signed_in).token
        undo_email_change(token=way_back, client=CLIENT)
        assert address() == OLD
        assert_problem(signed_in.get("/users/me"), 401, "session_ended")
        assert_problem(Client(key).get("/users/me"), 401, "token_invalid")
        assert not ApiKey.objects.live().exists()
        log_in = {"username": "alice", "password": PASSWORD}
        assert_problem(Client().post("/auth/login", log_in), 401, "invalid_credentials")
        found = letter()
        assert (found.to, "reset your" in found.subject) == (OLD, True)
        body = {"token": found.token, "new_password": "tapir under seven moons"}
        assert Client().post("/auth/password/reset", body).status_code == 200
        assert Client().sign_in(OLD, "tapir under seven moons")
        undone = AuditEvent.objects.get(kind="email.change_undone")
        assert undone.personal == {"before": {"email": NEW}, "after": {"email": OLD}}

    def test_it_works_once(self, signed_in: Client) -> None:
        way_back = change(signed_in).token
        undo_email_change(token=way_back, client=CLIENT)
        with pytest.raises(FieldError):
            undo_email_change(token=way_back, client=CLIENT)

    @pytest.mark.parametrize("spelling", [OLD, OLD.upper()])
    @pytest.mark.parametrize("conceal", [False, True])
    def test_nobody_takes_the_address_meanwhile(
        self, signed_in: Client, settings: Any, conceal: bool, spelling: str
    ) -> None:
        way_back = change(signed_in).token
        settings.AUTH_CONCEAL_ACCOUNTS = conceal
        body = {"email": spelling, "password": "eleven tapirs under moons"}
        answer = Client().post("/auth/register", body)
        assert answer.status_code == (202 if conceal else 409)
        answer_registrations()
        told = [(one.to.lower(), one.subject) for one in letters()]
        held = (OLD, "Authentication: this address is not free yet")
        assert told == ([held] if conceal else [])
        bob = User.objects.create(username="bob", tier="free", role_id="user")
        with pytest.raises(AlreadyRegistered):
            change_user(user=bob, changes={"email": spelling}, actor=None)
        undo_email_change(token=way_back, client=CLIENT)
        assert address() == OLD

    def test_nor_does_a_spelling_that_counts_as_the_same(
        self, signed_in: Client, alice: User
    ) -> None:
        alice.email = "alice@bo\N{LATIN SMALL LETTER SHARP S}.example"
        alice.save()
        way_back = change(signed_in).token
        body = {"email": "alice@boss.example"}
        answer = Client().post("/auth/register", body | {"password": "eleven tapirs under moons"})
        assert answer.status_code == 409
        undo_email_change(token=way_back, client=CLIENT)
        assert address() == alice.email

    def test_two_may_be_on_their_way_to_one_address(self, signed_in: Client, bob: User) -> None:
        other = Client()
        other.sign_in("bob")
        for client in (signed_in, other):
            assert ask(client).status_code == 202
        assert len([one for one in letters() if one.to == NEW]) == 2

    def test_the_address_is_free_when_nobody_can_take_it_back(self, signed_in: Client) -> None:
        change(signed_in)
        OneTimeToken.objects.update(expires_at=timezone.now())
        body = {"email": OLD, "password": "eleven tapirs under moons"}
        assert Client().post("/auth/register", body).status_code == 201

    def test_a_thief_can_not_close_it(self, signed_in: Client) -> None:
        """Not by another password, another address, a reset, or by leaving."""
        way_back = change(signed_in).token
        told = change(signed_in, "thief@example.com")
        assert told.to == NEW
        body = {"current_password": PASSWORD, "new_password": "stolen horse battery"}
        assert signed_in.post("/users/me/password", body).status_code == 200
        Client().post("/auth/password/forgot", {"email": "thief@example.com"})
        token = letter("reset your").token
        body = {"token": token, "new_password": "again stolen battery"}
        assert Client().post("/auth/password/reset", body).status_code == 200
        client = Client()
        client.sign_in("alice", "again stolen battery")
        assert client.delete("/users/me").status_code == 204
        undo_email_change(token=way_back, client=CLIENT)
        assert address() == OLD
        # The way back that the thief got, too, is closed.
        with pytest.raises(FieldError):
            undo_email_change(token=told.token, client=CLIENT)

    def test_the_thiefs_way_back_does_not_close_the_owners(self, signed_in: Client) -> None:
        owners = change(signed_in).token
        thiefs = change(signed_in, "thief@example.com").token
        undo_email_change(token=thiefs, client=CLIENT)
        assert address() == NEW
        undo_email_change(token=owners, client=CLIENT)
        assert address() == OLD

    def test_an_address_taken_meanwhile_stays_with_its_new_owner(
        self, signed_in: Client, make_user: Callable[..., User]
    ) -> None:
        way_back = change(signed_in).token
        User.objects.create(email=OLD, tier="free", role_id="user")
        with pytest.raises(AlreadyRegistered):
            undo_email_change(token=way_back, client=CLIENT)
        assert address() == NEW
