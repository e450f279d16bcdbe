"""JWTs signed and verified by the keyring, behind SimpleJWT's TokenBackend."""

import binascii
import json
import re
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any
from uuid import UUID

import jwt
from django.conf import settings
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenBackendError, TokenBackendExpiredToken

from security.keyring import keyring

LONGEST_TOKEN = 8192
COMPACT_JWS = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)
# Our tokens carry just these; a header asking for anything else (`crit`, `jwk`, `b64`) is not ours.
HEADER_MEMBERS = {"alg", "kid", "typ"}
# What a clock that runs ahead of ours may have written into `iat` or `nbf`, in seconds.
CLOCK_SKEW = 60


class KeyringBackend(TokenBackend):
    """One kind of token: its `typ` header, its audience and the claims it must have.

    The key named by `kid` decides the algorithm, never the header (RFC 8725 section 3.1). Whatever
    is wrong with a token, decode() raises TokenBackendError.
    """

    def __init__(self, *, typ: str, required: frozenset[str]) -> None:
        super().__init__("RS256")
        self.typ = typ
        self.required = required

    def encode(self, payload: dict[str, Any]) -> str:
        """Sign with the current key. Raises SigningUnavailable."""
        pair = keyring.signing_pair()
        headers = {"kid": pair.kid, "typ": self.typ}
        return jwt.encode(payload, pair.private_key, algorithm=pair.algorithm, headers=headers)

    def decode(self, token: Any, verify: bool = True) -> dict[str, Any]:
        """The claims of a valid token; `verify=False` alone forgives that it has expired."""
        raw = token.decode("ascii", "replace") if isinstance(token, bytes) else str(token)
        key = self._key_for(_header(raw))
        try:
            claims: dict[str, Any] = jwt.decode(
                raw,
                key.key,
                algorithms=[key.algorithm],
                audience=self.audience_now(),
                issuer=settings.AUTH_ISSUER,
                options={
                    "require": sorted(self.required),
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                    "strict_aud": True,
                },
            )
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            raise TokenBackendError("Token is invalid") from error
        _check_claims(claims)
        if verify and claims["exp"] <= time.time():
            raise TokenBackendExpiredToken("Token is expired")
        return claims

    def audience_now(self) -> str:
        """Refresh tokens are meant for the issuer alone, so no resource server accepts one."""
        return settings.AUTH_AUDIENCE if self.typ == "at+jwt" else settings.AUTH_ISSUER

    def _key_for(self, header: dict[str, Any]) -> Any:
        kid = str(header["kid"])
        key = keyring.verifying_key(kid, fresh=self.typ != "at+jwt")
        if key is None or header.get("alg") != key.algorithm or header.get("typ") != self.typ:
            raise TokenBackendError("Token is invalid")
        return key


def _header(raw: str) -> dict[str, Any]:
    """The unverified header of a canonically spelled compact JWS (RFC 7515 section 7.1)."""
    if len(raw) > LONGEST_TOKEN or not COMPACT_JWS.fullmatch(raw):
        raise TokenBackendError("Token is invalid")
    try:
        decoded = [_decode_segment(segment) for segment in raw.split(".")]
        # Given bytes, json.loads() would also read UTF-16 and UTF-32 (RFC 8725 section 3.7).
        header, _claims = (json.loads(segment.decode()) for segment in decoded[:2])
    except (ValueError, RecursionError) as error:
        raise TokenBackendError("Token is invalid") from error
    if not isinstance(header, dict) or set(header) != HEADER_MEMBERS or not _is_name(header["kid"]):
        raise TokenBackendError("Token is invalid")
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


def _is_name(kid: Any) -> bool:
    return isinstance(kid, str) and 0 < len(kid) <= 64


def _check_claims(claims: dict[str, Any]) -> None:
    """Types and times, checked here because PyJWT takes "1e3", True or 1.5 for a time."""
    for name in ("exp", "iat", "nbf", "auth_time", "gen"):
        if name in claims and not _is_whole_number(claims[name]):
            raise TokenBackendError("Token is invalid")
    for name in ("sub", "sid"):
        _require_uuid(claims.get(name))
    latest = time.time() + CLOCK_SKEW
    if claims["iat"] > latest or claims.get("nbf", 0) > latest:
        raise TokenBackendError("Token is not valid yet")


def _is_whole_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


def _require_uuid(value: Any) -> None:
    try:
        canonical = isinstance(value, str) and str(UUID(value)) == value
    except ValueError:
        canonical = False
    if not canonical:
        raise TokenBackendError("Token is invalid")
