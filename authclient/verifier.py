"""Verifies access tokens of one issuer for one audience, offline."""

from collections.abc import Callable

from authclient import jws
from authclient.claims import Claims
from authclient.errors import InvalidToken
from authclient.jwks_cache import TTL_SECONDS, JWKSCache

Check = Callable[[str, Claims], bool]


class Verifier:
    """Make one when the service starts and share it: it keeps the issuer's public keys.

    `jwks_uri` is needed only where the issuer's name is not its address. With a `live_check` a
    token is also refused as soon as its session has ended, at the price of a request.
    """

    def __init__(
        self,
        issuer: str,
        audience: str,
        *,
        jwks_uri: str | None = None,
        cache_ttl: float = TTL_SECONDS,
        live_check: Check | None = None,
    ) -> None:
        if not (isinstance(issuer, str) and issuer and isinstance(audience, str) and audience):
            raise ValueError("A verifier needs one issuer and one audience.")
        self.issuer = issuer
        self.audience = audience
        uri = jwks_uri or f"{issuer.rstrip('/')}/.well-known/jwks.json"
        self._keys = JWKSCache(uri, ttl=cache_ttl)
        self._live_check = live_check

    def verify(self, token: str) -> Claims:
        """What the token says of its bearer.

        Raises InvalidToken, or ExpiredToken, for a token that proves nothing; KeysUnavailable or
        CheckUnavailable when nobody can say, which must not be taken for "valid".
        """
        claims = Claims.of(
            jws.read(
                token,
                jws.ACCESS,
                key_for=self._keys.key,
                issuer=self.issuer,
                audience=self.audience,
            )
        )
        if self._live_check is not None and self._live_check(token, claims) is not True:
            raise InvalidToken("its session has ended, or its user is another by now")
        return claims
