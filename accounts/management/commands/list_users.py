"""Lists users."""

from typing import Any

from django.core.management.base import CommandParser

from accounts.management.user_commands import user_line, user_row
from accounts.models import User
from accounts.services.registration import find_role
from security.management.operator_command import OperatorCommand

# Rows read at a time: the table may be larger than memory.
CHUNK = 1000


class Command(OperatorCommand):
    help = "List users, the newest first: id, status, role, tier, username, e-mail address."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--role", metavar="ROLE", help="who has this role")
        parser.add_argument("--tier", metavar="TIER", help="who is of this tier")
        status = parser.add_mutually_exclusive_group()
        status.add_argument("--active", action="store_true", default=None, help="who may sign in")
        status.add_argument("--inactive", action="store_false", dest="active", help="who may not")
        parser.add_argument(
            "--search", metavar="TEXT", help="whose e-mail address or username begins so"
        )
        parser.add_argument("--json", action="store_true", help="one JSON array on stdout")

    def handle(self, *args: Any, **options: Any) -> None:
        asked = {
            "role": options["role"] and find_role(options["role"]),
            "tier": options["tier"],
            "is_active": options["active"],
        }
        people = User.objects.filter(**{k: v for k, v in asked.items() if v is not None})
        if options["search"]:
            people = people.search(options["search"])
        found = people.iterator(CHUNK)
        if options["json"]:
            self.print_json_array(map(user_row, found))
            return
        for user in found:
            self.stdout.write(user_line(user))
