"""Erases what the audit trail tells of a person who is no user any more."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError, CommandParser

from security.audit import erase
from security.management.audit_arguments import user_exists, user_id
from security.management.operator_command import OperatorCommand, operator_name


@dataclass
class Person:
    pk: UUID


class Command(OperatorCommand):
    help = (
        "Erase addresses, user agents, names and e-mail addresses from the audit events by or "
        "about a deleted user. What happened and when stays, and the chain stays whole."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user_id", type=user_id, metavar="USER_ID")

    def handle(self, *args: Any, **options: Any) -> None:
        pk = options["user_id"]
        if user_exists(pk):
            raise CommandError("This user exists. Delete them first: the trail of a user is kept.")
        self.stdout.write(f"erased {erase(Person(pk), operator=operator_name())}")
