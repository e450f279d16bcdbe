"""`import_users`: what becomes of each row, of each file, and of an import that is cut off."""

import io
import json
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.management import user_files
from accounts.models import OneTimeToken, User
from accounts.models.one_time_token import Purpose
from accounts.services import imports
from accounts.services.email_change import undo_email_change
from accounts.services.one_time_tokens import issue
from accounts.services.users import delete_user
from security.client_info import ClientInfo
from security.models import AuditEvent
from tests.accounts.importing import BCRYPT, HASHED, HASHES, Import, jsonl
from tests.client import Client

pytestmark = pytest.mark.django_db
SCRYPT = HASHES["werkzeug 3.1.9 scrypt"]
ARGON2 = HASHES["passlib 1.7.4 argon2"]
UUID_4 = "0b3f8a52-6f0c-4a5e-9d0e-2f6b1c7d8e90"


def person(name: str, **cells: Any) -> dict[str, Any]:
    return {"email": f"{name}@example.com", "username": name, "password": BCRYPT, **cells}


def csv_of(*lines: str) -> str:
    return "\n".join(("email,username,password", *lines, ""))


def test_every_column_is_taken_over(tmp_path: Path) -> None:
    row = person(
        "ada",
        id=UUID_4,
        first_name="Ada",
        last_name="Lovelace",
        role="moderator",
        tier="premium",
        is_active="f",
        email_verified=True,
        created_at="2021-03-04 05:06:07+00",
        last_login="2022-03-04T05:06:07.123Z",
    )
    done = Import(tmp_path, jsonl(row))
    assert done.summary == {
        "read": 1,
        "imported": 1,
        "exists": 0,
        "refused": 0,
        "ids_kept": 1,
        "dry_run": False,
    }
    user = User.objects.get()
    assert (user.pk, user.email, user.username) == (UUID(UUID_4), "ada@example.com", "ada")
    assert (user.first_name, user.last_name, user.role_id) == ("Ada", "Lovelace", "moderator")
    assert (user.tier, user.is_active, user.email_verified) == ("premium", False, True)
    assert user.created_at.isoformat() == "2021-03-04T05:06:07+00:00"
    assert user.last_login is not None
    assert user.last_login.isoformat() == "2022-03-04T05:06:07.123000+00:00"


def test_what_a_row_does_not_say_has_a_default(tmp_path: Path) -> None:
    Import(tmp_path, jsonl({"username": "ada", "password": BCRYPT, "full_name": "Ada King Byron"}))
    user = User.objects.get()
    assert (user.first_name, user.last_name) == ("Ada", "King Byron")
    assert (user.role_id, user.tier, user.is_active) == ("user", "free", True)
    assert (user.email, user.email_verified, user.last_login) == (None, False, None)
    assert user.pk.version == 7


def test_an_account_without_a_password_gets_none_that_anybody_knows(tmp_path: Path) -> None:
    Import(tmp_path, jsonl(person("ada", password="!")))
    assert not User.objects.get().has_usable_password()


@pytest.mark.parametrize(
    ("cells", "field", "code"),
    [
        ({"email": "", "username": None}, "email", "required"),
        ({"email": "ada"}, "email", "invalid"),
        ({"email": "=?utf-8?q?ada?=@example.com"}, "email", "invalid"),
        ({"email": "ada@b\u00fccher.example"}, "email", "invalid"),
        ({"username": "ada@home"}, "username", "invalid"),
        ({"username": "\u0430da"}, "username", "mixed_scripts"),
        ({"email": "a" * 250 + "@example.com"}, "email", "max_length"),
        ({"role": "emperor"}, "role", "unknown"),
        ({"role": "admin"}, "role", "privileged"),
        ({"tier": "gold"}, "tier", "unknown"),
        ({"is_active": "perhaps"}, "is_active", "invalid"),
        ({"email_verified": 2}, "email_verified", "invalid"),
        ({"created_at": "yesterday"}, "created_at", "invalid"),
        ({"created_at": "0000-00-00 00:00:00"}, "created_at", "invalid"),
        ({"last_login": "9999-12-31T23:59:59-23:59"}, "last_login", "invalid"),
        ({"first_name": "x" * 151}, "name", "too_long"),
        ({"first_name": "x" * 1025}, "first_name", "too_long"),
        ({"first_name": "a\nb"}, "first_name", "invalid"),
        ({"first_name": "a\0b"}, "first_name", "invalid"),
        ({"first_name": "\ud800"}, "first_name", "invalid"),
        ({"first_name": ["Ada"]}, "first_name", "invalid"),
        ({"first_name": 1.5}, "first_name", "invalid"),
        ({"password": None}, "password", "required"),
    ],
)
def test_a_row_that_is_not_sound_is_refused_and_the_others_are_not(
    tmp_path: Path, cells: dict[str, Any], field: str, code: str
) -> None:
    rows = (person("first"), person("ada") | cells, person("last"))
    done = Import(tmp_path, jsonl(*rows))
    assert done.reasons == [(2, field, code)]
    assert done.error == "Refused rows: 1."
    assert (done.summary["imported"], done.summary["refused"]) == (2, 1)


