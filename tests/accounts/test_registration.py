"""Registering: a new account with the role `user`."""

from uuid import UUID

import pytest
from pytest_django import Settings

from accounts.models import User
from security.models import AuditEvent
from tests.accounts.test_matrix import operations
from tests.client import PASSWORD, Client, assert_problem

BODY = {"email": "new@example.com", "password": PASSWORD}
USER_KEYS = {
    "id",
    "username",
    "email",
    "email_verified",
    "first_name",
    "last_name",
    "full_name",
    "role",
    "tier",
    "is_active",
    "is_admin",
    "is_superuser",
    "created_at",
    "updated_at",
    "last_login",
}


def test_a_registration_answers_with_the_user(client: Client) -> None:
    answer = client.post("/auth/register", BODY | {"username": "newcomer"})
    assert answer.status_code == 201
    user = answer.json()
    assert set(user) == USER_KEYS | {"status"}
    assert user["status"] == "user created"
    assert UUID(user["id"]).version == 7
    assert (user["email"], user["username"]) == ("new@example.com", "newcomer")
    assert (user["role"], user["tier"], user["is_active"]) == ("user", "free", True)
    assert not user["is_admin"]
    assert not user["is_superuser"]
    assert not user["email_verified"]
    assert user["last_login"] is None
    assert user["created_at"].endswith("Z")


def test_who_registered_signs_in_by_either_identifier(client: Client) -> None:
    client.post("/auth/register", BODY | {"username": "newcomer"})
    assert client.sign_in("newcomer")["user_id"] == client.sign_in("new@example.com")["user_id"]


def test_a_registration_is_audited_with_its_sender(client: Client) -> None:
    client.headers = {"user_agent": "curl/8.5"}
    answer = client.post("/auth/register", BODY)
    event = AuditEvent.objects.get(kind="user.registered")
    assert str(event.subject_id) == answer.json()["id"]
    assert event.user_agent == "curl/8.5"
    assert event.ip_address == "127.0.0.1"
    assert event.request_id == answer.headers["X-Request-ID"]
    assert event.details == {}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("role", "admin"),
        ("roles", ["admin"]),
        ("is_admin", True),
        ("is_staff", True),
        ("is_superuser", True),
        ("is_active", False),
    ],
)
def test_a_privileged_field_is_ignored_and_audited(
    client: Client, field: str, value: object
) -> None:
    answer = client.post("/auth/register", BODY | {field: value})
    assert answer.status_code == 201
    user = User.objects.get(email="new@example.com")
    assert user.role_id == "user"
    assert user.is_active
    assert not user.is_staff
    event = AuditEvent.objects.get(kind="user.registered")
    assert event.details == {"ignored": [field]}


@pytest.mark.parametrize(
    "field", ["id", "password_hash", "email_verified_at", "created_at", "last_login", "favourite"]
)
def test_an_unknown_field_is_ignored(client: Client, field: str) -> None:
    answer = client.post("/auth/register", BODY | {field: "2020-01-01T00:00:00Z"})
    assert answer.status_code == 201
    assert "2020-01-01" not in answer.content.decode()


@pytest.mark.parametrize(
    "taken",
    [
        {"email": "alice@example.com"},
        {"email": "ALICE@Example.COM"},
        {"email": " alice@example.com "},
        {"email": "\uff41lice@example.com"},
        {"username": "alice"},
        {"username": "ALICE"},
        {"username": "\uff41lice"},
    ],
    ids=str,
)
def test_a_taken_identifier_is_409(client: Client, alice: User, taken: dict[str, str]) -> None:
    answer = client.post("/auth/register", BODY | taken)
    assert_problem(answer, 409, "already_registered")
    assert User.objects.count() == 1


