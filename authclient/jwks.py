"""The keys of a JWKS that may verify our tokens; everything else in one is left out."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm

from authclient.jws import is_kid

# The one algorithm of each kind of key that we sign with.
ALGORITHMS: dict[tuple[Any, Any], str] = {
    ("RSA", None): "RS256",
    ("EC", "P-256"): "ES256",
    ("OKP", "Ed25519"): "EdDSA",
}
PRIVATE_MEMBERS = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}
RSA_BITS = range(2048, 8193)


@dataclass(frozen=True)
class PublicKey:
    """A public key and the one algorithm it may be used with (RFC 8725 section 3.1)."""

    kid: str
    algorithm: str
    key: Any


def parse_jwks(body: bytes) -> Mapping[str, PublicKey]:
    """The usable keys by `kid`. Raises ValueError if the body is no JWKS or has none."""
    try:
        document = json.loads(body.decode())
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise ValueError("no JWKS")
    usable = [key for jwk in listed if (key := _public_key(jwk))]
    keys = {key.kid: key for key in usable}
    if not keys or len(keys) != len(usable):
        raise ValueError("a kid named twice" if keys else "no usable key")
    return keys


def _public_key(jwk: Any) -> PublicKey | None:
    """The key, or None for one that is secret, private, weak, or meant for something else."""
    if not isinstance(jwk, dict) or not is_kid(jwk.get("kid")) or PRIVATE_MEMBERS & set(jwk):
        return None
    kind = (jwk.get("kty"), jwk.get("crv"))
    algorithm = ALGORITHMS.get(kind) if all(isinstance(k, str | None) for k in kind) else None
    if algorithm is None or (jwk.get("alg"), jwk.get("use")) != (algorithm, "sig"):
        return None
    if jwk.get("key_ops", ["verify"]) != ["verify"]:
        return None
    try:
        key = jwt.PyJWK(jwk, algorithm).key
    except (jwt.PyJWTError, UnsupportedAlgorithm, ValueError, TypeError, KeyError, AttributeError):
        return None
    if algorithm == "RS256" and key.key_size not in RSA_BITS:
        return None
    return PublicKey(jwk["kid"], algorithm, key)
