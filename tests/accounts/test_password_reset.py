"""A forgotten password: asked for, mailed, replaced."""

from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import ApiKey, MailRequest, OneTimeToken, SignInFailures, User
from accounts.services.api_keys import create_api_key
from accounts.services.known_devices import read_device
from accounts.services.users import change_user
from security.client_info import ClientInfo
from security.models import AuditEvent
from tests.accounts.mailbox import Letter, letter, letters
from tests.client import PASSWORD, Client, assert_problem

NEW = "tapir under seven moons"
CLIENT = ClientInfo()


def forgot(email: str = "alice@example.com", **options: Any) -> Any:
    answer = Client().post("/auth/password/forgot", {"email": email}, **options)
    assert answer.status_code == 202, answer.content
    return answer


def reset(token: str, new_password: str = NEW) -> Any:
    return Client().post("/auth/password/reset", {"token": token, "new_password": new_password})


def asked(email: str = "alice@example.com") -> Letter:
    forgot(email)
    return letter("reset your password")


def log_in(password: str, name: str = "alice") -> int:
    body = {"username": name, "password": password}
    return int(Client().post("/auth/login", body).status_code)


def test_the_mailed_link_leads_to_a_new_password(alice: User) -> None:
    found = asked()
    assert found.to == "alice@example.com"
    assert found.subject == "Authentication: reset your password"
    assert found.link == "http://localhost:8000/account/reset"
    assert "30 minutes" in found.body
    answer = reset(found.token)
    assert answer.status_code == 200
    assert set(answer.json()) == {"message"}
    assert "Set-Cookie" not in answer.headers
    assert log_in(PASSWORD) == 401
    assert log_in(NEW) == 200


def test_a_link_works_once(alice: User) -> None:
    token = asked().token
    assert reset(token).status_code == 200
    refusal = assert_problem(reset(token, "another horse battery"), 422, "validation_error")
    assert [(e["field"], e["code"]) for e in refusal["errors"]] == [("token", "invalid_or_expired")]
    assert log_in(NEW) == 200


def test_every_session_ends(client: Client, alice: User) -> None:
    pair = client.sign_in("alice")
    reset(asked().token)
    assert_problem(client.get("/users/me"), 401, "session_ended")
    assert_problem(client.refresh(pair["refresh_token"]), 401, "session_ended")


def test_it_is_audited_and_told(alice: User) -> None:
    reset(asked().token)
    requested = AuditEvent.objects.get(kind="password.reset_requested")
    assert (requested.subject_id, requested.ip_address) == (alice.pk, "127.0.0.1")
    done = AuditEvent.objects.get(kind="password.reset")
    assert (done.actor_id, done.subject_id) == (alice.pk, alice.pk)
    notice = letter()
    assert notice.subject == "Authentication: your password was changed"
    assert NEW not in notice.body


def test_a_weak_password_is_refused_and_the_link_still_works(alice: User) -> None:
    token = asked().token
    refusal = assert_problem(reset(token, "alice12345"), 422, "validation_error")
    assert {error["field"] for error in refusal["errors"]} == {"new_password"}
    assert reset(token).status_code == 200


@pytest.mark.parametrize("token", ["", "x", "0" * 43, " ", "\u00e9", "a" * 300])
def test_what_is_no_token_is_422(alice: User, token: str) -> None:
    asked()
    refusal = assert_problem(reset(token), 422, "validation_error")
    assert {error["field"] for error in refusal["errors"]} == {"token"}
    assert log_in(PASSWORD) == 200


@pytest.mark.parametrize(
    "body", [{}, {"token": None}, {"token": ["x"]}, {"token": {}}, {"new_password": NEW}]
)
def test_a_skipped_step_is_422(client: Client, alice: User, body: dict[str, Any]) -> None:
    asked()
    given = {"new_password": NEW} | body
    assert_problem(client.post("/auth/password/reset", given), 422, "validation_error")
    assert log_in(PASSWORD) == 200


def test_a_newer_link_ends_the_older(alice: User) -> None:
    older, newer = asked().token, asked().token
    assert reset(older).status_code == 422
    assert reset(newer).status_code == 200


def test_a_verification_link_resets_nothing(client: Client) -> None:
    client.post("/auth/register", {"email": "new@example.com", "password": PASSWORD})
    assert reset(letter().token).status_code == 422


def test_nobody_else_gets_a_message(make_user: Callable[..., User]) -> None:
    make_user("idle", is_active=False)
    User.objects.create(username="robot", tier="free", role_id="user")
    for email in ("nobody@example.com", "idle@example.com", "robot@example.com"):
        forgot(email)
    assert MailRequest.objects.count() == 3
    assert letters() == []
    assert not MailRequest.objects.exists()
    assert not OneTimeToken.objects.exists()


def test_it_goes_to_the_stored_address_whatever_spelling_asked(alice: User) -> None:
    assert asked("\uff21LICE@Example.com").to == "alice@example.com"


def test_a_look_alike_is_somebody_else(make_user: Callable[..., User]) -> None:
    make_user("mike")
    forgot("mike@examp1e.com")
    assert letters() == []


@pytest.mark.parametrize(
    "email",
    ["", "alice", "a@", "a@b@c.de", "a@example.com\r\nBcc: b@example.com", f"{'a' * 320}@x.de"],
)
def test_what_is_no_address_is_422(client: Client, email: str) -> None:
    answer = client.post("/auth/password/forgot", {"email": email})
    assert_problem(answer, 422, "validation_error")
    assert not MailRequest.objects.exists()