def test_the_report_never_repeats_a_cell(tmp_path: Path) -> None:
    """Where columns are out of step, any cell can be the hash."""
    names = ("email", "username", "role", "tier", "is_active", "created_at", "id")
    rows = [person(f"user{n}") | {name: BCRYPT} for n, name in enumerate(names)]
    done = Import(tmp_path, jsonl(*rows))
    assert len(done.left) == len(names) - 1  # What is no UUID is no id to keep, and that is all.
    assert BCRYPT[7:] not in done.report


def test_roles_can_be_renamed_defaulted_and_admins_let_in(tmp_path: Path) -> None:
    rows = (person("a", role="staff"), person("b"), person("c", role="admin"))
    options = ("--role-map", "staff=moderator", "--default-role", "guest", "--allow-admins")
    assert Import(tmp_path, jsonl(*rows), *options).error == ""
    roles = dict(User.objects.values_list("username", "role_id"))
    assert roles == {"a": "moderator", "b": "guest", "c": "admin"}


@pytest.mark.parametrize(
    "options",
    [
        ("--role-map", "staff"),
        ("--role-map", "staff=emperor"),
        ("--default-role", "emperor"),
        ("--report", "/nowhere/report"),
        ("--format", "xml"),
    ],
)
def test_a_wrong_option_ends_it_before_the_first_row(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    file = tmp_path / "users.jsonl"
    file.write_text(jsonl(person("ada")))
    with pytest.raises(CommandError):
        call_command("import_users", str(file), *options)
    assert not User.objects.exists()


def test_neither_the_report_nor_the_file_itself_can_be_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "users.jsonl"
    file.write_text(jsonl(person("ada")))
    with pytest.raises(CommandError, match="exists"):
        call_command("import_users", str(file), "--report", str(file))
    assert file.read_text() == jsonl(person("ada"))


def test_an_id_that_is_taken_or_no_uuid_is_replaced(tmp_path: Path, alice: User) -> None:
    rows = (
        person("ada", id=str(alice.pk)),
        person("grace", id=UUID_4),
        person("joan", id=UUID_4),
        person("kay", id=17),
    )
    done = Import(tmp_path, jsonl(*rows))
    assert (done.summary["imported"], done.summary["ids_kept"]) == (4, 1)
    assert User.objects.get(pk=UUID_4).username == "grace"


def test_the_id_of_a_deleted_user_is_given_to_nobody(tmp_path: Path, alice: User) -> None:
    delete_user(user=alice, actor=None)
    done = Import(tmp_path, jsonl(person("alice", id=str(alice.pk))))
    assert (done.summary["imported"], done.summary["ids_kept"]) == (1, 0)
    assert User.objects.get(username="alice").pk != alice.pk


def test_who_exists_is_left_as_they_are(tmp_path: Path, alice: User) -> None:
    rows = (
        person("ALICE", email=None, role="guest"),
        person("x", email="Alice@EXAMPLE.com"),
        person("new"),
    )
    done = Import(tmp_path, jsonl(*rows))
    assert done.error == ""
    assert [(left["line"], left["result"]) for left in done.left] == [(1, "exists"), (2, "exists")]
    password = alice.password
    alice.refresh_from_db()
    assert (alice.role_id, alice.password) == ("user", password)


def test_an_address_that_somebody_may_take_back_is_refused_until_they_can_not(
    tmp_path: Path, alice: User
) -> None:
    """The way back from a stolen account; a second account with the address would close it."""
    with transaction.atomic():
        link = issue(user=alice, purpose=Purpose.UNDO_EMAIL_CHANGE, email="alice@example.com")
        User.objects.filter(pk=alice.pk).update(email="t@example.com", email_key="t@example.com")
    rows = (person("new"), person("x", email="Alice@EXAMPLE.com"))
    for options in (["--dry-run"], []):
        done = Import(tmp_path, jsonl(*rows), *options)
        assert done.reasons == [(2, "email", "already_registered")]
        assert (done.summary["imported"], done.summary["refused"]) == (1, 1)
    undo_email_change(token=link.text, client=ClientInfo())
    alice.refresh_from_db()
    assert alice.email == "alice@example.com"


def test_an_address_can_be_imported_when_nobody_can_take_it_back_any_more(
    tmp_path: Path, alice: User
) -> None:
    with transaction.atomic():
        issue(user=alice, purpose=Purpose.UNDO_EMAIL_CHANGE, email="old@example.com")
    OneTimeToken.objects.update(expires_at=timezone.now())
    assert Import(tmp_path, jsonl(person("old"))).summary["imported"] == 1


def test_rows_that_repeat_another_are_refused_in_the_first_run_and_in_the_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "BATCH", 2)
    rows = (
        person("ada"),
        person("b"),
        person("ADA", email=None),
        person("c", email="B@example.com"),
    )
    for imported, dry in ((2, ["--dry-run"]), (2, []), (0, [])):
        done = Import(tmp_path, jsonl(*rows), *dry)
        assert done.summary["imported"] == imported
        refused = [left for left in done.left if left["result"] == "refused"]
        assert [left["line"] for left in refused] == [3, 4]
        assert refused[0]["reason"] == "Line 1 has the same e-mail address or username."


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    done = Import(tmp_path, jsonl(person("ada"), person("b", tier="gold")), "--dry-run")
    assert (done.summary["imported"], done.summary["refused"]) == (1, 1)
    assert done.summary["dry_run"] is True
    assert not User.objects.exists()
    assert not AuditEvent.objects.filter(kind="users.imported").exists()


