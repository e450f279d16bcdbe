"""Gives a user another password, in the place of Django's command of this name."""

import sys
from typing import Any

from django.core.management.base import CommandError, CommandParser

from accounts.management.user_commands import password_of_stdin, typed_password, user_line
from accounts.services.passwords import set_password
from security.management.operator_command import OperatorCommand
from sessions_app.management.people import find_user


class Command(OperatorCommand):
    help = (
        "Give a user another password, which is asked for: their sessions end, and they are told "
        "by mail. The trail says who did it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", metavar="USER", help="an e-mail address or username")
        parser.add_argument(
            "--password-stdin", action="store_true", help="read the password from a line of stdin"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        user = find_user(options["user"])
        if not options["password_stdin"] and not sys.stdin.isatty():
            raise CommandError("There is no terminal to ask on: give --password-stdin.")
        password = password_of_stdin() if options["password_stdin"] else typed_password("Password")
        if not password:
            raise CommandError("No password was given.")
        set_password(user=user, new_password=password, actor=None, client=self.client())
        self.stdout.write(f"changed: {user_line(user)}")
