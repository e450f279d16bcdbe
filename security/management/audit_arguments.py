"""What the commands about the trail are told."""

from argparse import ArgumentTypeError
from datetime import UTC, datetime
from uuid import UUID

from django.contrib.auth import get_user_model
from django.core.management.base import CommandParser

from security.audit import Kind


def moment(text: str) -> datetime:
    """A date or a time in ISO 8601; UTC where it names no offset."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError("write it as 2026-01-31 or 2026-01-31T12:00:00Z") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def user_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise ArgumentTypeError("write the user's id") from error


def link(text: str) -> tuple[int, str]:
    """A link of the chain as the log names it: SEQ:DIGEST."""
    seq, _, digest = text.partition(":")
    if not (seq.isascii() and seq.isdigit() and digest):
        raise ArgumentTypeError("write it as SEQ:DIGEST")
    return int(seq), digest.lower()


def user_exists(pk: UUID) -> bool:
    return bool(get_user_model()._default_manager.filter(pk=pk).exists())


def add_filters(parser: CommandParser) -> None:
    """Those of `security.audit_reading.find_events` that commands offer."""
    parser.add_argument("--since", type=moment, metavar="TIME", help="not before this time")
    parser.add_argument("--until", type=moment, metavar="TIME", help="before this time")
    parser.add_argument("--kind", choices=[str(kind) for kind in Kind], metavar="KIND")
    parser.add_argument("--user", type=user_id, metavar="ID", help="whose id is subject or actor")