def test_an_import_that_was_cut_off_goes_on_where_it_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "BATCH", 2)
    text = jsonl(*(person(f"user{number}") for number in range(7)))
    record, calls = imports._record, iter((True, True, False))

    def dying(*batch: Any) -> None:
        record(*batch)
        if not next(calls):
            raise KeyboardInterrupt

    monkeypatch.setattr(imports, "_record", dying)
    with pytest.raises(KeyboardInterrupt):
        Import(tmp_path, text)
    assert User.objects.count() == 4
    assert AuditEvent.objects.filter(kind="users.imported").count() == 2
    monkeypatch.setattr(imports, "_record", record)
    done = Import(tmp_path, text)
    assert (done.summary["exists"], done.summary["imported"]) == (4, 3)


def test_a_registration_between_look_and_write_costs_only_its_own_row(
    tmp_path: Path, make_user: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    free, looks = imports._free, iter((True, False))

    def overtaken(*args: Any) -> Any:
        found = list(free(*args))
        if next(looks):
            make_user("b")
        return found

    monkeypatch.setattr(imports, "_free", overtaken)
    done = Import(tmp_path, jsonl(person("a"), person("b"), person("c", created_at="2020-01-01")))
    assert (done.summary["imported"], done.summary["exists"]) == (2, 1)
    assert User.objects.get(username="c").created_at.year == 2020
    event = AuditEvent.objects.get(kind="users.imported")
    assert event.details["count"] == len(event.details["users"]) == 2


def test_a_refusal_of_the_database_ends_the_import_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusing(*_batch: Any) -> None:
        raise IntegrityError("no such role")

    monkeypatch.setattr(imports, "_record", refusing)
    done = Import(tmp_path, jsonl(person("ada")))
    assert done.error.startswith("The import stopped: no such role. Run it again")
    assert done.summary == {}


def test_the_trail_has_one_event_a_batch_with_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "BATCH", 2)
    Import(tmp_path, jsonl(*(person(f"user{number}") for number in range(3))))
    # Not by id: two of one millisecond are in no order.
    events = AuditEvent.objects.filter(kind="users.imported")
    first, second = sorted(events, key=lambda event: event.details["first_line"])
    assert (first.details["first_line"], first.details["last_line"]) == (1, 2)
    assert (second.details["count"], second.details["first_line"]) == (1, 3)
    named = first.details["users"] + second.details["users"]
    assert set(named) == {str(pk) for pk in User.objects.values_list("pk", flat=True)}
    assert first.details["operator"]


