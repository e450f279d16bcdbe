"""The one strict reading of our tokens; the issuer and every service that receives them use it."""

import binascii
import json
import re
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import jwt

from authclient.claims import are_well_typed
from authclient.errors import ExpiredToken, InvalidToken
from authclient.verified_tokens import VerifiedTokens

_verified = VerifiedTokens()
LONGEST_TOKEN = 8192
LONGEST_KID = 64
COMPACT_JWS = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)
# Our tokens carry just these; a header asking for anything else (`crit`, `jwk`, `b64`) is not ours.
HEADER_MEMBERS = {"alg", "kid", "typ"}
# What a clock that runs ahead of ours may have written into `iat` or `nbf`, in seconds.
CLOCK_SKEW = 60
COMMON_CLAIMS = frozenset({"iss", "aud", "sub", "jti", "sid", "iat", "exp", "token_type"})
# The times are checked here: PyJWT takes "1e3", True or 1.5 for a time.
PYJWT_OPTIONS: Any = {
    "verify_exp": False,
    "verify_iat": False,
    "verify_nbf": False,
    "strict_aud": True,
}


class Key(Protocol):
    """A public key and the one algorithm it may be used with (RFC 8725 section 3.1)."""

    @property
    def algorithm(self) -> str: ...
    @property
    def key(self) -> Any: ...


@dataclass(frozen=True)
class Kind:
    """One kind of token: its `typ` header, its `token_type` and the claims it must have."""

    typ: str
    token_type: str
    required: frozenset[str]


ACCESS = Kind(
    "at+jwt",
    "access",
    COMMON_CLAIMS | {"client_id", "role", "tier", "scope", "auth_time", "amr"},
)


def read(
    raw: str,
    kind: Kind,
    *,
    key_for: Callable[[str], Key | None],
    issuer: str,
    audience: str,
    allow_expired: bool = False,
) -> dict[str, Any]:
    """The claims of a valid token of this kind. Raises InvalidToken, or ExpiredToken.

    The key named by `kid` decides the algorithm, never the header (RFC 8725 section 3.1).
    """
    known = _verified.find(raw, kind.typ, issuer, audience)
    if known is not None and _is_same(key_for(known.kid), known.key):
        claims: dict[str, Any] = json.loads(_decode_segment(raw.split(".")[1]))
    else:
        claims = _verify(raw, kind, key_for, issuer=issuer, audience=audience)
    now = time.time()
    if claims["iat"] > now + CLOCK_SKEW or claims.get("nbf", 0) > now + CLOCK_SKEW:
        raise InvalidToken("not valid yet")
    if claims["exp"] <= now and not allow_expired:
        raise ExpiredToken("expired")
    return claims


def kid_of(raw: str) -> str:
    """The key that a token names whose signature has been verified."""
    return str(json.loads(_decode_segment(raw.partition(".")[0]))["kid"])


def _verify(
    raw: str, kind: Kind, key_for: Callable[[str], Key | None], *, issuer: str, audience: str
) -> dict[str, Any]:
    """What never changes about a token: its form, its signature, and what its claims are."""
    header = _header(raw)
    if header["typ"] != kind.typ:
        raise InvalidToken("another kind of token")
    key = key_for(header["kid"])
    if key is None or header["alg"] != key.algorithm:
        raise InvalidToken("no key of ours")
    try:
        claims: dict[str, Any] = jwt.decode(
            raw,
            key.key,
            algorithms=[key.algorithm],
            audience=audience,
            issuer=issuer,
            options=PYJWT_OPTIONS | {"require": sorted(kind.required)},
        )
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
        raise InvalidToken("not signed by us for this service") from error
    if claims["token_type"] != kind.token_type or not are_well_typed(claims):
        raise InvalidToken("malformed claims")
    if kind == ACCESS:  # A refresh token comes once.
        _verified.add(raw, kind.typ, issuer, audience, kid=header["kid"], key=key)
    return claims


def _is_same(key: Key | None, verified_by: Key) -> bool:
    return key is not None and (
        key is verified_by
        or (key.algorithm == verified_by.algorithm and key.key == verified_by.key)
    )


def _header(raw: str) -> dict[str, Any]:
    """The unverified header of a canonically spelled compact JWS (RFC 7515 section 7.1)."""
    if not isinstance(raw, str) or len(raw) > LONGEST_TOKEN or not COMPACT_JWS.fullmatch(raw):
        raise InvalidToken("no compact JWS")
    try:
        decoded = [_decode_segment(segment) for segment in raw.split(".")]
        # Given bytes, json.loads() would also read UTF-16 and UTF-32 (RFC 8725 section 3.7).
        header, _claims = (json.loads(segment.decode()) for segment in decoded[:2])
    except (ValueError, RecursionError) as error:
        raise InvalidToken("no compact JWS") from error
    if not isinstance(header, dict) or set(header) != HEADER_MEMBERS or not is_kid(header["kid"]):
        raise InvalidToken("a header that is not ours")
    return header


def _decode_segment(segment: str) -> bytes:
    """Decode base64url and refuse a second spelling of the same bytes."""
    try:
        decoded = urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    except binascii.Error as error:
        raise ValueError("not base64url") from error
    if urlsafe_b64encode(decoded).rstrip(b"=").decode() != segment:
        raise ValueError("not canonical base64url")
    return decoded


def is_kid(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= LONGEST_KID
