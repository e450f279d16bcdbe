"""FastAPI dependencies: who is calling, and whether they may."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, HTTPException, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from authclient.claims import Claims
from authclient.credentials import bearer_token
from authclient.errors import ExpiredToken, InvalidToken, Unavailable
from authclient.verifier import Verifier

Dependency = Callable[..., Claims]
# Shows the padlock in the OpenAPI document; the header itself is read strictly below.
SCHEME = HTTPBearer(auto_error=False, bearerFormat="JWT", scheme_name="access token")
RETRY_SECONDS = "5"


def bearer(verifier: Verifier) -> Dependency:
    """A dependency that gives the caller's claims, or answers 401, or 503 if nobody can say."""

    def current_claims(
        request: Request,
        _shown: Annotated[HTTPAuthorizationCredentials | None, Security(SCHEME)],
    ) -> Claims:
        headers = request.headers.getlist("authorization")
        try:
            token = bearer_token(", ".join(headers))
            if token is None:
                raise _refusal(401, "Authentication is needed.", "Bearer")
            return verifier.verify(token)
        except ExpiredToken as error:
            raise _refusal(401, "The token has expired.", 'Bearer error="invalid_token"') from error
        except InvalidToken as error:
            raise _refusal(401, "The token is invalid.", 'Bearer error="invalid_token"') from error
        except Unavailable as error:
            raise HTTPException(
                503, "The token can't be checked now.", {"Retry-After": RETRY_SECONDS}
            ) from error

    return current_claims


def require_role(current_claims: Dependency, *names: str) -> Dependency:
    """A dependency that gives the claims of a caller with one of these roles, or answers 403."""
    return _require(current_claims, lambda claims: claims.has_role(*names))


def require_permission(current_claims: Dependency, code: str) -> Dependency:
    """A dependency that gives the claims of a caller with this permission, or answers 403."""
    return _require(current_claims, lambda claims: claims.has_permission(code))


def _require(current_claims: Dependency, allows: Callable[[Claims], bool]) -> Dependency:
    def allowed_claims(claims: Annotated[Claims, Depends(current_claims)]) -> Claims:
        if not allows(claims):
            raise _refusal(403, "You may not do this.", 'Bearer error="insufficient_scope"')
        return claims

    return allowed_claims


def _refusal(status: int, detail: str, challenge: str) -> HTTPException:
    return HTTPException(status, detail, {"WWW-Authenticate": challenge})
