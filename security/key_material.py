"""Key pairs as such: making, reading and describing them."""

import hashlib
import json
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

RSA_BITS = 3072
LEAST_RSA_BITS = 2048
# The members that RFC 7638 section 3.2 and RFC 8037 section 2 hash, by key type.
THUMBPRINT_MEMBERS = {
    "RSA": ("e", "kty", "n"),
    "EC": ("crv", "kty", "x", "y"),
    "OKP": ("crv", "kty", "x"),
}


class UnusableKey(Exception):
    """The file or text holds no key that may sign our tokens."""


@dataclass(frozen=True)
class KeyPair:
    algorithm: str
    pem: str
    public_jwk: dict[str, Any]

    @property
    def kid(self) -> str:
        return str(self.public_jwk["kid"])


def generate(algorithm: str) -> KeyPair:
    """A new key pair for RS256 (3072 bits), ES256 or EdDSA (Ed25519)."""
    pair = describe(_generate(algorithm))
    while pair.kid.startswith("-"):
        # On a command line such a name would be taken for an option.
        pair = describe(_generate(algorithm))
    return pair


def _generate(algorithm: str) -> PrivateKey:
    if algorithm == "ES256":
        return ec.generate_private_key(ec.SECP256R1())
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)


def describe(private_key: PrivateKey) -> KeyPair:
    algorithm = _algorithm_of(private_key)
    pem = private_key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
    jwk: dict[str, Any] = jwt.get_algorithm_by_name(algorithm).to_jwk(
        private_key.public_key(), as_dict=True
    )
    jwk.pop("key_ops", None)
    public_jwk = jwk | {"kid": thumbprint(jwk), "use": "sig", "alg": algorithm}
    return KeyPair(algorithm=algorithm, pem=pem, public_jwk=public_jwk)


def thumbprint(jwk: dict[str, Any]) -> str:
    """The key's name, derived from the key itself (RFC 7638)."""
    members = {name: jwk[name] for name in THUMBPRINT_MEMBERS[jwk["kty"]]}
    text = json.dumps(members, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(text.encode()).digest()
    return urlsafe_b64encode(digest).rstrip(b"=").decode()


def load_private_key(pem: str) -> PrivateKey:
    """Raises UnusableKey for anything that may not sign."""
    try:
        private_key = serialization.load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UnusableKey("it holds no unencrypted private key in PEM form") from error
    if not isinstance(
        private_key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
    ):
        raise UnusableKey("its key type is none of RSA, P-256 and Ed25519")
    _algorithm_of(private_key)
    return private_key


def import_pair(private_path: str, public_path: str) -> KeyPair:
    """The key pair in PRIVATE_KEY_PATH; PUBLIC_KEY_PATH, where given, must hold its public half."""
    try:
        private_key = load_private_key(Path(private_path).read_text("ascii", "replace"))
        if public_path:
            public_key = serialization.load_pem_public_key(Path(public_path).read_bytes())
            if public_key != private_key.public_key():
                raise UnusableKey("PUBLIC_KEY_PATH is not the public half of PRIVATE_KEY_PATH")
    except OSError as error:
        raise UnusableKey(f"{error.filename} can't be read: {error.strerror}") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UnusableKey("PUBLIC_KEY_PATH holds no public key") from error
    return describe(private_key)


def _algorithm_of(private_key: PrivateKey) -> str:
    if isinstance(private_key, rsa.RSAPrivateKey):
        if private_key.key_size < LEAST_RSA_BITS:
            raise UnusableKey(f"its RSA key has fewer than {LEAST_RSA_BITS} bits")
        return "RS256"
    if isinstance(private_key, ec.EllipticCurvePrivateKey):
        if not isinstance(private_key.curve, ec.SECP256R1):
            raise UnusableKey("its curve is not P-256")
        return "ES256"
    return "EdDSA"
