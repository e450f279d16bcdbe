"""Prints an access token for an operator."""

from datetime import timedelta
from typing import Any

from django.core.management.base import CommandError, CommandParser

from accounts.services.operator_tokens import issue_token
from security.management.operator_command import OperatorCommand
from sessions_app.management.people import find_user

MOST_MINUTES = 60


class Command(OperatorCommand):
    help = (
        "Open a short session for a user and print its access token, and nothing else, on stdout. "
        "There is no refresh token; the session ends with the token. The trail says who did it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", metavar="IDENTIFIER", help="an e-mail address or username")
        parser.add_argument(
            "--minutes", default="5", help=f"how long, at most {MOST_MINUTES} (default: 5)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        given = str(options["minutes"])
        if not (given.isascii() and given.isdigit() and 1 <= int(given) <= MOST_MINUTES):
            raise CommandError(f"--minutes takes 1 to {MOST_MINUTES}, not {given!r}.")
        token = issue_token(
            user=find_user(options["user"]),
            lifetime=timedelta(minutes=int(given)),
            client=self.client(),
        )
        self.stdout.write(str(token))
