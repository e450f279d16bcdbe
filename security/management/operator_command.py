"""What the commands for operators have in common: data on stdout, talk on stderr, exit codes."""

import json
import os
import pwd
import sys
from collections.abc import Iterable
from datetime import datetime
from typing import Any, TextIO

from django.core.management.base import BaseCommand, CommandError, CommandParser

from security.client_info import ClientInfo
from security.errors import AuthError


def _plain(text: str) -> str:
    return text


def _text(value: Any) -> str:
    """What JSON has no type for: moments as ISO 8601, ids as they are written."""
    return value.isoformat() if isinstance(value, datetime) else str(value)


def operator_name() -> str:
    """Who runs this, as the operating system knows; sudo names whom it let do so."""
    uid = os.getuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:  # Containers commonly run as a number alone.
        name = f"uid {uid}"
    through = os.environ.get("SUDO_USER", "")
    return f"{name} (sudo by {through})" if through else name


def printable(text: str) -> str:
    """Text that users wrote, without control characters for the operator's terminal."""
    return "".join(c if c.isprintable() else "?" for c in text)


def _is_text(argument: str) -> bool:
    """Bytes of the terminal that are not UTF-8 arrive as halves of surrogate pairs (PEP 383)."""
    try:
        argument.encode()
    except UnicodeEncodeError:
        return False
    return True


class OperatorCommand(BaseCommand):
    """A command that scripts can use: 0 when it did its work, 1 when it could not."""

    def create_parser(self, prog_name: str, subcommand: str, **options: Any) -> CommandParser:
        end = "Ends with 0 when it did its work, and with 1, a reason on stderr, when it could not."
        return super().create_parser(prog_name, subcommand, **{"epilog": end} | options)

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Raises CommandError for what a service refuses."""
        try:
            return super().execute(*args, **options)
        except AuthError as error:
            raise CommandError(error.sentences) from error

    def client(self) -> ClientInfo:
        """For services: this command, and who runs it."""
        return ClientInfo(
            user_agent=type(self).__module__.rpartition(".")[2], operator=operator_name()
        )

    def run_from_argv(self, argv: list[str]) -> None:
        if not all(_is_text(argument) for argument in argv):
            self.stderr.write("CommandError: An argument is not text in UTF-8.")
            sys.exit(1)
        try:
            super().run_from_argv(argv)
        except SystemExit as ended:
            # argparse ends with 2 where Django's own refusals end with 1.
            raise SystemExit(1 if ended.code == 2 else ended.code) from None

    def print_json(self, value: Any) -> None:
        self.stdout.write(json.dumps(value, default=_text))

    def print_json_array(self, values: Iterable[Any]) -> None:
        """One array, written as it is read."""
        before = "["
        for value in values:
            self.stdout.write(before + json.dumps(value, default=_text), ending="")
            before = ",\n"
        self.stdout.write("[]" if before == "[" else "]")

    def tell(self, text: str) -> None:
        """A line for the person at the terminal; never part of the data."""
        self.stderr.write(text, _plain)

    def new_file(self, path: str) -> TextIO:
        """A file that nobody but its owner reads. Raises CommandError, also where one exists."""
        try:
            made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise CommandError(f"{path} can't be made: {error.strerror}.") from error
        return open(made, "w", encoding="utf-8", newline="")

    def progress(self, done: int, total: int) -> None:
        """How far it is, in place, where a person is looking."""
        if self.stderr.isatty():
            self.stderr.write(f"\r{done} of {total}", _plain, ending="\n" if done >= total else "")

    def count(self, text: str) -> None:
        """The same where nobody knows the total."""
        if self.stderr.isatty():
            self.stderr.write(f"\r{text}", _plain, ending="")