def test_a_batch_costs_the_same_few_statements_however_many_users_it_has(tmp_path: Path) -> None:
    def statements(prefix: str, count: int) -> int:
        text = jsonl(*(person(f"{prefix}{n}", created_at="2020-01-01") for n in range(count)))
        with CaptureQueriesContext(connection) as captured:
            Import(tmp_path, text)
        found = [query["sql"] for query in captured.captured_queries]
        return len([sql for sql in found if sql.startswith(("SELECT", "INSERT", "UPDATE"))])

    assert statements("few", 2) == statements("many", 40)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_csv_is_read_with_quotes_blank_lines_and_either_line_end(
    tmp_path: Path, encoding: str
) -> None:
    text = (
        "email,note,full_name,password\r\n"
        f'ada@example.com,"two\r\nlines, and a ""quote""","King, Ada",{BCRYPT}\r\n'
        "\n"
        f"b@example.com,,Zoë,{BCRYPT}\n"
    )
    done = Import(tmp_path, text.encode(encoding), form="csv")
    assert done.error == ""
    assert list(User.objects.order_by("email").values_list("first_name", "last_name")) == [
        ("King,", "Ada"),
        ("Zoë", ""),
    ]


def test_a_broken_line_costs_itself_alone(tmp_path: Path) -> None:
    lines = [
        csv_of().encode().strip(),
        b"good1@example.com,good1," + BCRYPT.encode(),
        b'open@example.com,"open,' + BCRYPT.encode(),
        b"good2@example.com,good2," + BCRYPT.encode(),
        b"bad\xffbytes@example.com,bad," + BCRYPT.encode(),
        b"n\0l@example.com,nul," + BCRYPT.encode(),
        b"short@example.com," + BCRYPT.encode(),
        b"long@example.com,long,x," + BCRYPT.encode(),
        b"x" * (3 * user_files.LONGEST_LINE) + b",huge," + BCRYPT.encode(),
        b'q@example.com,"a"b,' + BCRYPT.encode(),
        b'"good3@example.com","good3",' + BCRYPT.encode(),
        b'last@example.com,"last,' + BCRYPT.encode(),
    ]
    done = Import(tmp_path, b"\n".join(lines), form="csv")
    assert set(User.objects.values_list("username", flat=True)) == {"good1", "good2", "good3"}
    assert [left["line"] for left in done.left] == [3, 5, 6, 7, 8, 9, 10, 12]
    assert {left["code"] for left in done.left} == {"unreadable"}


def test_a_quote_that_is_never_closed_costs_its_line_alone(tmp_path: Path) -> None:
    good = [f"user{n}@example.com,user{n},{BCRYPT}" for n in range(200)]
    done = Import(tmp_path, csv_of(f'"x@example.com,x,{BCRYPT}', *good), form="csv")
    assert done.reasons == [(2, "row", "unreadable")]
    assert done.summary["imported"] == 200


@pytest.mark.parametrize(
    "line", ["{", "[1]", "null", "[" * 60_000, '{"id": ' + "9" * 5000 + "}", "{}x", '"ada"']
)
def test_a_line_that_is_no_json_object_costs_itself_alone(tmp_path: Path, line: str) -> None:
    done = Import(tmp_path, jsonl(person("a")) + line + "\n\n" + jsonl(person("b")))
    assert done.reasons == [(2, "row", "unreadable")]
    assert done.summary["imported"] == 2


