"""`export_users`: who, which columns, where to, and safe to open in a spreadsheet."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from accounts.services import exports
from security.models import AuditEvent
from tests.accounts.importing import BCRYPT, HASHED, Import, jsonl
from tests.client import PASSWORD, Client

pytestmark = pytest.mark.django_db
COLUMNS = [
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
]


def export(*options: str) -> str:
    out, err = io.StringIO(), io.StringIO()
    call_command("export_users", *options, stdout=out, stderr=err)
    assert err.getvalue() == ""
    return out.getvalue()


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def names(*options: str) -> set[str]:
    found = [json.loads(line) for line in export("--format", "jsonl", *options).splitlines()]
    return {user["username"] for user in found}


def test_csv_has_a_head_and_a_line_for_each_user(alice: User, bob: User) -> None:
    text = export()
    assert text.splitlines()[0].split(",") == COLUMNS
    # Two users made within a millisecond have ids in either order.
    first, second = sorted(rows(text), key=lambda row: row["username"])
    assert (first["username"], second["username"]) == ("alice", "bob")
    assert first["id"] == str(alice.pk)
    assert first["created_at"] == alice.created_at.isoformat()
    assert (first["is_active"], first["email_verified"], first["last_login"]) == (
        "true",
        "false",
        "",
    )


def test_json_lines_have_the_same_columns_with_their_types(alice: User) -> None:
    user = json.loads(export("--format", "jsonl"))
    assert list(user) == COLUMNS
    assert (user["is_active"], user["last_login"], user["role"]) == (True, None, "user")


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_a_hash_leaves_only_when_asked_for(alice: User, form: str) -> None:
    assert alice.password not in export("--format", form)
    assert alice.password in export("--format", form, "--with-password-hashes")


def test_it_can_be_limited_to_a_role_and_to_active_or_inactive_users(
    make_user: Callable[..., User], admin: User
) -> None:
    make_user("on")
    make_user("off", is_active=False)
    assert names() == {"root", "on", "off"}
    assert names("--role", "user") == {"on", "off"}
    assert names("--active") == {"root", "on"}
    assert names("--inactive", "--role", "user") == {"off"}
    with pytest.raises(CommandError, match="There is no role emperor"):
        export("--role", "emperor")
    with pytest.raises(CommandError):
        export("--active", "--inactive")


def test_the_trail_says_what_left_and_who_took_it(alice: User, bob: User) -> None:
    export("--role", "user", "--with-password-hashes")
    event = AuditEvent.objects.get(kind="users.exported")
    assert event.details.pop("operator")
    assert event.details == {"count": 2, "role": "user", "is_active": None, "with_hashes": True}


def test_the_trail_knows_of_an_export_that_was_cut_off(alice: User, bob: User) -> None:
    users = exports.export_users(
        role=None, is_active=None, with_password_hashes=False, operator="root"
    )
    next(users)
    del users
    assert AuditEvent.objects.get(kind="users.exported").details["count"] == 2


def test_a_file_is_new_and_for_its_owner_alone(tmp_path: Path, alice: User) -> None:
    file = tmp_path / "users.csv"
    assert export(str(file)) == ""
    assert file.stat().st_mode & 0o777 == 0o600
    assert [row["username"] for row in rows(file.read_text())] == ["alice"]
    with pytest.raises(CommandError, match="exists"):
        export(str(file))


def test_names_in_csv_are_defused_and_in_json_lines_not(make_user: Callable[..., User]) -> None:
    make_user("-minus", first_name="=cmd|' /C calc'!A0")
    [row] = rows(export())
    assert (row["username"], row["first_name"]) == ("'-minus", "'=cmd|' /C calc'!A0")
    assert row["email"] == "'-minus@example.com"
    assert json.loads(export("--format", "jsonl"))["first_name"] == "=cmd|' /C calc'!A0"


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_an_export_with_hashes_can_be_imported_and_signed_in_with(
    client: Client, tmp_path: Path, make_user: Callable[..., User], form: str
) -> None:
    make_user("-minus", first_name="=1+1", last_name='Zoë "Z",\u3000X', is_active=True)
    make_user("off", role="moderator", is_active=False)
    Import(tmp_path, jsonl({"username": "waiting", "password": BCRYPT, "email_verified": True}))
    client.sign_in("-minus", PASSWORD)
    columns = [name for name in COLUMNS if name != "email_verified"]
    before = list(User.objects.order_by("pk").values_list(*columns))
    text = export("--format", form, "--with-password-hashes")
    User.objects.all().delete()
    done = Import(tmp_path, text, form=form)
    assert (done.error, done.summary["imported"], done.summary["ids_kept"]) == ("", 3, 3)
    assert list(User.objects.order_by("pk").values_list(*columns)) == before
    assert User.objects.get(username="waiting").email_verified is False
    Client().sign_in("-minus", PASSWORD)
    Client().sign_in("waiting", HASHED)
    stored: Any = User.objects.get(username="-minus").password
    assert stored.startswith("argon2$")
