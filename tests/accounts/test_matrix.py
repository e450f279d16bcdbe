"""Who may call what: every operation of the OpenAPI document, as every role and as nobody."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import transaction

from accounts.models import ApiKey, Site, User, Violation
from sessions_app.models import DeviceSession
from tests.client import Client

NOBODY = "anonymous"
ROLES = ("guest", "user", "model_manager", "moderator", "admin")
EVERYBODY = {NOBODY, *ROLES}
SIGNED_IN = set(ROLES)
ADMIN = {"admin"}
VIEWERS = {"moderator", "admin"}
RECORDERS = {"model_manager", "admin"}

MATRIX: dict[str, set[str]] = {
    # Signing in and out.
    "auth_register": EVERYBODY,
    "auth_login_create": EVERYBODY,
    "auth_login_form_create": EVERYBODY,
    "auth_access_token_create": EVERYBODY,
    "auth_refresh": EVERYBODY,
    "auth_logout": EVERYBODY,
    "auth_revoke": EVERYBODY,
    "auth_password_forgot": EVERYBODY,
    "auth_password_reset": EVERYBODY,
    "auth_email_verify": EVERYBODY,
    "auth_email_resend": EVERYBODY,
    "auth_email_change": SIGNED_IN,
    "auth_logout_all": SIGNED_IN,
    "auth_introspect": ADMIN,
    # One's own account, sessions and keys.
    "users_me_read": SIGNED_IN,
    "users_me_replace": SIGNED_IN,
    "users_me_change": SIGNED_IN,
    "users_me_deactivate": SIGNED_IN,
    "users_me_password_create": SIGNED_IN,
    "users_me_change_password_create": SIGNED_IN,
    "sessions_list": SIGNED_IN,
    "sessions_end_others": SIGNED_IN,
    "sessions_rename": SIGNED_IN,
    "sessions_end": SIGNED_IN,
    "api_keys_list": SIGNED_IN,
    "api_keys_create": SIGNED_IN,
    "api_keys_revoke": SIGNED_IN,
    # Other users.
    "users_list": VIEWERS,
    "users_read": VIEWERS,
    "users_create": ADMIN,
    "users_replace": ADMIN,
    "users_change": ADMIN,
    "users_delete": ADMIN,
    "users_add_user": ADMIN,
    "users_delete_user": ADMIN,
    "users_update_username": ADMIN,
    "users_update_password": ADMIN,
    "users_set_user_active_status": ADMIN,
    "user_sessions_list": ADMIN,
    "user_sessions_end": ADMIN,
    "user_api_keys_list": ADMIN,
    "user_api_keys_create": ADMIN,
    # Sites that the caller is a member of.
    "sites_list": SIGNED_IN,
    "sites_read": SIGNED_IN,
    "violations_list": SIGNED_IN,
    "violations_read": SIGNED_IN,
    "violations_record": RECORDERS,
    "violations_replace": RECORDERS,
    "violations_change": RECORDERS,
    "violations_delete": RECORDERS,
    "sites_create": ADMIN,
    "sites_replace": ADMIN,
    "sites_change": ADMIN,
    "sites_delete": ADMIN,
    "site_members_list": ADMIN,
    "site_members_add": ADMIN,
    "site_members_remove": ADMIN,
    # Roles and the service itself.
    "roles_list": ADMIN,
    "roles_read": ADMIN,
    "roles_create": ADMIN,
    "roles_replace": ADMIN,
    "roles_change": ADMIN,
    "roles_delete": ADMIN,
    "permissions_list": ADMIN,
    "metrics_retrieve": ADMIN,
    "audit_events_list": ADMIN,
    "keys_list": ADMIN,
    "keys_rotate": ADMIN,
    "keys_revoke": ADMIN,
    "health_retrieve": EVERYBODY,
    "health_live": EVERYBODY,
    "health_ready": EVERYBODY,
}
FORMS = {"auth_introspect", "auth_revoke"}
REFUSED_FOR_WHO_THEY_ARE = {"not_authenticated", "permission_denied", "not_found"}
Operation = tuple[str, str, str]


def operations(client: Client) -> Iterator[Operation]:
    """Each as (id, method, path)."""
    for path, methods in client.get("//openapi.json").json()["paths"].items():
        for method, operation in methods.items():
            yield operation["operationId"], method, path


@pytest.fixture
def target(make_user: Callable[..., User]) -> User:
    """Somebody else, to whom things are done."""
    return make_user("target")


@pytest.fixture
def site(target: User) -> Site:
    """A site that the target and the caller belong to, with a violation."""
    site = Site.objects.create(name="North")
    site.members.add(target)
    Violation.objects.create(site=site, stream_name="gate")
    return site


def call(client: Client, operation: Operation, url: str) -> Any:
    name, method, _ = operation
    if name in FORMS:
        return client.form(url, "token=x")
    return getattr(client, method)(url, *([{}] if method in {"post", "put", "patch"} else []))


def address(operation: Operation, caller: User | None, target: User, site: Site) -> str:
    """The operation's path on things that are there: the caller's own, or the target's."""
    name, _, path = operation
    own = caller or target
    if name.startswith("sessions_"):
        pk: Any = DeviceSession.objects.filter(user=own).values_list("pk", flat=True).first()
    elif name.startswith("api_keys_"):
        pk = ApiKey.objects.get(user=own).pk
    elif name.startswith("violations_"):
        pk = Violation.objects.get().pk
    else:
        pk = site.pk if name.startswith("site") else target.pk
    values = {"id": pk, "user_id": target.pk, "site_id": site.pk, "name": "temp", "kid": "temp"}
    for parameter, value in values.items():
        path = path.replace(f"{{{parameter}}}", str(value))
    below_the_api = path.removeprefix("/api/v1")
    return below_the_api if below_the_api != path else f"/{path}"


