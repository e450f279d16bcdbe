"""For services that receive our tokens: verify them offline, or ask whether they are live."""

from authclient.claims import Claims
from authclient.default import configure, decode_access_token
from authclient.errors import (
    AuthClientError,
    CheckUnavailable,
    ExpiredToken,
    InvalidToken,
    KeysUnavailable,
    Unavailable,
)
from authclient.live_check import LiveCheck
from authclient.verifier import Verifier

__all__ = [
    "AuthClientError",
    "CheckUnavailable",
    "Claims",
    "ExpiredToken",
    "InvalidToken",
    "KeysUnavailable",
    "LiveCheck",
    "Unavailable",
    "Verifier",
    "configure",
    "decode_access_token",
]
