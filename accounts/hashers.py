"""Argon2id with our parameters, and never more of it at once than the machine bears."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.contrib.auth.hashers import Argon2PasswordHasher

from security.errors import TooBusy

# Each hash takes tens of milliseconds; who waits longer than this is one of too many.
LONGEST_WAIT_SECONDS = 2.0
_slots = threading.BoundedSemaphore(settings.AUTH_HASH_CONCURRENCY)


@contextmanager
def hashing_slot() -> Iterator[None]:
    """The right to hash now. Raises TooBusy when none is free in time."""
    if not _slots.acquire(timeout=LONGEST_WAIT_SECONDS):
        raise TooBusy
    try:
        yield
    finally:
        _slots.release()


class Argon2idHasher(Argon2PasswordHasher):
    """OWASP's least parameters by default (19 MiB, t=2, p=1), read from AUTH_ARGON2_*.

    encode() and verify() raise TooBusy when no slot is free in time.
    """

    time_cost = settings.AUTH_ARGON2_TIME_COST
    memory_cost = settings.AUTH_ARGON2_MEMORY_KIB
    parallelism = settings.AUTH_ARGON2_PARALLELISM

    def encode(self, password: str, salt: str) -> str:
        with hashing_slot():
            return super().encode(password, salt)

    def verify(self, password: str, encoded: str) -> bool:
        with hashing_slot():
            return super().verify(password, encoded)
