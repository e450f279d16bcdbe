"""Makes a user."""

import sys
from typing import Any

from django.core.management.base import CommandParser

from accounts.management.user_commands import password_of_stdin, typed_password, user_line, user_row
from accounts.models import Role
from accounts.services.registration import create_user
from security.management.operator_command import OperatorCommand


class Command(OperatorCommand):
    help = (
        "Make a user. On a terminal the password is asked for; an empty one, or none, makes a user "
        "who gets a link by e-mail to set one. The trail says who did it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--email", metavar="ADDRESS")
        parser.add_argument("--username", metavar="NAME")
        parser.add_argument("--first-name", default="", metavar="NAME")
        parser.add_argument("--last-name", default="", metavar="NAME")
        parser.add_argument("--role", default=Role.USER, metavar="ROLE", help="default: user")
        parser.add_argument("--tier", metavar="TIER", help="default: the first of AUTH_TIERS")
        parser.add_argument(
            "--service",
            action="store_true",
            help="a service account: a username, no password, no e-mail address",
        )
        parser.add_argument(
            "--password-stdin", action="store_true", help="read the password from a line of stdin"
        )
        parser.add_argument("--dry-run", action="store_true", help="only say what would happen")
        parser.add_argument("--json", action="store_true", help="one JSON object on stdout")

    def handle(self, *args: Any, **options: Any) -> None:
        names = ("email", "username", "first_name", "last_name", "role", "tier")
        password = self._password(options)
        user = create_user(
            **{name: options[name] for name in names},
            password=password,
            kind="service" if options["service"] else "person",
            actor=None,
            client=self.client(),
            dry_run=options["dry_run"],
        )
        if options["json"]:
            self.print_json({"user": user_row(user), "dry_run": options["dry_run"]})
            return
        verb = "would make" if options["dry_run"] else "made"
        self.stdout.write(f"{verb}: {user_line(user)}")

    def _password(self, options: dict[str, Any]) -> str | None:
        """Never an argument, which others on the machine could read. Raises CommandError."""
        if options["password_stdin"]:
            return password_of_stdin()
        if options["service"] or not sys.stdin.isatty():
            return None
        return typed_password("Password (empty: none)") or None
