"""The token in an Authorization header."""


def bearer_token(authorization: str | None) -> str | None:
    """All that follows "Bearer " (RFC 6750), good or bad; None without such a header."""
    scheme, _, token = (authorization or "").partition(" ")
    return token if scheme.lower() == "bearer" else None
