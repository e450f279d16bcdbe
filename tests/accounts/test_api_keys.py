"""API keys: shown once, limited to their scopes, revoked at once."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission
from django.test import TestCase
from django.utils import timezone

from accounts.api_keys import new_key, prefix_of
from accounts.key_use import key_use
from accounts.models import ApiKey, Role, User
from accounts.services.api_keys import create_api_key
from accounts.services.users import change_user
from security.client_info import ClientInfo
from security.errors import NotFound
from security.models import AuditEvent
from tests.client import Client, assert_problem


@pytest.fixture
def owner(alice: User) -> Client:
    client = Client()
    client.sign_in("alice")
    return client


def make_key(client: Client, **fields: Any) -> dict[str, Any]:
    answer = client.post("/api-keys", {"name": "script", **fields})
    assert answer.status_code == 201, answer.content
    made: dict[str, Any] = answer.json()
    return made


def test_a_key_acts_as_its_user(owner: Client, alice: User) -> None:
    made = make_key(owner)
    assert made["key"].startswith(f"ak_{made['prefix']}_")
    assert Client(made["key"]).get("/users/me").json()["id"] == str(alice.pk)


def test_its_text_is_shown_once_and_stored_nowhere(owner: Client) -> None:
    made = make_key(owner)
    [listed] = owner.get("/api-keys").json()
    assert set(made) - set(listed) == {"key"}
    row = ApiKey.objects.get()
    secret = made["key"].rpartition("_")[2]
    assert secret not in f"{row.digest} {row.prefix} {row.name}"
    assert not AuditEvent.objects.filter(details__icontains=secret).exists()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("post", "/users/me/password"),
        ("put", "/users/me"),
        ("delete", "/users/me"),
        ("get", "/sessions"),
        ("post", "/auth/logout-all"),
        ("get", "/api-keys"),
        ("post", "/api-keys"),
    ],
)
def test_a_key_does_nothing_that_takes_a_session(owner: Client, method: str, path: str) -> None:
    key = Client(make_key(owner)["key"])
    assert_problem(getattr(key, method)(path), 403, "permission_denied")


def test_a_key_has_only_the_permissions_its_scopes_name(operator: Client, alice: User) -> None:
    narrow = Client(make_key(operator)["key"])
    wide = Client(make_key(operator, scopes=["sessions_app.view_devicesession"])["key"])
    path = f"/users/{alice.pk}/sessions"
    assert_problem(narrow.get(path), 404, "not_found")
    assert wide.get(path).status_code == 200
    assert_problem(wide.delete(path), 404, "not_found")
    assert wide.get("/users/me").json()["is_admin"] is False


def test_a_key_follows_its_users_present_role(
    operator: Client, admin: User, alice: User, make_user: Any
) -> None:
    second = make_user("second", role="admin")
    key = Client(make_key(operator, scopes=["sessions_app.view_devicesession"])["key"])
    assert key.get(f"/users/{alice.pk}/sessions").status_code == 200
    with _committing():
        change_user(user=admin, changes={"role": "user"}, actor=second)
    assert_problem(key.get(f"/users/{alice.pk}/sessions"), 404, "not_found")
    with _committing():
        change_user(user=User.objects.get(pk=admin.pk), changes={"is_active": False}, actor=second)
    assert_problem(key.get("/users/me"), 401, "token_invalid")


def test_nobody_gets_a_scope_that_they_lack(owner: Client) -> None:
    answer = owner.post("/api-keys", {"name": "x", "scopes": ["accounts.view_user"]})
    assert_problem(answer, 403, "grant_too_wide")
    assert not ApiKey.objects.exists()


def test_an_operator_cannot_give_a_user_more_than_the_user_has(
    operator: Client, alice: User
) -> None:
    path = f"/users/{alice.pk}/api-keys"
    assert operator.post(path, {"name": "theirs"}).status_code == 201
    assert [key["name"] for key in operator.get(path).json()] == ["theirs"]
    answer = operator.post(path, {"name": "x", "scopes": ["accounts.view_user"]})
    assert_problem(answer, 422, "validation_error")
    assert_problem(operator.get(f"/users/{uuid4()}/api-keys"), 404, "not_found")


def test_only_who_may_everything_makes_keys_for_others(
    operator: Client, alice: User, make_user: Any
) -> None:
    """A key acts as its user, also in sites that only the user belongs to."""
    assert operator.post(f"/users/{alice.pk}/api-keys", {"name": "x"}).status_code == 201
    role = Role.objects.create(name="keeper")
    role.permissions.set(Permission.objects.filter(codename__in=["add_apikey", "view_apikey"]))
    make_user("keeper", role="keeper")
    keeper = Client()
    keeper.sign_in("keeper")
    refused = keeper.post(f"/users/{alice.pk}/api-keys", {"name": "x"})
    assert_problem(refused, 403, "grant_too_wide")
    assert len(keeper.get(f"/users/{alice.pk}/api-keys").json()) == 1


def test_a_revoked_key_is_refused_at_once(owner: Client) -> None:
    made = make_key(owner)
    key = Client(made["key"])
    assert key.get("/users/me").status_code == 200
    assert owner.delete(f"/api-keys/{made['id']}").status_code == 204
    assert_problem(key.get("/users/me"), 401, "token_invalid")
    assert owner.get("/api-keys").json() == []
    assert_problem(owner.delete(f"/api-keys/{made['id']}"), 404, "not_found")


def test_somebody_elses_key_is_not_there(owner: Client, bob: User) -> None:
    made = make_key(owner)
    stranger = Client()
    stranger.sign_in("bob")
    assert_problem(stranger.delete(f"/api-keys/{made['id']}"), 404, "not_found")
    assert stranger.get("/api-keys").json() == []
    assert_problem(stranger.get(f"/users/{uuid4()}/api-keys"), 404, "not_found")


def test_an_expired_key_is_refused(owner: Client) -> None:
    past = (timezone.now() - timedelta(seconds=1)).isoformat()
    answer = owner.post("/api-keys", {"name": "x", "expires_at": past})
    assert_problem(answer, 422, "validation_error")
    made = make_key(owner, expires_at=(timezone.now() + timedelta(days=1)).isoformat())
    ApiKey.objects.update(expires_at=timezone.now())
    assert_problem(Client(made["key"]).get("/users/me"), 401, "token_invalid")


def test_a_mistyped_key_costs_no_query(owner: Client, django_assert_num_queries: Any) -> None:
    key = make_key(owner)["key"]
    wrong = key[:-9] + ("0" if key[-9] != "0" else "1") + key[-8:]
    for bent in (wrong, key[:-1], key + "0", key.upper(), "ak_", "ak_é"):
        with django_assert_num_queries(0):
            assert_problem(Client(bent).get("/users/me"), 401, "token_invalid")


def test_another_secret_under_a_known_prefix_is_refused(owner: Client) -> None:
    made = make_key(owner)
    other = new_key()
    ApiKey.objects.filter(pk=made["id"]).update(prefix=prefix_of(other))
    assert_problem(Client(other).get("/users/me"), 401, "token_invalid")


def test_the_last_use_is_noted(owner: Client) -> None:
    made = make_key(owner)
    assert owner.get("/api-keys").json()[0]["last_used_at"] is None
    for _ in range(3):
        Client(made["key"]).get("/users/me")
    assert key_use.flush() == 1
    noted = owner.get("/api-keys").json()[0]["last_used_at"]
    assert noted is not None
    Client(made["key"]).get("/users/me")
    assert key_use.flush() == 0, "at most once a minute"
    Client(made["key"][:-1] + "x").get("/users/me")
    assert owner.get("/api-keys").json()[0]["last_used_at"] == noted


def test_a_user_has_so_many_live_keys_and_no_more(owner: Client, settings: Any) -> None:
    settings.AUTH_API_KEY_LIMIT = 2
    made = [make_key(owner) for _ in range(2)]
    assert_problem(owner.post("/api-keys", {"name": "x"}), 409, "too_many_keys")
    assert owner.delete(f"/api-keys/{made[0]['id']}").status_code == 204
    make_key(owner)


def test_a_key_of_a_user_who_is_gone_is_not_made(admin: User, alice: User) -> None:
    User.objects.filter(pk=alice.pk).delete()
    with pytest.raises(NotFound):
        create_api_key(
            user=alice, name="x", scopes=[], expires_at=None, actor=admin, client=ClientInfo()
        )


def test_deactivation_ends_the_keys_of_the_user(owner: Client) -> None:
    key = Client(make_key(owner)["key"])
    assert key.get("/users/me").status_code == 200
    assert owner.delete("/users/me").status_code == 204
    assert_problem(key.get("/users/me"), 401, "token_invalid")


def _committing() -> Any:
    return TestCase.captureOnCommitCallbacks(execute=True)
