"""The caller's own account."""

import unicodedata
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import OutgoingMail, User
from security.models import AuditEvent
from sessions_app.models import DeviceSession
from tests.client import PASSWORD, Client, assert_problem


@pytest.fixture
def signed_in(client: Client, alice: User) -> Client:
    client.sign_in("alice")
    return client


def sign_in_long_ago(client: Client, name: str) -> None:
    """A session whose sign-in is too old to prove anything; its refresh says so too."""
    pair = client.sign_in(name)
    DeviceSession.objects.update(created_at=timezone.now() - timedelta(minutes=6))
    client.access_token = client.refresh(pair["refresh_token"]).json()["access_token"]


def test_the_profile_shows_the_user_and_no_secret(signed_in: Client, alice: User) -> None:
    answer = signed_in.get("/users/me")
    assert answer.status_code == 200
    user = answer.json()
    expected = {
        "id": str(alice.pk),
        "username": "alice",
        "email": "alice@example.com",
        "email_verified": False,
        "first_name": "Alice",
        "last_name": "Liddell",
        "full_name": "Alice Liddell",
        "role": "user",
        "tier": "free",
        "is_active": True,
        "is_admin": False,
        "is_superuser": False,
    }
    assert {name: user[name] for name in expected} == expected
    assert set(user) == set(expected) | {"created_at", "updated_at", "last_login"}
    assert user["last_login"].endswith("Z")


def test_without_a_token_it_is_401(client: Client) -> None:
    answer = client.get("/users/me")
    assert_problem(answer, 401, "not_authenticated")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_with_a_bad_token_the_challenge_says_so(client: Client) -> None:
    client.access_token = "nonsense"
    answer = client.get("/users/me")
    assert_problem(answer, 401, "token_invalid")
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize("method", ["put", "patch"])
def test_names_and_username_change_at_once(signed_in: Client, method: str) -> None:
    signed_in.get("/users/me")
    change = {"username": "Alice2", "first_name": "Alicia", "last_name": "L."}
    answer = signed_in.call(method, "/users/me", change)
    assert answer.status_code == 200
    for user in (answer.json(), signed_in.get("/users/me").json()):
        assert {name: user[name] for name in change} == change
        assert user["full_name"] == "Alicia L."
        assert user["email"] == "alice@example.com"


@pytest.mark.parametrize("method", ["put", "patch"])
def test_what_is_not_sent_stays(signed_in: Client, method: str) -> None:
    user = signed_in.call(method, "/users/me", {"last_name": "Pleasance"}).json()
    assert (user["first_name"], user["last_name"]) == ("Alice", "Pleasance")
    assert user["username"] == "alice"
    assert signed_in.call(method, "/users/me", {}).status_code == 200


@pytest.mark.parametrize(
    ("full_name", "parts"),
    [
        ("Grace Brewster Hopper", ("Grace", "Brewster Hopper")),
        ("Plato", ("Plato", "")),
        ("", ("", "")),
    ],
)
def test_a_full_name_is_split(signed_in: Client, full_name: str, parts: tuple[str, str]) -> None:
    user = signed_in.patch("/users/me", {"full_name": full_name}).json()
    assert (user["first_name"], user["last_name"]) == parts
    assert user["full_name"] == full_name


@pytest.mark.parametrize("method", ["put", "patch"])
@pytest.mark.parametrize("missing", ["username", "email", None])
def test_the_whole_user_can_be_sent_back(
    client: Client, alice: User, method: str, missing: str | None
) -> None:
    if missing:
        setattr(alice, missing, None)
        alice.save()
    client.sign_in(alice.get_username())
    user = client.get("/users/me").json()
    answer = client.call(method, "/users/me", user | {"last_name": "Pleasance"})
    assert answer.status_code == 200
    changed = {name for name, value in answer.json().items() if value != user[name]}
    assert changed == {"last_name", "full_name", "updated_at"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("role", "admin"),
        ("tier", "premium"),
        ("is_active", False),
        ("is_admin", True),
        ("is_staff", True),
        ("is_superuser", True),
        ("is_superuser", 1),
        ("email", "other@example.com"),
        ("email_verified", True),
    ],
)
def test_a_privileged_field_is_403_and_nothing_changes(
    signed_in: Client, alice: User, field: str, value: object
) -> None:
    before = signed_in.get("/users/me").json()
    answer = signed_in.patch("/users/me", {"first_name": "Mallory", field: value})
    assert_problem(answer, 403, "privileged_field")
    assert signed_in.get("/users/me").json() == before
    alice.refresh_from_db()
    assert (alice.role_id, alice.first_name) == ("user", "Alice")


def test_an_unknown_field_is_ignored(signed_in: Client) -> None:
    answer = signed_in.patch("/users/me", {"id": "5", "password": "x", "shoe_size": 41})
    assert answer.status_code == 200
    assert signed_in.sign_in("alice")["user_id"] == answer.json()["id"]


@pytest.mark.parametrize("taken", ["bob", "BOB", "\uff42ob"])
def test_a_taken_username_is_409(signed_in: Client, bob: User, taken: str) -> None:
    answer = signed_in.patch("/users/me", {"username": taken})
    assert_problem(answer, 409, "already_registered")
    assert signed_in.get("/users/me").json()["username"] == "alice"