@pytest.mark.parametrize(
    "email",
    [
        "",
        "alice",
        "a@",
        "@example.com",
        "a b@example.com",
        "a@b@example.com",
        "a@example..com",
        "a@example.com\n.evil.com",
        "Alice <a@example.com>",
        f"{'a' * 250}@example.com",
    ],
)
def test_what_is_no_address_is_422(client: Client, email: str) -> None:
    refusal = assert_problem(
        client.post("/auth/register", BODY | {"email": email}), 422, "validation_error"
    )
    assert refusal["errors"][0]["field"] == "email"


@pytest.mark.parametrize(
    "username", ["a b", "a@b", "alice/..", "al\u0456ce", "x" * 151, "a\u200bb", "<b>"]
)
def test_what_is_no_username_is_422(client: Client, username: str) -> None:
    answer = client.post("/auth/register", BODY | {"username": username})
    refusal = assert_problem(answer, 422, "validation_error")
    assert refusal["errors"][0]["field"] == "username"


@pytest.mark.parametrize("username", [None, ""])
def test_a_username_is_optional(client: Client, username: str | None) -> None:
    for number in range(2):
        body = BODY | {"email": f"new{number}@example.com", "username": username}
        answer = client.post("/auth/register", body)
        assert answer.status_code == 201
        assert answer.json()["username"] is None


def test_the_full_name_is_split(client: Client) -> None:
    user = client.post("/auth/register", BODY | {"full_name": "John Q. Doe"}).json()
    assert (user["first_name"], user["last_name"]) == ("John", "Q. Doe")
    assert user["full_name"] == "John Q. Doe"


@pytest.mark.parametrize("tier", ["premium", "enterprise", "none-such", ""])
def test_a_tier_that_is_not_self_service_is_422(client: Client, tier: str) -> None:
    answer = client.post("/auth/register", BODY | {"tier": tier})
    refusal = assert_problem(answer, 422, "validation_error")
    assert refusal["errors"][0]["field"] == "tier"


def test_a_self_service_tier_is_taken(client: Client, settings: Settings) -> None:
    settings.AUTH_SELF_SERVICE_TIERS = ["free", "premium"]
    assert client.post("/auth/register", BODY | {"tier": "premium"}).json()["tier"] == "premium"


def test_closed_registration_is_403(client: Client, settings: Settings) -> None:
    settings.AUTH_REGISTRATION_OPEN = False
    assert_problem(client.post("/auth/register", BODY), 403, "registration_closed")
    assert not User.objects.exists()


def test_closed_registration_is_closed_everywhere(
    client: Client, alice: User, settings: Settings
) -> None:
    """No operation and no page makes a user for a stranger or for who is no operator."""
    settings.AUTH_REGISTRATION_OPEN = False
    body = BODY | {"username": "new", "role": "user", "kind": "person", "new_password": PASSWORD}
    client.sign_in("alice")
    before = set(User.objects.values_list("pk", "email", "role_id"))
    for caller in (Client(), client):
        token = caller.access_token
        for _, method, path in list(operations(Client())):
            if method != "post" or path.startswith("/api/v1/auth/logout"):
                continue
            caller.access_token = token
            below = path.removeprefix("/api/v1").replace("{id}", str(alice.pk))
            answer = caller.post(below, body)
            assert answer.status_code != 201 or "user" not in path, path
    for page in ("/admin/accounts/user/add/", "/account/verify", "/account/reset"):
        client.django.post(page, body)
    assert set(User.objects.values_list("pk", "email", "role_id")) == before


def test_closed_registration_leaves_invitations_open(operator: Client, settings: Settings) -> None:
    settings.AUTH_REGISTRATION_OPEN = False
    assert operator.post("/users", BODY | {"password": PASSWORD}).status_code == 201


def test_a_registration_holds_no_password(client: Client) -> None:
    answer = client.post("/auth/register", BODY)
    user = User.objects.get()
    assert user.password.startswith("argon2$argon2id$")
    assert PASSWORD not in answer.content.decode()
    assert user.password not in answer.content.decode()
