"""Roles at the console: made, changed and deleted, and what is refused."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission

from accounts.models import Role, User
from accounts.models.role import code_of, grantable_permissions
from security.errors import GrantTooWide
from security.models import AuditEvent
from tests.client import Client
from tests.console.conftest import Console, change_path

ROLES = "/admin/accounts/role/"
ADD = f"{ROLES}add/"
NEW_ROLE: dict[str, Any] = {"name": "auditor", "quota": "10", "quota_seconds": "60"}


def ids(*codes: str) -> list[str]:
    found = {code_of(permission): str(permission.pk) for permission in grantable_permissions()}
    return [found[code] for code in codes]


def role(name: str) -> Role:
    return Role.objects.get(pk=name)


def events() -> list[str]:
    return [event.kind for event in AuditEvent.objects.filter(kind__startswith="role.")]


@pytest.fixture
def keeper(
    console: Console, make_user: Callable[..., User], make_role: Callable[..., Role]
) -> Console:
    """At the console, somebody who may do everything to roles that hold no more than theirs."""
    make_role("keeper", *(f"accounts.{verb}_role" for verb in ("view", "add", "change", "delete")))
    make_user("keeper", role="keeper")
    console.sign_in("keeper")
    return console


def test_a_role_is_made_with_its_permissions(operator: Console, admin: User) -> None:
    codes = ("accounts.view_user", "security.view_auditevent")
    sent = {"description": "Reads all.", "permissions": ids(*codes), "console_access": "on"}
    assert operator.post(ADD, NEW_ROLE | sent).status_code == 302
    made = role("auditor")
    assert (made.description, made.console_access) == ("Reads all.", True)
    assert (made.quota, made.quota_seconds, made.is_builtin) == (10, 60, False)
    assert made.codes == set(codes)
    event = AuditEvent.objects.get(kind="role.created")
    assert event.actor_id == admin.pk
    assert event.details["after"]["permissions"] == sorted(codes)


def test_the_usual_quota_is_offered(operator: Console) -> None:
    operator.save(ADD, name="auditor")
    assert (role("auditor").quota, role("auditor").quota_seconds) == (3000, 60)


def test_only_what_a_role_can_hold_is_offered(operator: Console) -> None:
    form = operator.get(ADD).context["adminform"].form
    offered = [label.partition(":")[0] for _, label in form.fields["permissions"].choices]
    assert offered == [code_of(permission) for permission in grantable_permissions()]
    stranger = Permission.objects.exclude(pk__in=grantable_permissions()).first()
    assert stranger
    answer = operator.post(ADD, NEW_ROLE | {"permissions": [str(stranger.pk)]})
    assert "not one of the available choices" in " ".join(operator.texts(answer))
    assert not Role.objects.filter(pk="auditor").exists()


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ({"name": "Auditor"}, "begins with a letter"),
        ({"name": "1st"}, "begins with a letter"),
        ({"name": "a" * 65}, "begins with a letter"),
        ({"name": ""}, "required"),
        ({"name": "admin"}, "already exists"),
        ({"quota": "0"}, "greater than or equal to 1"),
        ({"quota": "1000000001"}, "less than or equal to"),
        ({"quota_seconds": "2678401"}, "less than or equal to"),
        ({"description": "x" * 201}, "at most 200 characters"),
    ],
)
def test_what_can_not_be_made_is_told(operator: Console, sent: dict[str, str], told: str) -> None:
    before = Role.objects.count()
    answer = operator.post(ADD, NEW_ROLE | sent)
    assert answer.status_code == 200
    assert told in " ".join(operator.texts(answer))
    assert (Role.objects.count(), events()) == (before, [])


def test_a_changed_role_counts_at_once_for_tokens_already_issued(
    operator: Console, client: Client, admin: User, make_user: Callable[..., User]
) -> None:
    Role.objects.create(name="auditor")
    make_user("carol", role="auditor")
    client.sign_in("carol")
    assert client.get("/users").status_code == 403
    operator.save(change_path(role("auditor")), permissions=ids("accounts.view_user"))
    assert client.get("/users").status_code == 200
    event = AuditEvent.objects.get(kind="role.changed")
    assert (event.actor_id, event.details["role"]) == (admin.pk, "auditor")
    assert event.details["before"] == {"permissions": []}
    operator.save(change_path(role("auditor")), permissions=[], description="Nothing.")
    assert client.get("/users").status_code == 403
    assert role("auditor").description == "Nothing."


def test_a_role_keeps_its_name_and_what_is_built_in(operator: Console) -> None:
    operator.save(
        change_path(role("user")), name="other", is_builtin="", all_permissions="on", quota="7"
    )
    after = role("user")
    assert (after.quota, after.is_builtin, after.all_permissions) == (7, True, False)
    assert not Role.objects.filter(pk="other").exists()


def test_saving_without_a_change_is_no_event(operator: Console) -> None:
    operator.save(change_path(role("user")))
    assert events() == []


def test_the_power_of_admins_is_protected(operator: Console) -> None:
    path = change_path(role("admin"))
    assert 'name="permissions"' not in operator.html(path)
    answer = operator.save(path, console_access=False, description="Weaker.")
    assert operator.texts(answer) == ["Of this role only description and quota can be changed."]
    after = role("admin")
    assert (after.console_access, after.description) == (True, "May do everything.")
    operator.save(path, description="Does everything.", permissions=ids("accounts.view_user"))
    after = role("admin")
    assert (after.all_permissions, after.description) == (True, "Does everything.")
    assert not after.permissions.exists()


def test_an_old_page_undoes_nothing(operator: Console) -> None:
    Role.objects.create(name="auditor")
    path = change_path(role("auditor"))
    old_page = operator.get(path).context["adminform"].form["seen"].value()
    operator.save(path, permissions=ids("accounts.view_user"))
    answer = operator.save(path, seen=old_page, permissions=[])
    assert "Somebody changed this meanwhile" in " ".join(operator.texts(answer))
    assert role("auditor").codes == {"accounts.view_user"}


def test_nobody_grants_what_they_lack(keeper: Console) -> None:
    wide = {"permissions": ids("accounts.view_user")}
    answer = keeper.post(ADD, NEW_ROLE | wide)
    assert keeper.texts(answer) == [GrantTooWide.detail]
    assert not Role.objects.filter(pk="auditor").exists()
    assert keeper.post(ADD, NEW_ROLE).status_code == 302
    answer = keeper.save(change_path(role("auditor")), **wide)
    assert keeper.texts(answer) == [GrantTooWide.detail]
    assert role("auditor").codes == set()
    answer = keeper.save(change_path(role("keeper")), **wide)
    assert keeper.texts(answer) == [GrantTooWide.detail]
    answer = keeper.save(change_path(role("moderator")), description="Changed.")
    assert keeper.texts(answer) == [GrantTooWide.detail]
    assert role("moderator").description == "Reads other users."


def test_a_role_is_deleted_after_a_question(operator: Console, admin: User) -> None:
    Role.objects.create(name="auditor")
    path = change_path(role("auditor"), "delete")
    assert "auditor" in operator.html(path)
    assert Role.objects.filter(pk="auditor").exists()
    assert operator.post(path, {"post": "yes"}).headers["Location"] == ROLES
    assert not Role.objects.filter(pk="auditor").exists()
    assert AuditEvent.objects.get(kind="role.deleted").actor_id == admin.pk


def test_a_built_in_role_and_one_in_use_stay(
    operator: Console, make_user: Callable[..., User]
) -> None:
    Role.objects.create(name="auditor")
    make_user("carol", role="auditor")
    reasons = {"guest": "A built-in role can't be deleted.", "auditor": "Somebody has this role."}
    for name, reason in reasons.items():
        answer = operator.post(change_path(role(name), "delete"), {"post": "yes"}, follow=True)
        assert operator.texts(answer) == [reason]
        assert Role.objects.filter(pk=name).exists()
    chosen = {"action": "delete_selected", "_selected_action": "guest", "post": "yes"}
    operator.post(ROLES, chosen)
    assert Role.objects.filter(pk="guest").exists()


@pytest.mark.parametrize("verb", ["add", "change", "delete"])
def test_each_verb_needs_its_own_permission(
    console: Console, make_user: Callable[..., User], make_role: Callable[..., Role], verb: str
) -> None:
    make_role("visitor", "accounts.view_role", f"accounts.{verb}_role")
    make_user("visitor", role="visitor")
    Role.objects.create(name="auditor")
    console.sign_in("visitor")
    auditor = role("auditor")
    paths = {"add": ADD, "change": change_path(auditor), "delete": change_path(auditor, "delete")}
    for other, path in paths.items():
        answer = console.post(path, {"post": "yes"})
        assert (answer.status_code == 403) == (other != verb), other
    assert Role.objects.filter(pk="auditor").exists() == (verb != "delete")
