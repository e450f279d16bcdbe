"""What the commands for operators have in common: data on stdout, talk on stderr, exit codes."""

import json
from collections.abc import Iterable
from typing import Any

from django.core.management.base import BaseCommand


def _plain(text: str) -> str:
    return text


class OperatorCommand(BaseCommand):
    """A command that scripts can use: 0 when it did its work, 1 when it could not."""

    def run_from_argv(self, argv: list[str]) -> None:
        try:
            super().run_from_argv(argv)
        except SystemExit as ended:
            # argparse ends with 2 where Django's own refusals end with 1.
            raise SystemExit(1 if ended.code == 2 else ended.code) from None

    def print_json(self, value: Any) -> None:
        self.stdout.write(json.dumps(value, default=str))

    def print_json_array(self, values: Iterable[Any]) -> None:
        """One array, written as it is read."""
        before = "["
        for value in values:
            self.stdout.write(before + json.dumps(value, default=str), ending="")
            before = ",\n"
        self.stdout.write("[]" if before == "[" else "]")

    def tell(self, text: str) -> None:
        """A line for the person at the terminal; never part of the data."""
        self.stderr.write(text, _plain)

    def progress(self, done: int, total: int) -> None:
        """How far it is, in place, where a person is looking."""
        if self.stderr.isatty():
            self.stderr.write(f"\r{done} of {total}", _plain, ending="\n" if done >= total else "")
