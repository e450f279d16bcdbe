"""JWTs signed and verified by the keyring, behind SimpleJWT's TokenBackend."""

from typing import Any

import jwt
from django.conf import settings
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenBackendError, TokenBackendExpiredToken

from authclient import jws
from authclient.errors import ExpiredToken, InvalidToken
from security.keyring import VerifyingKey, keyring


class KeyringBackend(TokenBackend):
    """One kind of token. Whatever is wrong with one, decode() raises TokenBackendError."""

    def __init__(self, kind: jws.Kind) -> None:
        super().__init__("RS256")
        self.kind = kind

    def encode(self, payload: dict[str, Any]) -> str:
        """Sign with the current key. Raises SigningUnavailable."""
        pair = keyring.signing_pair()
        headers = {"kid": pair.kid, "typ": self.kind.typ}
        return jwt.encode(payload, pair.private_key, algorithm=pair.algorithm, headers=headers)

    def decode(self, token: Any, verify: bool = True) -> dict[str, Any]:
        """The claims of a valid token; `verify=False` alone forgives that it has expired."""
        raw = token.decode("ascii", "replace") if isinstance(token, bytes) else str(token)
        try:
            return jws.read(
                raw,
                self.kind,
                key_for=self._key_for,
                issuer=settings.AUTH_ISSUER,
                audience=self.audience_now(),
                allow_expired=not verify,
            )
        except ExpiredToken as error:
            raise TokenBackendExpiredToken("Token is expired") from error
        except InvalidToken as error:
            raise TokenBackendError("Token is invalid") from error

    def audience_now(self) -> str:
        """Refresh tokens are meant for the issuer alone, so no resource server accepts one."""
        return settings.AUTH_AUDIENCE if self.kind == jws.ACCESS else settings.AUTH_ISSUER

    def _key_for(self, kid: str) -> VerifyingKey | None:
        return keyring.verifying_key(kid, fresh=self.kind != jws.ACCESS)
