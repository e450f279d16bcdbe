"""Gives a user another role."""

from typing import Any

from django.core.management.base import CommandParser

from accounts.management.user_commands import UserChange


class Command(UserChange):
    help = (
        "Give a user another role, which counts at once, also for tokens already issued. The last "
        "active admin keeps theirs. The trail says who did it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("role", metavar="ROLE", help="the name of a role")

    def changes(self, options: dict[str, Any]) -> dict[str, Any]:
        return {"role": options["role"]}