@pytest.mark.parametrize("header", ["X-Forwarded-Host", "X-Host", "X-Original-Host", "Forwarded"])
def test_no_header_decides_where_the_link_leads(alice: User, header: str) -> None:
    forgot(headers={header: "evil.example"})
    assert letter().link == "http://localhost:8000/account/reset"


def test_a_strange_host_is_refused_or_ignored(client: Client, alice: User) -> None:
    body = {"email": "alice@example.com"}
    answer = client.post("/auth/password/forgot", body, headers={"host": "evil.example"})
    assert answer.status_code in {202, 400}
    assert all(found.link == "http://localhost:8000/account/reset" for found in letters())


def test_a_password_set_to_expire_is_replaced_for_good(alice: User) -> None:
    User.objects.update(password_expired=True)
    reset(asked().token)
    assert log_in(NEW) == 200


def test_who_has_no_password_or_one_of_another_system_gets_one(
    make_user: Callable[..., User],
) -> None:
    for number, stored in enumerate(("!nothing", "pbkdf2_sha256$1$salt$aGFzaA==")):
        user = make_user(f"moved{number}")
        User.objects.filter(pk=user.pk).update(password=stored)
        assert reset(asked(f"moved{number}@example.com").token).status_code == 200
        assert log_in(NEW, f"moved{number}") == 200


def test_a_user_deactivated_meanwhile_is_refused(alice: User) -> None:
    token = asked().token
    User.objects.update(is_active=False)
    assert reset(token).status_code == 422


class TestAnAccountSomebodyElseSetUp:
    """Registered with a stranger's address, which its owner then takes (pre-hijacking)."""

    @pytest.fixture
    def trap(self, client: Client) -> dict[str, Any]:
        """What the attacker has: a password, a session, an API key, mailed links."""
        body = {"email": "victim@example.com", "password": PASSWORD, "username": "trap"}
        client.post("/auth/register", body)
        pair = client.sign_in("trap")
        key = client.post("/api-keys", {"name": "back door", "scopes": []}).json()["key"]
        change = {"new_email": "attacker@example.com", "password": PASSWORD}
        assert client.post("/auth/email/change", change).status_code == 202
        by_address = {found.to: found.token for found in letters() if "#token=" in found.body}
        return {"pair": pair, "key": key, **by_address}

    def test_everything_they_set_up_ends(self, trap: dict[str, Any]) -> None:
        assert reset(asked("victim@example.com").token).status_code == 200
        assert log_in(PASSWORD, "trap") == 401
        pair = trap["pair"]
        assert_problem(Client(pair["access_token"]).get("/users/me"), 401, "session_ended")
        assert Client().refresh(pair["refresh_token"]).status_code == 401
        assert_problem(Client(trap["key"]).get("/users/me"), 401, "token_invalid")
        assert not ApiKey.objects.live().exists()
        for address in ("victim@example.com", "attacker@example.com"):
            confirmed = Client().post("/auth/email/verify", {"token": trap[address]})
            assert confirmed.status_code == 422
        owner = User.objects.get()
        assert owner.email == "victim@example.com"
        assert owner.email_verified
        assert log_in(NEW, "victim@example.com") == 200

    def test_keys_of_the_time_before_the_proof_end_too(self, trap: dict[str, Any]) -> None:
        """The victim took the message for their own, and verified before they could sign in."""
        assert Client().post("/auth/email/verify", {"token": trap["victim@example.com"]}).json()
        assert Client(trap["key"]).get("/users/me").status_code == 200
        assert reset(asked("victim@example.com").token).status_code == 200
        assert_problem(Client(trap["key"]).get("/users/me"), 401, "token_invalid")
        assert_problem(Client(trap["pair"]["access_token"]).get("/users/me"), 401, "session_ended")
        change = Client().post("/auth/email/verify", {"token": trap["attacker@example.com"]})
        assert change.status_code == 422

    def test_their_device_is_known_no_more(
        self, client: Client, trap: dict[str, Any], settings: Any
    ) -> None:
        reset(asked("victim@example.com").token)
        device = client.django.cookies["known_device"].value
        assert not read_device(device).belongs_to(User.objects.get())  # type: ignore[union-attr]

    def test_registering_again_tells_the_owner_to_reset(self, trap: dict[str, Any]) -> None:
        """And makes no second account beside the trap."""
        body = {"email": "VICTIM@example.com", "password": NEW}
        assert_problem(Client().post("/auth/register", body), 409, "already_registered")
        assert User.objects.count() == 1

    def test_the_keys_of_a_proven_owner_go_on(self, alice: User) -> None:
        _, text = create_api_key(
            user=alice, name="mine", scopes=[], expires_at=None, actor=alice, client=CLIENT
        )
        reset(asked().token)
        create = {"user": alice, "name": "2", "scopes": [], "expires_at": None, "actor": alice}
        _, second = create_api_key(**create, client=CLIENT)
        assert Client(text).get("/users/me").status_code == 401
        reset(asked().token)
        assert Client(second).get("/users/me").status_code == 200


def test_a_change_of_address_by_an_operator_ends_the_link(alice: User, admin: User) -> None:
    token = asked().token
    change_user(user=alice, changes={"email": "other@example.com"}, actor=admin)
    assert reset(token).status_code == 422


def test_a_reset_forgets_failed_sign_ins(alice: User) -> None:
    token = asked().token
    row = SignInFailures(user=alice, failures=99, device_failures=9)
    row.slot, row.last_failed_at = str(alice.pk), alice.created_at
    row.save()
    reset(token)
    row = SignInFailures.objects.get(user=alice)
    assert (row.failures, row.device_failures, row.last_failed_at) == (0, 0, None)
