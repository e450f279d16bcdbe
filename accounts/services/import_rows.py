"""One row of an imported table: read strictly, it becomes a user or names what is wrong."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX, make_password
from django.utils import timezone

from accounts.imported_hashes import UnusableHash, stored_form
from accounts.models import Role, User
from accounts.services.import_sources import OURS, Source
from accounts.services.registration import check_identifiers, check_names
from security.errors import FieldError

LONGEST_CELL = 1024
LONGEST_NAME = 150
BOOLEANS = {
    **dict.fromkeys(("true", "t", "1", "yes", "y"), True),
    **dict.fromkeys(("false", "f", "0", "no", "n"), False),
}


@dataclass(frozen=True)
class Row:
    """A row as its file has it, or, with empty cells, the `problem` of reading it."""

    line: int
    cells: Mapping[str, Any]
    problem: str = ""


@dataclass(frozen=True)
class Rules:
    """What an import does with what the rows don't settle.

    `role_map` is the operator's, and goes before the source's.
    """

    role_map: Mapping[str, str]
    default_role: str = Role.USER
    allow_admins: bool = False
    source: Source = OURS


@dataclass(frozen=True)
class Candidate:
    """A user who is not in the database yet."""

    line: int
    user: User
    keeps_id: bool


def candidate(row: Row, rules: Rules, roles: Mapping[str, bool]) -> Candidate:
    """The user of a row. `roles` says of each role whether it may do everything.

    Raises FieldError; no sentence repeats what a cell holds, which could be a hash gone astray.
    """
    if row.problem:
        raise FieldError(("row", "unreadable", row.problem))
    values = dict.fromkeys(rules.source.columns.values(), "")
    for theirs, ours in rules.source.columns.items():
        values[ours] = values[ours] or _text(theirs, row.cells.get(theirs))
    user = User(email=values.get("email") or None, username=values.get("username") or None)
    if not user.email and not user.username:
        raise FieldError(("email", "required", "A user needs an e-mail address or a username."))
    check_identifiers(user)
    _name(user, values)
    user.role_id = _role(values.get("role", ""), row, rules, roles)
    user.tier = _tier(values.get("tier", ""))
    user.password = _password(values.get("password", ""))
    user.is_active = _boolean("is_active", values, default=True)
    if user.email and _boolean("email_verified", values, default=False):
        user.email_verified_at = timezone.now()
    user.last_login = _time("last_login", values)
    wanted = _uuid(values.get("id", ""))
    user.pk = wanted or user.pk
    user.created_at = _time("created_at", values) or user.created_at
    return Candidate(row.line, user, keeps_id=wanted is not None)


def _text(column: str, cell: Any) -> str:
    """A cell as text; nothing, and the \\N of database dumps, is empty."""
    if cell is None or cell == "\\N":
        return ""
    if not isinstance(cell, str | int):
        raise FieldError((column, "invalid", "This is neither text nor a whole number."))
    text = str(cell)
    if len(text) > LONGEST_CELL:
        raise FieldError((column, "too_long", f"This has more than {LONGEST_CELL} characters."))
    # Also what UTF-8 can't say, as half of a surrogate pair.
    if not text.isprintable() and any(unicodedata.category(c) in ("Cc", "Cs") for c in text):
        raise FieldError((column, "invalid", "This has control characters."))
    return text.strip()


def _name(user: User, values: Mapping[str, str]) -> None:
    user.full_name = values.get("full_name", "")
    user.first_name = values.get("first_name") or user.first_name
    user.last_name = values.get("last_name") or user.last_name
    if max(len(user.first_name), len(user.last_name)) > LONGEST_NAME:
        raise FieldError(("name", "too_long", f"A name has more than {LONGEST_NAME} characters."))
    check_names(user)


def _role(given: str, row: Row, rules: Rules, roles: Mapping[str, bool]) -> str:
    flag = rules.source.admin_flag
    if flag and _boolean(flag, {flag: _text(flag, row.cells.get(flag))}, default=False):
        given = given or Role.ADMIN
    known = rules.source.roles.get(given.lower(), given)
    name = rules.role_map.get(given) or known or rules.default_role
    if name not in roles:
        raise FieldError(("role", "unknown", "There is no such role; --role-map can rename it."))
    if roles[name] and not rules.allow_admins:
        raise FieldError(("role", "privileged", "This makes an admin; --allow-admins lets it."))
    return name


def _tier(given: str) -> str:
    tier: str = given or settings.AUTH_SELF_SERVICE_TIERS[0]
    if tier not in settings.AUTH_TIERS:
        raise FieldError(("tier", "unknown", "There is no such tier; AUTH_TIERS names them."))
    return tier


def _password(given: str) -> str:
    if given.startswith(UNUSABLE_PASSWORD_PREFIX):
        return make_password(None)
    if not given:
        raise FieldError(("password", "required", "There is no password hash."))
    try:
        return stored_form(given)
    except UnusableHash as error:
        raise FieldError(("password", error.code, str(error))) from error


def _boolean(name: str, values: Mapping[str, str], *, default: bool) -> bool:
    given = values.get(name, "")
    if not given:
        return default
    if given.lower() not in BOOLEANS:
        raise FieldError((name, "invalid", "This is neither true nor false."))
    return BOOLEANS[given.lower()]


def _time(name: str, values: Mapping[str, str]) -> datetime | None:
    """ISO 8601, without an offset in UTC; what would then be in the future is now."""
    given = values.get(name, "")
    if not given:
        return None
    try:
        time = datetime.fromisoformat(given)
        time = time.replace(tzinfo=time.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise FieldError((name, "invalid", "This is not a time of ISO 8601.")) from error
    return min(time, timezone.now())


def _uuid(given: str) -> UUID | None:
    """The id to keep; another system's number can't be one."""
    try:
        found = UUID(given)
    except ValueError:
        return None
    return found if found.version else None