@pytest.mark.parametrize("text", ["", "\n", "email,email\n", b"\xff\xfee\0m\0"])
def test_a_csv_file_without_a_usable_head_is_refused_as_a_whole(
    tmp_path: Path, text: str | bytes
) -> None:
    assert Import(tmp_path, text, form="csv").error.startswith("The first line ")


def test_it_reads_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    text = jsonl(person("ada"))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    out = io.StringIO()
    call_command("import_users", "--format", "jsonl", stdout=out)
    assert out.getvalue() == "imported 1 of 1 (0 exist, 0 refused)\n"
    with pytest.raises(CommandError, match="--format"):
        call_command("import_users")


def test_progress_is_shown_where_a_person_looks(tmp_path: Path) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    file = tmp_path / "users.jsonl"
    file.write_text(jsonl(person("ada"), person("b")))
    err = Terminal()
    call_command("import_users", str(file), stdout=io.StringIO(), stderr=err)
    assert err.getvalue() == "\r2 rows\r2 rows\n"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"none\.csv can't be read: No such file"):
        call_command("import_users", str(tmp_path / "none.csv"))


SOURCES = {
    "construction-hazard": (
        "id,username,password_hash,role,is_active,created_at,updated_at\n"
        f"7,ada,{SCRYPT},model_manager,1,2024-02-03 04:05:06,\\N\n",
        {"username": "ada", "role_id": "model_manager", "is_active": True},
    ),
    "fastapi-rbac": (
        "id,email,hashed_password,full_name,role,is_active,created_at\n"
        f"7,ada@example.com,{HASHES['bcrypt 4.0.1 2b']},Ada Byron,MODERATOR,t,"
        "2024-02-03 04:05:06\n",
        {"email": "ada@example.com", "last_name": "Byron", "role_id": "moderator"},
    ),
    "jwt-redis": (
        "user_id,email,password_hash,first_name,last_name,created_at\n"
        f"{UUID_4},ada@example.com,{json.dumps(HASHES['argon2-cffi 25.1.0'])},Ada,Byron,"
        "2024-02-03 04:05:06.789\n",
        {"pk": UUID(UUID_4), "email": "ada@example.com", "role_id": "user"},
    ),
    "inwren": (
        "id,email,hashed_password,is_active,is_superuser,tier,hashed_refresh_token,created_at\n"
        f'{UUID_4},ada@example.com,"{ARGON2}",true,true,premium,,2024-02-03 04:05:06+00\n',
        {"pk": UUID(UUID_4), "tier": "premium", "role_id": "admin"},
    ),
    "fastapi-starter": (
        "id,email,username,hashed_password,is_active,is_admin,firstname,lastname,created_at,"
        "last_logged_in\n"
        f"7,ada@example.com,ada,{HASHES['passlib 1.7.4 bcrypt']},1,0,Ada,Byron,"
        "2024-02-03 04:05:06,2025-01-01 00:00:00\n",
        {"username": "ada", "first_name": "Ada", "last_name": "Byron", "role_id": "user"},
    ),
}


@pytest.mark.parametrize("name", SOURCES)
def test_a_table_of_a_source_system_is_taken_over_as_it_was_dumped(
    client: Client, tmp_path: Path, name: str
) -> None:
    text, expected = SOURCES[name]
    options = ("--from", name, "--allow-admins")
    assert Import(tmp_path, text, *options, form="csv").error == ""
    user = User.objects.get(**expected)
    assert user.created_at.isoformat()[:19] == "2024-02-03T04:05:06"
    client.sign_in(user.username or user.email or "", HASHED)


def test_an_admin_flag_needs_allow_admins(tmp_path: Path) -> None:
    row = {"email": "a@example.com", "hashed_password": ARGON2, "is_superuser": True}
    done = Import(tmp_path, jsonl(row), "--from", "inwren")
    assert done.reasons == [(1, "role", "privileged")]
