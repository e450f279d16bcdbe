"""Which part of an audit event tells of a person, and the digest that stands for it in the chain.

The digest is salted with 16 random bytes that lie beside the data. Once both are erased, nobody can
find out by trying whether an event told of an address or a name, and the chain still holds.
"""

import hashlib
import json
import secrets
from typing import Any

from security.client_info import parse_address

# What a person is called, is reached by, or calls their devices.
PERSONAL_NAMES = frozenset({"email", "username", "first_name", "last_name", "full_name", "device"})
MARK = "[personal]"

Details = dict[str, Any]


def split(details: Details) -> tuple[Details, Details]:
    """The details with MARK for each personal value, and these values under the same names."""
    public: Details = {}
    personal: Details = {}
    for name, value in details.items():
        if name in PERSONAL_NAMES:
            public[name], personal[name] = MARK, value
        elif isinstance(value, dict):
            public[name], inner = split(value)
            personal |= {name: inner} if inner else {}
        else:
            public[name] = value
    return public, personal


def join(public: Details, personal: Details) -> Details:
    """What split() took apart; where the personal values are erased, MARK stays."""
    return {
        name: join(value, personal.get(name, {}))
        if isinstance(value, dict)
        else personal.get(name, value)
        for name, value in public.items()
    }


def new_salt() -> str:
    return secrets.token_hex(16)


def personal_digest(
    *, salt: str, ip_address: str | None, user_agent: str, personal: Details
) -> str:
    """SHA-256 in hex over the salt and the personal part."""
    # Databases write some IPv6 addresses in a form of their own.
    address = parse_address(ip_address or "")
    part = {
        "salt": salt,
        "ip_address": str(address) if address else None,
        "user_agent": user_agent,
        "personal": personal,
    }
    return hashlib.sha256(canonical(part)).hexdigest()


def canonical(value: Details) -> bytes:
    """One text for one value: JSON in ASCII, names sorted, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
