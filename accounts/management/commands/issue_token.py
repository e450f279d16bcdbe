"""Prints an access token for an operator."""

import os
import pwd
from datetime import timedelta
from typing import Any

from django.core.management.base import CommandError, CommandParser

from accounts.services.operator_tokens import issue_token
from security.errors import AuthError
from security.management.operator_command import OperatorCommand
from sessions_app.management.people import find_user

MOST_MINUTES = 60


def operator() -> str:
    """Who runs this, as the operating system knows; sudo names whom it let do so."""
    uid = os.getuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:  # Containers commonly run as a number alone.
        name = f"uid {uid}"
    through = os.environ.get("SUDO_USER", "")
    return f"{name} (sudo by {through})" if through else name


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
        try:
            token = issue_token(
                user=find_user(options["user"]),
                lifetime=timedelta(minutes=int(given)),
                operator=operator(),
            )
        except AuthError as error:
            raise CommandError(error.detail) from error
        self.stdout.write(str(token))
