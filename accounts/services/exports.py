"""Users as another system, or a spreadsheet, can read them."""

from collections.abc import Iterator
from typing import Any

from accounts.models import User
from security import audit
from security.audit import Kind

# Rows read at a time: the table may be larger than memory.
CHUNK = 2000
COLUMNS = (
    "id",
    "email",
    "username",
    "first_name",
    "last_name",
    "role",
    "tier",
    "is_active",
    "email_verified",
    "created_at",
    "last_login",
)


def export_users(
    *, role: str | None, is_active: bool | None, with_password_hashes: bool, operator: str
) -> Iterator[dict[str, Any]]:
    """The users, by id; `role` and `is_active` None mean any.

    The trail has the event before the first row is out, so an export that is cut off has one, too.
    """
    users = User.objects.order_by("pk")
    if role is not None:
        users = users.filter(role=role)
    if is_active is not None:
        users = users.filter(is_active=is_active)
    audit.record(
        Kind.USERS_EXPORTED,
        count=users.count(),
        role=role,
        is_active=is_active,
        with_hashes=with_password_hashes,
        operator=operator,
    )
    columns = (*COLUMNS, "password") if with_password_hashes else COLUMNS
    for user in users.iterator(CHUNK):
        yield {name: _value(user, name) for name in columns}


def _value(user: User, name: str) -> Any:
    if name == "role":
        return user.role_id
    value = getattr(user, name)
    if name == "id":
        return str(value)
    return value.isoformat() if hasattr(value, "isoformat") else value
