"""Whatever else a body holds, nobody writes a privileged field of themselves or of another."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction

from accounts.models import ApiKey, Site, User, Violation
from tests.accounts.test_matrix import address, operations, site, target
from tests.client import PASSWORD, Client

__all__ = ["site", "target"]
PRIVILEGED: dict[str, Any] = {
    "id": "018f0000-0000-7000-8000-000000000000",
    "role": "admin",
    "role_id": "admin",
    "roles": ["admin"],
    "is_admin": True,
    "is_staff": True,
    "is_superuser": True,
    "is_active": False,
    "tier": "enterprise",
    "email": "mallory@example.com",
    "email_verified": True,
    "email_verified_at": "2026-01-01T00:00:00Z",
    "password": "an unwanted password",
    "password_expired": True,
    "permissions": ["accounts.view_user"],
    "user_permissions": ["accounts.view_user"],
    "user": "018f0000-0000-7000-8000-000000000000",
    "user_id": "018f0000-0000-7000-8000-000000000000",
    "scopes": ["accounts.view_user"],
    "quota": 1_000_000,
    "created_at": "2000-01-01T00:00:00Z",
    "last_login": "2000-01-01T00:00:00Z",
    "date_joined": "2000-01-01T00:00:00Z",
    "updated_at": "2000-01-01T00:00:00Z",
    "groups": ["admins"],
    "mfa_enabled": True,
    "all_permissions": True,
}
# Besides the privileged fields, what makes each operation go through.
NEEDED: dict[str, dict[str, Any]] = {
    "auth_register": {"email": "new@example.com", "password": PASSWORD, "username": "new"},
    "api_keys_create": {"name": "x", "scopes": []},
    "sessions_rename": {"device": "Mine"},
    "users_me_replace": {"first_name": "M"},
    "users_me_change": {"first_name": "M"},
    "users_replace": {"first_name": "M"},
    "users_change": {"first_name": "M"},
}
GUARDED = (
    "id",
    "role_id",
    "tier",
    "is_active",
    "email",
    "email_verified_at",
    "password",
    "password_expired",
    "created_at",
    "last_login",
)


def rows() -> dict[Any, tuple[Any, ...]]:
    return {row[0]: row for row in User.objects.values_list(*GUARDED)}


@pytest.mark.parametrize("field", sorted(PRIVILEGED))
def test_no_write_endpoint_takes_it(
    field: str,
    client: Client,
    target: User,
    site: Site,
    make_user: Callable[..., User],
    subtests: pytest.Subtests,
) -> None:
    caller = make_user("caller")
    for owner in (caller, target):
        ApiKey.objects.create(user=owner, name="x", prefix=str(owner.pk)[-8:], digest="x")
        Client().sign_in(owner.get_username())
    site.members.add(caller)
    client.sign_in("caller")
    writes = [one for one in operations(client) if one[1] in {"post", "put", "patch"}]
    signed_in, before = client.access_token, rows()
    for operation in writes:
        url = address(operation, caller, target, site)
        body = {field: PRIVILEGED[field]} | NEEDED.get(operation[0], {})
        with subtests.test(operation[0]), transaction.atomic():
            client.access_token = signed_in
            answer = getattr(client, operation[1])(url, body)
            assert answer.status_code < 500, answer.content
            after = rows()
            assert {pk: row for pk, row in after.items() if pk in before} == before
            for pk in after.keys() - before.keys():
                new = User.objects.select_related("role").get(pk=pk)
                assert (new.role_id, new.tier, new.is_active) == ("user", "free", True)
                assert str(new.pk) != PRIVILEGED["id"]
                assert new.created_at.year > 2000
            assert set(ApiKey.objects.values_list("user_id", flat=True)) <= {caller.pk, target.pk}
            assert Violation.objects.count() == 1
            transaction.set_rollback(True)
