"""The passwords that everybody tries first, as digests in a file that ships with the service.

`scripts/common_passwords.py` made the file and names its sources. It is a sorted row of digests of
one width, searched by halves: an accidental match has a chance of about 2e-10.
"""

from bisect import bisect_left
from functools import cache
from hashlib import blake2b
from pathlib import Path

from accounts.passwords import normalise_password

FILE = Path(__file__).with_name("common_passwords.bin")
WIDTH = 6


def digest(password: str) -> bytes:
    """The same for every spelling in large and small letters, and with spaces around it."""
    plain = normalise_password(password).strip().casefold()
    return blake2b(plain.encode(), digest_size=WIDTH).digest()


def is_common(password: str) -> bool:
    digests, sought = _digests(), digest(password)
    place = bisect_left(
        range(len(digests) // WIDTH), sought, key=lambda i: digests[i * WIDTH : (i + 1) * WIDTH]
    )
    return digests[place * WIDTH : (place + 1) * WIDTH] == sought


@cache
def _digests() -> bytes:
    return FILE.read_bytes()