def test_the_own_username_in_another_spelling_is_no_conflict(signed_in: Client) -> None:
    assert signed_in.patch("/users/me", {"username": "ALICE"}).json()["username"] == "ALICE"
    assert signed_in.sign_in("alice")["username"] == "ALICE"


@pytest.mark.parametrize("username", ["a b", "alice@example.com", "x" * 151, "al\u0456ce"])
def test_what_is_no_username_is_422(signed_in: Client, username: str) -> None:
    answer = signed_in.patch("/users/me", {"username": username})
    refusal = assert_problem(answer, 422, "validation_error")
    assert refusal["errors"][0]["field"] == "username"


@pytest.mark.parametrize("nothing", [None, ""])
def test_the_only_identifier_can_not_be_removed(
    client: Client, alice: User, nothing: str | None
) -> None:
    alice.email = None
    alice.save()
    client.sign_in("alice")
    answer = client.patch("/users/me", {"username": nothing})
    assert_problem(answer, 422, "validation_error")
    assert client.get("/users/me").json()["username"] == "alice"


def test_a_change_is_audited_with_before_and_after(signed_in: Client, alice: User) -> None:
    signed_in.patch("/users/me", {"username": "alicia"})
    event = AuditEvent.objects.get(kind="user.changed")
    assert (event.actor_id, event.subject_id) == (alice.pk, alice.pk)
    assert event.full_details == {"before": {"username": "alice"}, "after": {"username": "alicia"}}


# --- Deactivating oneself


def assert_deactivated(client: Client, user: User) -> None:
    user.refresh_from_db()
    assert not user.is_active
    assert_problem(client.get("/users/me"), 401, "session_ended")
    answer = client.post("/auth/login", {"username": user.username, "password": PASSWORD})
    assert_problem(answer, 403, "account_inactive")


def test_a_fresh_sign_in_is_enough_to_deactivate(signed_in: Client, alice: User) -> None:
    answer = signed_in.delete("/users/me")
    assert (answer.status_code, answer.content) == (204, b"")
    assert_deactivated(signed_in, alice)


def test_an_older_sign_in_needs_the_password(client: Client, alice: User) -> None:
    sign_in_long_ago(client, "alice")
    assert_problem(client.delete("/users/me"), 403, "reauthentication_required")
    wrong = client.delete("/users/me", {"password": "wrong"})
    assert_problem(wrong, 403, "reauthentication_required")
    assert client.get("/users/me").status_code == 200
    assert client.delete("/users/me", {"password": PASSWORD}).status_code == 204
    assert_deactivated(client, alice)


def test_a_long_password_of_decomposed_letters_deactivates_too(client: Client, alice: User) -> None:
    password = "zwölf Bären dösen süß; " * 10
    decomposed = unicodedata.normalize("NFD", password)
    assert len(password) < 256 < len(decomposed)
    alice.set_password(password)
    alice.save()
    client.sign_in("alice", decomposed)
    assert client.delete("/users/me", {"password": decomposed}).status_code == 204


def test_a_wrong_password_is_refused_even_right_after_signing_in(signed_in: Client) -> None:
    answer = signed_in.delete("/users/me", {"password": "wrong"})
    assert_problem(answer, 403, "reauthentication_required")


def test_deactivating_ends_every_session_and_tells_the_user(client: Client, alice: User) -> None:
    elsewhere = client.sign_in("alice")
    client.sign_in("alice")
    client.delete("/users/me")
    other = Client(elsewhere["access_token"])
    assert_problem(other.get("/users/me"), 401, "session_ended")
    assert_problem(other.refresh(elsewhere["refresh_token"]), 401, "session_ended")
    reasons = set(DeviceSession.objects.values_list("end_reason", flat=True))
    assert reasons == {"deactivated"}
    assert OutgoingMail.objects.get().recipient == "alice@example.com"
    event = AuditEvent.objects.get(kind="user.deactivated")
    assert (event.actor_id, event.subject_id) == (alice.pk, alice.pk)


def test_a_deactivated_user_keeps_the_name(signed_in: Client) -> None:
    signed_in.delete("/users/me")
    body: dict[str, Any] = {"email": "alice@example.com", "password": PASSWORD}
    assert_problem(signed_in.post("/auth/register", body), 409, "already_registered")


def test_the_last_admin_can_not_go(client: Client, admin: User) -> None:
    client.sign_in("root")
    assert_problem(client.delete("/users/me"), 409, "last_admin")
    answer = client.delete("/users/me", {"password": PASSWORD})
    assert_problem(answer, 409, "last_admin")
    assert client.get("/users/me").json()["is_admin"]


def test_an_admin_may_go_while_another_stays(
    client: Client, admin: User, make_user: Callable[..., User]
) -> None:
    inactive = make_user("inactive", role="admin", is_active=False)
    client.sign_in("root")
    assert_problem(client.delete("/users/me"), 409, "last_admin")
    inactive.is_active = True
    inactive.save()
    assert client.delete("/users/me").status_code == 204
