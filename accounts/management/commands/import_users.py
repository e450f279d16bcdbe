"""Takes over users of another system, with their password hashes."""

import json
import sys
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from django.core.management.base import CommandError, CommandParser
from django.db import DatabaseError

from accounts.management.user_files import read_rows
from accounts.models import Role
from accounts.services.import_rows import Rules
from accounts.services.import_sources import OURS, SOURCES
from accounts.services.imports import Left, Summary, import_users
from security.management.operator_command import OperatorCommand, operator_name

FORMATS = ("csv", "jsonl")


class Command(OperatorCommand):
    help = (
        "Import users from CSV or JSON lines. Who exists already is left as they are, so the same "
        "command run again goes on where an earlier run ended. Ends with 0 when every row was "
        "imported or existed, and with 1 when some were refused or it could not work."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", nargs="?", default="-", help="default: standard input")
        parser.add_argument("--format", choices=FORMATS, help="default: the file name's ending")
        parser.add_argument("--from", dest="source", choices=sorted(SOURCES), help="whose table")
        parser.add_argument(
            "--role-map", metavar="OLD=NEW", action="append", default=[], help="can be repeated"
        )
        parser.add_argument(
            "--default-role", metavar="ROLE", default=Role.USER, help="default: user"
        )
        parser.add_argument(
            "--allow-admins", action="store_true", help="import those who may do everything, too"
        )
        parser.add_argument("--dry-run", action="store_true", help="check every row, write nothing")
        parser.add_argument(
            "--report", metavar="FILE", help="JSON lines of the rows left out, and why"
        )
        parser.add_argument("--json", action="store_true", help="one JSON object on stdout")

    def handle(self, *args: Any, **options: Any) -> None:
        rules = _rules(options)
        try:
            with ExitStack() as stack:
                file = stack.enter_context(_opened(options["file"]))
                rows = read_rows(file, _format(options))
                report = None
                if options["report"]:
                    report = stack.enter_context(self.new_file(options["report"]))

                def leave(left: Left) -> None:
                    if report is not None:
                        report.write(json.dumps(asdict(left)) + "\n")

                summary = import_users(
                    rows,
                    rules=rules,
                    operator=operator_name(),
                    dry_run=options["dry_run"],
                    report=leave,
                    on_batch=lambda so_far: self.count(f"{so_far.read} rows"),
                )
        except (OSError, DatabaseError) as error:
            raise CommandError(
                f"The import stopped: {error}. Run it again: whoever was imported exists now."
            ) from error
        self.count(f"{summary.read} rows\n")
        self._sum_up(summary, options)

    def _sum_up(self, summary: Summary, options: dict[str, Any]) -> None:
        if options["json"]:
            self.print_json(asdict(summary) | {"dry_run": options["dry_run"]})
        else:
            verb = "would import" if options["dry_run"] else "imported"
            self.stdout.write(
                f"{verb} {summary.imported} of {summary.read} "
                f"({summary.exists} exist, {summary.refused} refused)"
            )
        if summary.refused:
            hint = "" if options["report"] else " --report FILE says which and why."
            raise CommandError(f"Refused rows: {summary.refused}.{hint}")


def _rules(options: dict[str, Any]) -> Rules:
    role_map: dict[str, str] = {}
    for pair in options["role_map"]:
        old, equals, new = pair.partition("=")
        if not (old and equals and new):
            raise CommandError(f"--role-map takes OLD=NEW, not {pair!r}.")
        role_map[old] = new
    wanted = {options["default_role"], *role_map.values()}
    unknown = wanted - set(Role.objects.filter(pk__in=wanted).values_list("pk", flat=True))
    if unknown:
        raise CommandError(f"There is no role {', '.join(sorted(unknown))}.")
    return Rules(
        role_map=role_map,
        default_role=options["default_role"],
        allow_admins=options["allow_admins"],
        source=SOURCES[options["source"]] if options["source"] else OURS,
    )


def _format(options: dict[str, Any]) -> str:
    ending = Path(options["file"]).suffix.removeprefix(".")
    form = options["format"] or ending
    if form not in FORMATS:
        raise CommandError("Say --format csv or --format jsonl; the file's name doesn't.")
    return str(form)


def _opened(path: str) -> AbstractContextManager[BinaryIO]:
    if path == "-":
        return nullcontext(sys.stdin.buffer)
    try:
        return Path(path).open("rb")
    except OSError as error:
        raise CommandError(f"{path} can't be read: {error.strerror}.") from error
