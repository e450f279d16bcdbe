"""One verifier for the whole process, for services that need no more than a user's id."""

import os
from functools import lru_cache

from authclient.verifier import Verifier

_configured: Verifier | None = None


def configure(issuer: str, audience: str) -> None:
    """Set the issuer and audience of decode_access_token(), in place of the environment's."""
    global _configured
    _configured = Verifier(issuer, audience)


def decode_access_token(token: str) -> str:
    """The user's id. Raises InvalidToken or Unavailable, and RuntimeError if not configured."""
    return str(_verifier().verify(token).user_id)


def _verifier() -> Verifier:
    if _configured is not None:
        return _configured
    try:
        return _from_environment(os.environ["AUTH_ISSUER"], os.environ["AUTH_AUDIENCE"])
    except KeyError as error:
        raise RuntimeError(f"Set {error.args[0]}, or call authclient.configure().") from error


@lru_cache(maxsize=8)
def _from_environment(issuer: str, audience: str) -> Verifier:
    return Verifier(issuer, audience)
