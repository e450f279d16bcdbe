"""Signing in."""

import json
from base64 import urlsafe_b64decode
from typing import Any
from urllib.parse import urlencode

import pytest
from argon2 import PasswordHasher

from accounts.models import User
from security.keyring import keyring
from security.models import AuditEvent, SigningKey
from sessions_app.models import DeviceSession
from tests.client import PASSWORD, Client, assert_problem

LOGINS = ("/auth/login", "/auth/login-form", "/auth/access-token")
PAIR_KEYS = {
    "access_token",
    "refresh_token",
    "token_type",
    "expires_in",
    "refresh_expires_in",
    "session_id",
    "user_id",
    "username",
    "email",
    "role",
    "tier",
    "first_name",
    "last_name",
    "is_admin",
    "status",
}
every_login = pytest.mark.parametrize("path", LOGINS)


def decoded(token: str, part: int) -> dict[str, Any]:
    """The header (0) or the claims (1) of a JWT."""
    text = token.split(".")[part]
    found: dict[str, Any] = json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return found


@every_login
@pytest.mark.parametrize(
    "identifier",
    [
        {"username": "alice"},
        {"username": "Alice@example.com"},
        {"email": "alice@example.com"},
        {"email": "ALICE"},
        {"username": "\uff21lice"},
    ],
    ids=str,
)
def test_json_with_a_username_or_an_address_signs_in(
    client: Client, alice: User, path: str, identifier: dict[str, str]
) -> None:
    answer = client.post(path, identifier | {"password": PASSWORD})
    assert answer.status_code == 200
    assert answer.json()["user_id"] == str(alice.pk)


@every_login
@pytest.mark.parametrize("name", ["alice", "alice%40example.com"])
def test_the_oauth2_form_signs_in(client: Client, alice: User, path: str, name: str) -> None:
    form = f"grant_type=password&username={name}&password=correct+horse%20battery&scope="
    answer = client.form(path, form)
    assert answer.status_code == 200
    assert set(answer.json()) == PAIR_KEYS


def test_a_sign_in_answers_with_the_pair_and_the_user(client: Client, alice: User) -> None:
    pair = client.sign_in("alice")
    assert set(pair) == PAIR_KEYS
    session = DeviceSession.objects.get()
    expected = {
        "token_type": "bearer",
        "session_id": str(session.pk),
        "user_id": str(alice.pk),
        "username": "alice",
        "email": "alice@example.com",
        "role": "user",
        "tier": "free",
        "first_name": "Alice",
        "last_name": "Liddell",
        "is_admin": False,
        "status": "logged in",
    }
    assert {name: pair[name] for name in expected} == expected
    assert 890 <= pair["expires_in"] <= 900
    assert abs(pair["refresh_expires_in"] - 14 * 24 * 60 * 60) <= 2


def test_the_access_token_holds_just_the_promised_claims(client: Client, alice: User) -> None:
    token = client.sign_in("alice")["access_token"]
    header, claims = decoded(token, 0), decoded(token, 1)
    assert set(header) == {"alg", "kid", "typ"}
    assert (header["alg"], header["typ"]) == ("RS256", "at+jwt")
    assert set(claims) == {
        *("iss", "aud", "sub", "jti", "sid", "iat", "exp", "client_id", "role", "tier", "scope"),
        *("token_type", "auth_time", "amr"),
    }
    assert claims["sub"] == str(alice.pk)
    assert claims["token_type"] == "access"
    assert claims["exp"] - claims["iat"] == 15 * 60
    assert "example.com" not in json.dumps(claims)


def test_an_admin_gets_the_scope_of_an_admin(client: Client, admin: User, alice: User) -> None:
    pair = client.sign_in("root")
    assert pair["is_admin"]
    scope = decoded(pair["access_token"], 1)["scope"].split(" ")
    assert "security.view_metrics" in scope
    ordinary = decoded(client.sign_in("alice")["access_token"], 1)["scope"].split(" ")
    assert "security.view_metrics" not in ordinary


def test_a_sign_in_is_remembered(client: Client, alice: User) -> None:
    client.headers = {"user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Firefox/128.0"}
    pair = client.sign_in("alice")
    session = DeviceSession.objects.get()
    assert session.device == "Firefox on Linux"
    assert session.ip_address == "127.0.0.1"
    alice.refresh_from_db()
    assert alice.last_login is not None
    event = AuditEvent.objects.get(kind="login.succeeded")
    assert (event.actor_id, str(event.session_id)) == (alice.pk, pair["session_id"])


def test_each_sign_in_is_a_session_of_its_own(client: Client, alice: User) -> None:
    first, second = client.sign_in("alice"), client.sign_in("alice")
    assert first["session_id"] != second["session_id"]
    for pair in (first, second):
        client.access_token = pair["access_token"]
        assert client.get("/users/me").status_code == 200


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("alice", "wrong"),
        ("nobody", PASSWORD),
        ("nobody@example.com", PASSWORD),
        ("alice", PASSWORD.upper()),
        ("alice@example", PASSWORD),
        ("%", PASSWORD),
        ("' OR 1=1 --", PASSWORD),
        ("unusable", PASSWORD),
        ("unusable", "!"),
    ],
)
def test_a_wrong_pair_is_401_with_one_answer(
    client: Client, alice: User, bob: User, name: str, password: str
) -> None:
    bob.username = "unusable"
    bob.set_unusable_password()
    bob.save()
    answer = client.post("/auth/login", {"username": name, "password": password})
    refusal = assert_problem(answer, 401, "invalid_credentials")
    assert refusal["detail"] == "Incorrect username or password."
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert "refresh_token" not in answer.cookies
    assert not DeviceSession.objects.exists()
    assert AuditEvent.objects.filter(kind="login.failed").count() == 1
    assert not AuditEvent.objects.filter(kind="login.succeeded").exists()