def test_every_operation_is_in_the_matrix(client: Client) -> None:
    assert {name for name, _, _ in operations(client)} == set(MATRIX)


@pytest.mark.parametrize("who", [NOBODY, *ROLES])
def test_each_may_do_what_the_matrix_says_and_nothing_else(
    who: str,
    client: Client,
    target: User,
    site: Site,
    make_user: Callable[..., User],
    subtests: pytest.Subtests,
) -> None:
    caller = None if who == NOBODY else make_user("caller", role=who)
    for owner in filter(None, (caller, target)):
        ApiKey.objects.create(user=owner, name="x", prefix=str(owner.pk)[-8:], digest="x")
        Client().sign_in(owner.get_username())
    if caller:
        site.members.add(caller)
        client.sign_in("caller")
    signed_in = client.access_token
    for operation in list(operations(client)):
        url = address(operation, caller, target, site)
        with subtests.test(operation[0]), transaction.atomic():
            client.access_token = signed_in
            client.django.cookies.clear()
            answer = call(client, operation, url)
            problem = answer.headers.get("Content-Type") == "application/problem+json"
            code = answer.json()["code"] if problem else None
            assert answer.status_code < 500, answer.content
            if who in MATRIX[operation[0]]:
                assert code not in REFUSED_FOR_WHO_THEY_ARE or missing(operation, code), code
            elif who == NOBODY:
                assert (answer.status_code, code) == (401, "not_authenticated")
            else:
                assert (answer.status_code, code) in {
                    (403, "permission_denied"),
                    # Who may not see the other user is not told that there is one.
                    (404, "not_found"),
                }
                assert answer.status_code == 403 or "{id}" in operation[2]
            transaction.set_rollback(True)


def missing(operation: Operation, code: str | None) -> bool:
    """The role "temp" of the addresses isn't there: only who may look finds that out."""
    return operation[0].startswith("roles_") and code == "not_found"
