"""Rotates the signing keys, or revokes one."""

from typing import Any

from django.core.management.base import CommandParser

from security.key_rotation import ensure_first_keys, retire_expired, revoke, rotate
from security.management.operator_command import OperatorCommand


class Command(OperatorCommand):
    help = (
        "Let the next signing key sign and publish another. Tokens signed before stay valid. "
        "Repeated within the time that other services may cache the keys, it changes nothing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--revoke",
            metavar="KID",
            help="end this key at once: its tokens are refused (--revoke=KID for one with a dash)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["revoke"]:
            revoke(options["revoke"], client=self.client())
            self.stdout.write(f"revoked {options['revoke']}")
            return
        if ensure_first_keys():
            self.stdout.write("first keys made")
            return
        retire_expired()
        kid = rotate(client=self.client())
        self.stdout.write(f"current {kid}" if kid else "nothing to do: rotated a moment ago")
