"""Says what to use in the place of Django's command of this name, which knows no roles."""

import argparse
from typing import Any

from django.core.management.base import CommandError, CommandParser

from security.management.operator_command import OperatorCommand


class Command(OperatorCommand):
    help = "Makes nobody: `create_user --role admin` makes an admin."
    # Whatever else is wrong, this is the answer.
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        # Django's, so that whoever types them reads the sentence, too.
        for name in ("--username", "--email", "--database"):
            parser.add_argument(name, help=argparse.SUPPRESS)
        parser.add_argument("--no-input", "--noinput", action="store_true", help=argparse.SUPPRESS)

    def handle(self, *args: Any, **options: Any) -> None:
        raise CommandError(
            "An admin is made by `manage.py create_user --username NAME --role admin`."
        )
