"""What the commands about the trail are told."""

from argparse import ArgumentTypeError
from datetime import UTC, datetime
from uuid import UUID

from django.contrib.auth import get_user_model


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
