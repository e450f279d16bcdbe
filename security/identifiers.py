"""Ids of rows."""

import secrets
import time
from uuid import UUID


def uuid7() -> UUID:
    """A UUID whose order is that of its making (RFC 9562 section 5.7). Never a secret."""
    milliseconds = time.time_ns() // 1_000_000
    random = secrets.randbits(74)
    version_and_high = 0x7000 | random >> 62
    variant_and_low = 0b10 << 62 | random & (1 << 62) - 1
    return UUID(int=milliseconds << 80 | version_and_high << 64 | variant_and_low)
