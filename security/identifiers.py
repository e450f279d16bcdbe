"""Ids of rows, and the moments that are written in them."""

import secrets
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
LAST_MILLISECOND = (1 << 48) - 1


def uuid7() -> UUID:
    """A UUID whose order is that of its making (RFC 9562 section 5.7). Never a secret."""
    milliseconds = time.time_ns() // 1_000_000
    random = secrets.randbits(74)
    version_and_high = 0x7000 | random >> 62
    variant_and_low = 0b10 << 62 | random & (1 << 62) - 1
    return UUID(int=milliseconds << 80 | version_and_high << 64 | variant_and_low)


def moment_of(pk: UUID) -> datetime:
    """When a UUIDv7 was made, to the millisecond."""
    return EPOCH + (pk.int >> 80) * MILLISECOND


def least_uuid7(moment: datetime) -> UUID:
    """The least UUIDv7 that was not made before `moment`.

    So `pk >= least_uuid7(since)` and `pk < least_uuid7(until)` hold for exactly the rows whose
    `moment_of(pk)` lies in [since, until).
    """
    milliseconds = -((EPOCH - moment) // MILLISECOND)
    milliseconds = min(max(milliseconds, 0), LAST_MILLISECOND)
    return UUID(int=milliseconds << 80 | 0x7000 << 64 | 0b10 << 62)
