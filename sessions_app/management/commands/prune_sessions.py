"""Removes what nobody can use any more."""

from typing import Any

from django.core.management.base import CommandParser

from security.management.operator_command import OperatorCommand
from sessions_app.services.pruning import count_prunable, prune_exclusively


class Command(OperatorCommand):
    help = (
        "Delete sessions over for longer than AUTH_SESSION_RETENTION_DAYS, expired rows of "
        "SimpleJWT's blacklist and of the console's sessions; the worker does it every hour."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only count them")
        parser.add_argument("--json", action="store_true", help="one JSON object on stdout")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["dry_run"]:
            found = count_prunable()
        else:
            deleted = prune_exclusively()
            found = deleted or {}
            if deleted is None:
                self.tell("Another run is pruning just now, or ended badly less than 30 min ago.")
        if options["json"]:
            self.print_json({"deleted": found, "dry_run": options["dry_run"]})
            return
        verb = "would delete" if options["dry_run"] else "deleted"
        for table, rows in found.items():
            self.stdout.write(f"{table}: {verb} {rows}")
