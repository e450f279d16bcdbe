"""Checks of hashes that other systems made; a right password is then hashed anew with Argon2id.

What these checks cost is bounded (`imported_hashes`), and they share the slots of our own hashes.

A check here costs its own work and then one hash of ours, whether the password was right (it is
hashed anew) or wrong (Django's `harden_runtime` would not be called across algorithms). Names that
nobody has cost as much, as often as there are such hashes (`accounts.services.decoys`).
"""

import hashlib
import hmac

import bcrypt
from django.contrib.auth.hashers import (
    Argon2PasswordHasher,
    BasePasswordHasher,
    BCryptPasswordHasher,
    BCryptSHA256PasswordHasher,
    PBKDF2PasswordHasher,
    ScryptPasswordHasher,
    make_password,
)

from accounts.hashers import hashing_slot
from accounts.imported_hashes import ARGON2, WERKZEUG, UnusableHash, check_stored

# OpenSSL asks for some more than the 128 MiB of blocks that the gate allows.
SCRYPT_MEMORY = 160 * 1024 * 1024
BCRYPT_BYTES = 72


class Imported(BasePasswordHasher):
    """Goes before the class that knows the format. verify() raises TooBusy."""

    def verify(self, password: str, encoded: str) -> bool:
        try:
            check_stored(encoded)
        except UnusableHash:
            right = False
        else:
            with hashing_slot():
                right = super().verify(password, encoded)
        if not right:
            make_password(password)
        return right


class ImportedArgon2Hasher(Imported, Argon2PasswordHasher):
    """Apart from our own, so that its cost is bounded and what was typed is tried, too."""

    algorithm = ARGON2


class TruncatingBcryptHasher(BCryptPasswordHasher):
    """bcrypt as other systems use it: of a long password the first 72 bytes count."""

    def encode(self, password: str, salt: bytes) -> str:  # type: ignore[override]
        digest = bcrypt.hashpw(password.encode()[:BCRYPT_BYTES], salt)
        return f"{self.algorithm}${digest.decode('ascii')}"


class ImportedBcryptHasher(Imported, TruncatingBcryptHasher):
    pass


class ImportedBcryptSHA256Hasher(Imported, BCryptSHA256PasswordHasher):
    pass


class ImportedPBKDF2Hasher(Imported, PBKDF2PasswordHasher):
    pass


class ImportedScryptHasher(Imported, ScryptPasswordHasher):
    maxmem = SCRYPT_MEMORY


class PlainWerkzeugHasher(BasePasswordHasher):
    """`scrypt:n:r:p$salt$hex` and `pbkdf2:digest:iterations$salt$hex`, as Flask writes them."""

    algorithm = WERKZEUG

    def verify(self, password: str, encoded: str) -> bool:
        _, method, salt, digest = encoded.split("$")
        name, *parameters = method.split(":")
        made = _scrypt if name == "scrypt" else _pbkdf2
        return hmac.compare_digest(made(password.encode(), salt.encode(), *parameters), digest)


class ImportedWerkzeugHasher(Imported, PlainWerkzeugHasher):
    pass


def _scrypt(password: bytes, salt: bytes, n: str, r: str, p: str) -> str:
    return hashlib.scrypt(
        password, salt=salt, n=int(n), r=int(r), p=int(p), maxmem=SCRYPT_MEMORY
    ).hex()


def _pbkdf2(password: bytes, salt: bytes, digest: str, iterations: str) -> str:
    return hashlib.pbkdf2_hmac(digest, password, salt, int(iterations)).hex()
