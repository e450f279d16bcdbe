"""Where imported users come from: how five other systems name what we keep."""

from collections.abc import Mapping
from dataclasses import dataclass, field

# What this service takes over; `export_users` writes the same names.
FIELDS = (
    "id",
    "email",
    "username",
    "first_name",
    "last_name",
    "full_name",
    "role",
    "tier",
    "is_active",
    "email_verified",
    "password",
    "created_at",
    "last_login",
)


@dataclass(frozen=True)
class Source:
    """A user table: its columns under our names, its roles (in lower case) under ours.

    Of several columns with one name here, the first that isn't empty counts. Who has a true value
    in the column `admin_flag` gets the role `admin`.
    """

    columns: Mapping[str, str]
    roles: Mapping[str, str] = field(default_factory=dict)
    admin_flag: str = ""


def _same(*names: str) -> dict[str, str]:
    return {name: name for name in names}


_HASHES = {"hashed_password": "password", "password_hash": "password"}

OURS = Source(_same(*FIELDS))
SOURCES: Mapping[str, Source] = {
    # werkzeug: scrypt. Its ids are numbers, which nobody here is known by.
    "construction-hazard": Source(
        _HASHES | _same("username", "email", "role", "is_active", "created_at"),
        roles=_same("admin", "model_manager", "user", "guest"),
    ),
    # bcrypt.
    "fastapi-rbac": Source(
        _HASHES | _same("email", "full_name", "role", "is_active", "created_at"),
        roles=_same("admin", "moderator", "user"),
    ),
    # Argon2, ids kept.
    "jwt-redis": Source(
        _HASHES
        | {"user_id": "id"}
        | _same("id", "email", "first_name", "last_name", "created_at", "role"),
        roles={"client": "user"},
    ),
    # Argon2 by passlib, ids kept.
    "inwren": Source(
        _HASHES | _same("id", "email", "tier", "is_active", "created_at"),
        admin_flag="is_superuser",
    ),
    # bcrypt by passlib.
    "fastapi-starter": Source(
        _HASHES
        | {"firstname": "first_name", "lastname": "last_name", "last_logged_in": "last_login"}
        | _same("email", "username", "role", "is_active", "created_at"),
        admin_flag="is_admin",
    ),
}
