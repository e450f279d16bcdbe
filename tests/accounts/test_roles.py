"""Roles: made and changed by operators, effective at once, never wider than their maker."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission

from accounts.models import Role, User
from accounts.services.registration import lost_race
from security.errors import AlreadyRegistered, FieldError
from security.models import AuditEvent
from tests.accounts.test_budgets import counted_sql
from tests.client import Client, assert_problem

BUILTIN = ["admin", "guest", "model_manager", "moderator", "user"]


@pytest.fixture
def clerk(make_user: Any) -> Client:
    """Somebody who may edit roles, and view users."""
    role = Role.objects.create(name="clerk")
    codes = ("view_role", "add_role", "change_role", "delete_role", "view_user")
    role.permissions.set(Permission.objects.filter(codename__in=codes))
    make_user("clerk", role="clerk")
    client = Client()
    client.sign_in("clerk")
    return client


def test_the_built_in_roles_are_there(operator: Client) -> None:
    roles = {role["name"]: role for role in operator.get("/roles").json()}
    assert sorted(roles) == BUILTIN
    assert roles["guest"]["quota"] == 24
    assert roles["guest"]["quota_seconds"] == 24 * 60 * 60
    assert "accounts.view_user" in roles["moderator"]["permissions"]
    assert roles["admin"]["all_permissions"]
    assert operator.get("/roles/moderator").json() == roles["moderator"]


def test_a_list_costs_the_same_however_many_there_are(operator: Client) -> None:
    for number in range(20):
        Role.objects.create(name=f"role-{number}")
    operator.get("/users/me")
    with counted_sql() as statements:
        assert len(operator.get("/roles").json()) == 25
    assert len(statements) <= 5, statements


def test_a_role_is_made_changed_and_deleted(operator: Client, admin: User) -> None:
    body = {
        "name": "auditor",
        "description": "Reads the trail.",
        "permissions": ["security.view_auditevent"],
        "quota": 10,
        "quota_seconds": 60,
    }
    made = operator.post("/roles", body)
    assert made.status_code == 201
    assert made.json() == body | {
        "all_permissions": False,
        "console_access": False,
        "is_builtin": False,
    }
    changed = operator.patch("/roles/auditor", {"permissions": [], "console_access": True})
    assert (changed.json()["permissions"], changed.json()["quota"]) == ([], 10)
    event = AuditEvent.objects.get(kind="role.changed")
    assert event.actor_id == admin.pk
    assert event.details["before"] == {
        "permissions": ["security.view_auditevent"],
        "console_access": False,
    }
    assert operator.delete("/roles/auditor").status_code == 204
    assert_problem(operator.get("/roles/auditor"), 404, "not_found")
    kinds = AuditEvent.objects.filter(kind__startswith="role.").values_list("kind", flat=True)
    assert sorted(kinds) == ["role.changed", "role.created", "role.deleted"]


def test_an_edited_role_counts_for_tokens_already_issued(operator: Client, alice: User) -> None:
    client = Client()
    client.sign_in("alice")
    assert_problem(client.get("/users"), 403, "permission_denied")
    operator.patch("/roles/user", {"permissions": ["accounts.view_user"]})
    assert client.get("/users").status_code == 200
    operator.patch("/roles/user", {"permissions": []})
    assert_problem(client.get("/users"), 403, "permission_denied")


def test_a_key_loses_what_its_role_loses(operator: Client, make_user: Any) -> None:
    make_user("mod", role="moderator")
    owner = Client()
    owner.sign_in("mod")
    made = owner.post("/api-keys", {"name": "x", "scopes": ["accounts.view_user"]}).json()
    key = Client(made["key"])
    assert key.get("/users").status_code == 200
    operator.patch("/roles/moderator", {"permissions": []})
    assert_problem(key.get("/users"), 403, "permission_denied")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "Upper"}, "name"),
        ({"name": ""}, "name"),
        ({"name": "a" * 65}, "name"),
        ({"name": "new", "permissions": ["accounts.fly"]}, "permissions"),
        ({"name": "new", "permissions": ["auth.add_permission"]}, "permissions"),
        ({"name": "new", "permissions": [1]}, "permissions.0"),
        ({"name": "new", "quota": 0}, "quota"),
        ({"name": "new", "quota": 10**12}, "quota"),
        ({"name": "new", "quota_seconds": 0}, "quota_seconds"),
        ({"name": "new", "console_access": "perhaps"}, "console_access"),
    ],
)
def test_what_is_wrong_is_named(operator: Client, body: dict[str, Any], field: str) -> None:
    problem = assert_problem(operator.post("/roles", body), 422, "validation_error")
    assert problem["errors"][0]["field"].startswith(field)
    assert Role.objects.count() == len(BUILTIN)


def test_a_taken_name_is_a_conflict(operator: Client) -> None:
    assert_problem(operator.post("/roles", {"name": "guest"}), 409, "role_exists")


@pytest.mark.parametrize("name", BUILTIN)
def test_a_built_in_role_stays(operator: Client, name: str) -> None:
    assert_problem(operator.delete(f"/roles/{name}"), 409, "role_protected")


def test_a_role_that_somebody_has_stays(operator: Client, make_user: Any) -> None:
    operator.post("/roles", {"name": "temp"})
    make_user("someone", role="temp")
    assert_problem(operator.delete("/roles/temp"), 409, "role_protected")
    assert not AuditEvent.objects.filter(kind="role.deleted").exists()


def test_nobody_is_loaded_to_see_whether_a_role_is_free(operator: Client, make_user: Any) -> None:
    operator.post("/roles", {"name": "temp"})
    make_user("someone", role="temp")
    with counted_sql() as statements:
        operator.delete("/roles/temp")
    people = [sql for sql in statements if 'FROM "accounts_user"' in sql]
    assert len(people) == 1
    assert people[0].endswith("LIMIT 1")


@pytest.mark.parametrize("body", [{"permissions": []}, {"console_access": False}])
def test_the_admin_role_keeps_its_power(operator: Client, body: dict[str, Any]) -> None:
    assert_problem(operator.patch("/roles/admin", body), 409, "role_protected")
    assert operator.patch("/roles/admin", {"quota": 5000}).json()["quota"] == 5000


@pytest.mark.parametrize("field", ["all_permissions", "is_builtin"])
def test_what_makes_an_admin_cannot_be_written(operator: Client, field: str) -> None:
    operator.post("/roles", {"name": "new", field: True})
    operator.patch("/roles/new", {field: True})
    assert operator.get("/roles/new").json()[field] is False


def test_nobody_makes_a_role_wider_than_their_own(clerk: Client) -> None:
    wide = {"name": "wide", "permissions": ["accounts.delete_user"]}
    assert_problem(clerk.post("/roles", wide), 403, "grant_too_wide")
    console = {"name": "wide", "console_access": True}
    assert_problem(clerk.post("/roles", console), 403, "grant_too_wide")
    assert not Role.objects.filter(pk="wide").exists()
    narrow = {"name": "narrow", "permissions": ["accounts.view_user"]}
    assert clerk.post("/roles", narrow).status_code == 201
    wider = {"permissions": ["accounts.view_user", "accounts.delete_user"]}
    for name in ("narrow", "clerk"):
        assert_problem(clerk.patch(f"/roles/{name}", wider), 403, "grant_too_wide")
    assert clerk.get("/roles/narrow").json()["permissions"] == ["accounts.view_user"]


def test_nobody_touches_a_role_wider_than_their_own(clerk: Client) -> None:
    assert_problem(clerk.patch("/roles/admin", {"quota": 1}), 403, "grant_too_wide")
    Role.objects.create(name="auditor").permissions.set(
        Permission.objects.filter(codename="view_auditevent")
    )
    assert_problem(clerk.patch("/roles/auditor", {"permissions": []}), 403, "grant_too_wide")
    assert_problem(clerk.delete("/roles/auditor"), 403, "grant_too_wide")


@pytest.mark.parametrize("role", ["guest", "user", "model_manager", "moderator"])
def test_only_operators(make_user: Any, role: str) -> None:
    make_user("someone", role=role)
    client = Client()
    client.sign_in("someone")
    for answer in (
        client.get("/roles"),
        client.get("/roles/admin"),
        client.post("/roles", {"name": "mine"}),
        client.patch("/roles/user", {"quota": 1}),
        client.delete("/roles/user"),
        client.get("/permissions"),
    ):
        assert_problem(answer, 403, "permission_denied")


@pytest.mark.parametrize("name", ["%00", "a%20b", "%2e%2e", "\u00e9", "x" * 300])
def test_what_is_no_name_is_not_there(operator: Client, name: str) -> None:
    assert_problem(operator.get(f"/roles/{name}"), 404, "not_found")


def test_the_permissions_are_listed_by_code(operator: Client) -> None:
    permissions = {p["code"]: p["name"] for p in operator.get("/permissions").json()}
    assert permissions["accounts.view_user"] == "Can view user"
    assert not [code for code in permissions if code.startswith(("auth.", "admin."))]


@pytest.mark.parametrize("path", ["/roles", "/roles/user", "/users", "/sites", "/keys"])
def test_an_unknown_method_is_refused_whoever_asks(path: str, alice: User) -> None:
    client = Client()
    client.sign_in("alice")
    for method in ("OPTIONS", "TRACE", "FOO"):
        answer = client.django.generic(
            method,
            f"/api/v1{path}",
            headers={"authorization": f"Bearer {client.access_token}"},
        )
        assert answer.status_code in {403, 405}, answer.content


@pytest.mark.parametrize("path", ["/roles", "/roles/user", "/users", "/sites", "/keys"])
def test_who_may_call_it_is_told_the_methods(path: str, operator: Client) -> None:
    for method in ("OPTIONS", "TRACE", "FOO"):
        headers = {"authorization": f"Bearer {operator.access_token}"}
        answer = operator.django.generic(method, f"/api/v1{path}", headers=headers)
        assert_problem(answer, 405, "method_not_allowed")
        assert "GET" in answer.headers["Allow"]


def test_a_role_that_went_away_meanwhile_is_named(
    db: None,
) -> None:
    error = lost_race("gone")
    assert isinstance(error, FieldError)
    assert isinstance(lost_race("user"), AlreadyRegistered)