@pytest.mark.parametrize("password", ["", " ", "None", "null", "!", "stored"])
@pytest.mark.parametrize("made", ["without", "unusable", "empty"])
def test_who_has_no_password_signs_in_with_none(
    client: Client, admin: User, made: str, password: str
) -> None:
    """Not at the API, by the form, or at the console; whatever stands in the table."""
    admin.set_unusable_password() if made == "unusable" else admin.set_password(None)
    if made == "empty":
        admin.password = ""
    admin.save()
    given = admin.password if password == "stored" else password
    body = {"username": "root", "password": given}
    assert client.post("/auth/login", body).status_code in {401, 422}
    assert client.form("/auth/access-token", urlencode(body)).status_code in {401, 422}
    assert client.django.post("/admin/login/", body).status_code == 200
    assert client.django.get("/admin/").status_code == 302
    assert not DeviceSession.objects.exists()


def test_unknown_and_wrong_differ_in_the_request_id_alone(client: Client, alice: User) -> None:
    answers = [
        client.post("/auth/login", {"username": name, "password": "wrong"}).json()
        for name in ("alice", "nobody")
    ]
    for answer in answers:
        del answer["request_id"]
    assert answers[0] == answers[1]


def test_an_inactive_account_shows_only_after_the_right_password(
    client: Client, alice: User
) -> None:
    alice.is_active = False
    alice.save()
    wrong = client.post("/auth/login", {"username": "alice", "password": "wrong"})
    assert_problem(wrong, 401, "invalid_credentials")
    right = client.post("/auth/login", {"username": "alice", "password": PASSWORD})
    assert_problem(right, 403, "account_inactive")
    assert not DeviceSession.objects.exists()
    failures = AuditEvent.objects.filter(kind="login.failed").order_by("pk")
    reasons = [event.details["reason"] for event in failures]
    assert reasons == ["invalid_credentials", "account_inactive"]


def test_neither_username_nor_email_is_422(client: Client) -> None:
    answer = client.post("/auth/login", {"password": PASSWORD})
    refusal = assert_problem(answer, 422, "validation_error")
    assert refusal["errors"][0]["field"] == "username"


def test_credentials_in_the_query_are_not_read(client: Client, alice: User) -> None:
    query = "?username=alice&password=correct+horse+battery"
    assert_problem(client.post(f"/auth/login{query}", {}), 422, "validation_error")
    token = client.sign_in("alice")["access_token"]
    client.access_token = None
    answer = client.get(f"/users/me?access_token={token}&token={token}")
    assert_problem(answer, 401, "not_authenticated")


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
def test_the_scheme_is_case_insensitive(client: Client, alice: User, scheme: str) -> None:
    token = client.sign_in("alice")["access_token"]
    client.access_token = None
    headers = {"authorization": f"{scheme} {token}"}
    assert client.get("/users/me", headers=headers).status_code == 200


def test_signing_in_ignores_a_stale_bearer(client: Client, alice: User) -> None:
    client.access_token = "stale.stale.stale"
    assert client.sign_in("alice")["status"] == "logged in"


def test_a_refresh_token_is_no_access_token(client: Client, alice: User) -> None:
    client.access_token = client.sign_in("alice")["refresh_token"]
    assert_problem(client.get("/users/me"), 401, "token_invalid")


def test_an_access_token_is_no_refresh_token(client: Client, alice: User) -> None:
    token = client.sign_in("alice")["access_token"]
    assert_problem(client.refresh(token), 401, "token_invalid")


def test_sign_ins_at_once_may_all_rehash_an_older_hash(alice: User) -> None:
    older = PasswordHasher(time_cost=3, memory_cost=64, parallelism=1).hash(PASSWORD)
    User.objects.filter(pk=alice.pk).update(password=f"argon2{older}")
    first, second = User.objects.get(pk=alice.pk), User.objects.get(pk=alice.pk)
    assert first.check_password(PASSWORD)
    assert second.check_password(PASSWORD)
    stored = User.objects.get(pk=alice.pk).password
    assert first.password == second.password == stored != f"argon2{older}"


def test_a_password_changed_during_the_rehash_is_not_taken_for_the_old_one(alice: User) -> None:
    older = PasswordHasher(time_cost=3, memory_cost=64, parallelism=1).hash(PASSWORD)
    User.objects.filter(pk=alice.pk).update(password=f"argon2{older}")
    reader = User.objects.get(pk=alice.pk)
    alice.set_password("quite another password")
    alice.save()
    assert reader.check_password(PASSWORD)
    assert reader.password != User.objects.get(pk=alice.pk).password


def test_no_session_is_opened_whose_tokens_cannot_be_signed(client: Client, alice: User) -> None:
    SigningKey.objects.filter(state="current").update(sealed_private_key="broken")
    keyring.forget()
    keyring._signing = None
    body = {"username": "alice", "password": PASSWORD}
    assert_problem(client.post("/auth/login", body), 503, "signing_unavailable")
    assert not DeviceSession.objects.exists()
