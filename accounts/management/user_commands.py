"""What the commands about users share."""

import getpass
import sys
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import transaction

from accounts.models import User
from accounts.services.users import change_user
from security.management.operator_command import OperatorCommand, printable
from sessions_app.management.people import find_user

# Those shown by --json as they are.
FIELDS = (
    "id",
    "username",
    "email",
    "first_name",
    "last_name",
    "role_id",
    "tier",
    "is_active",
    "email_verified_at",
    "created_at",
    "last_login",
)


def user_row(user: User) -> dict[str, Any]:
    """A user as commands print them in JSON."""
    return {name.removesuffix("_id"): getattr(user, name) for name in FIELDS}


def user_line(user: User) -> str:
    """The same on one line of a terminal."""
    state = "active" if user.is_active else "inactive"
    shown = (user.pk, state, user.role_id, user.tier, user.username or "-", user.email or "-")
    return printable("  ".join(map(str, shown)))


def password_of_stdin() -> str:
    """A line of it. Raises CommandError."""
    password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise CommandError("There is no password on stdin.")
    return password


def typed_password(prompt: str) -> str:
    """What a person types twice, unseen; or "" that they type once. Raises CommandError."""
    try:
        password = getpass.getpass(f"{prompt}: ")
        again = getpass.getpass("The same again: ") if password else password
    except EOFError as error:
        raise CommandError("No password was given.") from error
    if password != again:
        raise CommandError("The two passwords differ.")
    return password


class UserChange(OperatorCommand):
    """A command that changes one user, or says what it would change."""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", metavar="USER", help="an e-mail address or username")
        parser.add_argument("--dry-run", action="store_true", help="only say what would happen")
        parser.add_argument("--json", action="store_true", help="one JSON object on stdout")

    def changes(self, options: dict[str, Any]) -> dict[str, Any]:
        """What is set, as `change_user` takes it."""
        raise NotImplementedError

    def handle(self, *args: Any, **options: Any) -> None:
        user = find_user(options["user"])
        with transaction.atomic():
            changed = change_user(
                user=user, changes=self.changes(options), actor=None, client=self.client()
            )
            # A dry run is the real one, taken back: it meets every refusal that would come.
            transaction.set_rollback(options["dry_run"])
        different = (user.role_id, user.is_active) != (changed.role_id, changed.is_active)
        if options["json"]:
            told = {"changed": different, "dry_run": options["dry_run"]}
            self.print_json({"user": user_row(changed)} | told)
            return
        verb = "would change" if options["dry_run"] else "changed"
        self.stdout.write(f"{verb if different else 'unchanged'}: {user_line(changed)}")
