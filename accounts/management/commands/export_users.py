"""Writes users out."""

import csv
import json
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from typing import Any, TextIO

from django.core.management.base import CommandError, CommandParser

from accounts.models import Role
from accounts.services.exports import COLUMNS, export_users
from security.csv_cells import defused
from security.management.operator_command import OperatorCommand, operator_name


class Command(OperatorCommand):
    help = (
        "Export users as CSV, safe to open in a spreadsheet, or as JSON lines; to a new file that "
        "only its owner can read, or to stdout. Without password hashes unless asked for."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", nargs="?", default="-", help="default: standard output")
        parser.add_argument("--format", choices=tuple(WRITERS), default="csv", help="default: csv")
        parser.add_argument("--role", help="only users with this role")
        activity = parser.add_mutually_exclusive_group()
        activity.add_argument("--active", action="store_true", help="only active users")
        activity.add_argument("--inactive", action="store_true", help="only inactive users")
        parser.add_argument(
            "--with-password-hashes", action="store_true", help="for import_users elsewhere"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        role = options["role"]
        if role is not None and not Role.objects.filter(pk=role).exists():
            raise CommandError(f"There is no role {role}.")
        hashes = options["with_password_hashes"]
        users = export_users(
            role=role,
            is_active=options["active"] if options["active"] or options["inactive"] else None,
            with_password_hashes=hashes,
            operator=operator_name(),
        )
        columns = (*COLUMNS, "password") if hashes else COLUMNS
        path = options["file"]
        opened: Any = nullcontext(self.stdout) if path == "-" else self.new_file(path)
        with opened as file:
            WRITERS[options["format"]](file, columns, users)


def _write_csv(file: TextIO, columns: Iterable[str], users: Iterable[dict[str, Any]]) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    for user in users:
        writer.writerow(map(_cell, user.values()))


def _write_json_lines(
    file: TextIO, columns: Iterable[str], users: Iterable[dict[str, Any]]
) -> None:
    for user in users:
        file.write(json.dumps(user) + "\n")


WRITERS: dict[str, Callable[[TextIO, Iterable[str], Iterable[dict[str, Any]]], None]] = {
    "csv": _write_csv,
    "jsonl": _write_json_lines,
}


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return defused(value) if isinstance(value, str) else value
