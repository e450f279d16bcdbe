"""Unlocks a user whose sign-ins failed too often."""

from typing import Any

from django.core.management.base import CommandParser

from accounts.services.lockout import unlock_user
from security.management.operator_command import OperatorCommand
from sessions_app.management.people import find_user


class Command(OperatorCommand):
    help = (
        "Forget the failed sign-ins of a user, and those with their names from before they had "
        "them: nobody has to wait any more. The trail says who did it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", metavar="USER", help="an e-mail address or username")
        parser.add_argument("--json", action="store_true", help="one JSON object on stdout")

    def handle(self, *args: Any, **options: Any) -> None:
        user = find_user(options["user"])
        failures = user.sign_in_failures.in_a_row if hasattr(user, "sign_in_failures") else 0
        unlocked = unlock_user(user=user, actor=None, client=self.client())
        if options["json"]:
            self.print_json({"user": user.pk, "failures": failures, "unlocked": unlocked})
            return
        verb = "unlocked" if unlocked else "was not locked"
        self.stdout.write(f"{verb}: {user.pk}, failed sign-ins in a row: {failures}")
