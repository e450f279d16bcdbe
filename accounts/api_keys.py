"""The text of an API key: recognisable, and refused without a query when it is mistyped."""

import hashlib
import re
import secrets
import zlib

# ak_<8 to recognise it by>_<256-bit secret><CRC-32>, all hexadecimal.
API_KEY = re.compile(r"ak_([0-9a-f]{8})_[0-9a-f]{64}[0-9a-f]{8}", re.ASCII)
SCHEME = "ak_"


def new_key() -> str:
    body = f"{SCHEME}{secrets.token_hex(4)}_{secrets.token_hex(32)}"
    return body + _checksum(body)


def prefix_of(key: str) -> str | None:
    """The part that a key is looked up by; None for what can't be one of our keys."""
    match = API_KEY.fullmatch(key)
    if match is None or _checksum(key[:-8]) != key[-8:]:
        return None
    return match[1]


def digest_of(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _checksum(body: str) -> str:
    return f"{zlib.crc32(body.encode()):08x}"
