"""Lists the signing keys."""

from typing import Any

from django.core.management.base import CommandParser

from security.management.operator_command import OperatorCommand
from security.models import SigningKey


class Command(OperatorCommand):
    help = "List the signing keys, the newest first; no private part is ever shown."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON array on stdout")

    def handle(self, *args: Any, **options: Any) -> None:
        fields = ("kid", "algorithm", "state", "created_at", "activated_at", "verifies_until")
        rows = list(SigningKey.objects.values(*fields))
        if options["json"]:
            self.print_json(rows)
            return
        for row in rows:
            created = row["created_at"].isoformat(timespec="seconds")
            self.stdout.write(f"{row['kid']}  {row['algorithm']:5}  {row['state']:8}  {created}")
