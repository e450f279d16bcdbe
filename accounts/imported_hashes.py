"""Password hashes of other systems: which are taken over, as what, and at what cost at most.

The gate for every hash that this service did not make. What passes it can be checked without an
error and within about a second and 256 MiB; the hashers of `imported_hashers` ask it again.
"""

import base64
import binascii
import re
from collections.abc import Callable

# Memory in KiB. Passes over memory are what Argon2 costs: 1 GiB of them takes about a second.
ARGON2_MEMORY, ARGON2_TIME, ARGON2_LANES, ARGON2_MEMORY_PASSES = 256 * 1024, 10, 16, 1024 * 1024
BCRYPT_ROUNDS = 14
PBKDF2_ITERATIONS = 2_000_000
# Blocks of 128 bytes: 128 MiB at once, and 512 MiB in all lanes together.
SCRYPT_BLOCKS, SCRYPT_BLOCKS_IN_ALL, SCRYPT_BLOCK_SIZE, SCRYPT_LANES = 2**20, 2**22, 64, 16

ARGON2 = "imported_argon2"
BCRYPT = "bcrypt"
WERKZEUG = "werkzeug"


class UnusableHash(ValueError):
    """Why a hash can't be taken over, as a code and a sentence that doesn't hold the hash."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


def _within(name: str, given: str, least: int, most: int) -> int:
    number = int(given)
    if number > most:
        raise UnusableHash("hash_too_costly", f"{name} is more than {most}.")
    if number < least:
        raise UnusableHash("hash_malformed", f"{name} is less than {least}.")
    return number


def _base64(text: str) -> None:
    """What a decoder that insists on its padding bits would not read can never be right."""
    padded = text + "=" * (-len(text) % 4)
    try:
        canonical = base64.b64encode(base64.b64decode(padded, validate=True)).decode() == padded
    except binascii.Error:
        canonical = False
    if not canonical:
        raise UnusableHash("hash_malformed", "A part of the hash is not base64.")


def _argon2(memory: str, time: str, lanes: str, salt: str, digest: str) -> None:
    parallelism = _within("Argon2's parallelism", lanes, 1, ARGON2_LANES)
    kib = _within("Argon2's memory in KiB", memory, 8 * parallelism, ARGON2_MEMORY)
    passes = _within("Argon2's time", time, 1, ARGON2_TIME)
    _within("Argon2's memory times time", str(kib * passes), 1, ARGON2_MEMORY_PASSES)
    _base64(salt)
    _base64(digest)


def _bcrypt(rounds: str) -> None:
    _within("bcrypt's rounds", rounds, 4, BCRYPT_ROUNDS)


def _pbkdf2(iterations: str, digest: str = "") -> None:
    _within("PBKDF2's iterations", iterations, 1, PBKDF2_ITERATIONS)
    _base64(digest)


def _scrypt(n: str, r: str, p: str, digest: str = "") -> None:
    work = _within("scrypt's n", n, 2, SCRYPT_BLOCKS)
    if work & (work - 1):
        raise UnusableHash("hash_malformed", "scrypt's n is not a power of two.")
    # Fewer than 8 with a large n, or very many, is what OpenSSL refuses with an error.
    blocks = work * _within("scrypt's r", r, 8, SCRYPT_BLOCK_SIZE)
    _within("scrypt's n times r", str(blocks), 2, SCRYPT_BLOCKS)
    lanes = _within("scrypt's p", p, 1, SCRYPT_LANES)
    _within("scrypt's n times r times p", str(blocks * lanes), 2, SCRYPT_BLOCKS_IN_ALL)
    _base64(digest)


_NUMBER = "[0-9]{1,10}"
_SALT = "[!-#%-~]{1,64}"
# bcrypt's base64: the last letters of salt and digest have bits that must be zero.
_BCRYPT_TAIL = "[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{30}[.CGKOSWaeimquy26]"

_Form = tuple[re.Pattern[str], Callable[..., None]]


def _form(check: Callable[..., None], shape: str) -> _Form:
    for name, pattern in (("NUMBER", _NUMBER), ("SALT", _SALT), ("TAIL", _BCRYPT_TAIL)):
        shape = shape.replace(name, pattern)
    return re.compile(shape), check


# What stands behind a hasher's name and "$", and the check of its named parts.
_BCRYPT_FORM = _form(_bcrypt, r"\$2[aby]\$(?P<rounds>[0-9]{2})\$TAIL")
_FORMS: dict[str, tuple[_Form, ...]] = {
    ARGON2: (
        _form(
            _argon2,
            r"argon2(?:id|i|d)\$v=19\$m=(?P<memory>NUMBER),t=(?P<time>NUMBER),p=(?P<lanes>NUMBER)"
            r"\$(?P<salt>[A-Za-z0-9+/]{11,64})\$(?P<digest>[A-Za-z0-9+/]{16,88})",
        ),
    ),
    BCRYPT: (_BCRYPT_FORM,),
    "bcrypt_sha256": (_BCRYPT_FORM,),
    "pbkdf2_sha256": (
        _form(_pbkdf2, r"(?P<iterations>NUMBER)\$SALT\$(?P<digest>[A-Za-z0-9+/]{43}=)"),
    ),
    "scrypt": (
        _form(
            _scrypt,
            r"(?P<n>NUMBER)\$SALT\$(?P<r>NUMBER)\$(?P<p>NUMBER)\$(?P<digest>[A-Za-z0-9+/]{86}==)",
        ),
    ),
    WERKZEUG: (
        _form(_scrypt, r"scrypt:(?P<n>NUMBER):(?P<r>NUMBER):(?P<p>NUMBER)\$SALT\$[0-9a-f]{128}"),
        _form(_pbkdf2, r"pbkdf2:sha1:(?P<iterations>NUMBER)\$SALT\$[0-9a-f]{40}"),
        _form(_pbkdf2, r"pbkdf2:sha256:(?P<iterations>NUMBER)\$SALT\$[0-9a-f]{64}"),
        _form(_pbkdf2, r"pbkdf2:sha512:(?P<iterations>NUMBER)\$SALT\$[0-9a-f]{128}"),
    ),
}

# How a hash of another system begins, and what makes it the stored form.
_PREFIXES = (
    ("$argon2", ARGON2),
    ("argon2$argon2", "imported_"),
    ("$2", f"{BCRYPT}$"),
    ("scrypt:", f"{WERKZEUG}$"),
    ("pbkdf2:", f"{WERKZEUG}$"),
)


def check_stored(encoded: str) -> None:
    """Raises UnusableHash unless a hasher can check this, at a bounded cost."""
    name, _, rest = encoded.partition("$")
    if name not in _FORMS:
        raise UnusableHash("hash_unknown", "This is not a password hash of a known format.")
    for shape, check in _FORMS[name]:
        if match := shape.fullmatch(rest):
            check(**match.groupdict())
            return
    raise UnusableHash("hash_malformed", "The hash is cut off or malformed.")


def is_imported(encoded: str) -> bool:
    """Whether this stored hash is not one of ours."""
    return encoded.partition("$")[0] in _FORMS


def zero_of(encoded: str) -> str:
    """The letter for six, or four, zero bits in the digest of a stored hash."""
    if encoded.startswith(BCRYPT):
        return "."
    return "0" if encoded.startswith(WERKZEUG) else "A"


def stored_form(given: str) -> str:
    """A hash as other systems (or our own export) write it, as it is kept. Raises UnusableHash."""
    prefix = next((p for start, p in _PREFIXES if given.startswith(start)), "")
    check_stored(prefix + given)
    return prefix + given
