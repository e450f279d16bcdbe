"""Writes the audit trail out."""

import csv
import json
from collections.abc import Iterable
from contextlib import nullcontext
from typing import Any, TextIO

from django.core.management.base import CommandParser

from security.audit_reading import TOLD, find_events
from security.csv_cells import defused
from security.management.audit_arguments import add_filters
from security.management.operator_command import OperatorCommand
from security.models import AuditEvent

# Beyond what the API tells: the place in the chain.
COLUMNS = TOLD | {"seq": "seq", "digest": "digest"}


def _row(event: AuditEvent) -> dict[str, Any]:
    row = {name: getattr(event, attribute) for name, attribute in COLUMNS.items()}
    return row | {"created_at": event.created_at.isoformat()}


class Command(OperatorCommand):
    help = (
        "Export audit events, the oldest first, as JSON lines or as CSV that is safe to open in a "
        "spreadsheet; to a new file that only its owner can read, or to stdout."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", nargs="?", default="-", help="default: standard output")
        add_filters(parser)
        parser.add_argument("--format", choices=tuple(WRITERS), default="jsonl")

    def handle(self, *args: Any, **options: Any) -> None:
        conditions = {name: options[name] for name in ("since", "until", "kind", "user")}
        rows = map(_row, find_events(**conditions).stream())
        path = options["file"]
        opened: Any = nullcontext(self.stdout) if path == "-" else self.new_file(path)
        with opened as file:
            WRITERS[options["format"]](file, rows)


def _write_csv(file: TextIO, rows: Iterable[dict[str, Any]]) -> None:
    # Every cell in quotes, so that no separator within one begins another.
    writer = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        row["details"] = json.dumps(row["details"])
        writer.writerow("" if row[name] is None else defused(str(row[name])) for name in COLUMNS)


def _write_json_lines(file: TextIO, rows: Iterable[dict[str, Any]]) -> None:
    for row in rows:
        file.write(json.dumps(row, default=str) + "\n")


WRITERS = {"jsonl": _write_json_lines, "csv": _write_csv}
