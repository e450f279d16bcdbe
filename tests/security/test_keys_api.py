"""The signing keys over the API: listed, rotated, revoked; never a private half."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from security.models import AuditEvent, SigningKey
from tests.client import Client, assert_problem


@pytest.fixture
def root(admin: User) -> Client:
    client = Client()
    client.sign_in("root")
    return client


@pytest.fixture
def published_for_long(db: None) -> None:
    past = timezone.now() - timedelta(hours=1)
    SigningKey.objects.update(created_at=past)


def kid(state: str) -> str:
    return SigningKey.objects.get(state=state).kid


def key_client(root: Client, *scopes: str) -> Client:
    made = root.post("/api-keys", {"name": "script", "scopes": list(scopes)})
    return Client(made.json()["key"])


def test_the_keys_are_listed_without_private_parts(root: Client) -> None:
    answer = root.get("/keys")
    assert {key["state"]: key["kid"] for key in answer.json()} == {
        "current": kid("current"),
        "next": kid("next"),
    }
    for key in answer.json():
        assert set(key) == {
            "kid",
            "algorithm",
            "state",
            "created_at",
            "activated_at",
            "verifies_until",
            "revoked_at",
        }
    for sealed in SigningKey.objects.values_list("sealed_private_key", flat=True):
        assert sealed not in answer.content.decode()


def test_a_rotation_lets_the_next_key_sign(
    root: Client, admin: User, published_for_long: None
) -> None:
    upcoming = kid("next")
    answer = root.post("/keys/rotate")
    assert (answer.status_code, answer.json()) == (201, {"current": upcoming, "rotated": True})
    assert kid("current") == upcoming
    assert root.get("/users/me").status_code == 200
    event = AuditEvent.objects.get(kind="key.rotated")
    assert (event.actor_id, event.ip_address) == (admin.pk, "127.0.0.1")


def test_a_second_rotation_has_nothing_to_do(root: Client, published_for_long: None) -> None:
    root.post("/keys/rotate")
    current = kid("current")
    answer = root.post("/keys/rotate")
    assert (answer.status_code, answer.json()) == (200, {"current": current, "rotated": False})
    assert AuditEvent.objects.filter(kind="key.rotated").count() == 1


def test_a_revoked_key_refuses_the_tokens_that_it_signed(root: Client, admin: User) -> None:
    current, upcoming = kid("current"), kid("next")
    answer = root.post(f"/keys/{current}/revoke")
    assert (answer.status_code, answer.json()) == (200, {"current": upcoming, "revoked": current})
    event = AuditEvent.objects.get(kind="key.revoked")
    assert (event.actor_id, event.ip_address) == (admin.pk, "127.0.0.1")
    assert_problem(root.get("/users/me"), 401, "token_invalid")
    root.sign_in("root")
    revoked = {key["kid"]: key["revoked_at"] for key in root.get("/keys").json()}
    assert revoked[current]
    assert not revoked[upcoming]


@pytest.mark.parametrize("unknown", ["nothing", "%00", "a%2Fb"])
def test_an_unknown_key_is_not_there(root: Client, unknown: str) -> None:
    assert root.post(f"/keys/{unknown}/revoke").status_code == 404
    assert not AuditEvent.objects.filter(kind="key.revoked").exists()


def test_a_key_is_revoked_once(root: Client) -> None:
    upcoming = kid("next")
    assert root.post(f"/keys/{upcoming}/revoke").status_code == 200
    assert_problem(root.post(f"/keys/{upcoming}/revoke"), 404, "key_not_found")


CALLS: list[tuple[str, str]] = [
    ("get", "/keys"),
    ("post", "/keys/rotate"),
    ("post", "/keys/k/revoke"),
]


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_only_who_may_reaches_the_keys(
    client: Client, make_user: Any, method: str, path: str
) -> None:
    assert client.call(method, path).status_code == 401
    for role in ("user", "moderator"):
        make_user(role, role=role)
        client.sign_in(role)
        assert_problem(client.call(method, path), 403, "permission_denied")
        client.access_token = None


def test_an_api_key_lists_and_changes_nothing(root: Client, published_for_long: None) -> None:
    script = key_client(root, "security.view_signingkey", "security.rotate_signingkey")
    current = kid("current")
    assert script.get("/keys").status_code == 200
    assert script.post("/keys/rotate").status_code == 403
    assert script.post(f"/keys/{current}/revoke").status_code == 403
    assert kid("current") == current
    assert key_client(root, "accounts.view_user").get("/keys").status_code == 403
