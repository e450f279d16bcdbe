"""What a token says about itself and whether it is live (RFC 7662)."""

from typing import Any

from accounts.services.live_state import live_user
from accounts.tokens import AccessToken, RefreshToken
from security.errors import UnusableToken
from sessions_app.models import DeviceSession

INACTIVE = {"active": False}
TOLD = ("sub", "sid", "jti", "iss", "aud", "iat", "exp", "client_id")


def introspect(raw: str) -> dict[str, Any]:
    """The claims of a live token with the permissions its user has now; else only INACTIVE.

    A database that doesn't answer is an error, never an inactive token.
    """
    for look in (_access_token, _refresh_token):
        try:
            return look(raw)
        except UnusableToken:
            continue
    return INACTIVE


def _access_token(raw: str) -> dict[str, Any]:
    token = AccessToken.parse(raw)
    user = live_user(token)
    if user is None:
        return INACTIVE
    return _claims(token) | {
        "role": user.role_id,
        "tier": user.tier,
        "scope": " ".join(sorted(user.role.codes)),
    }


def _refresh_token(raw: str) -> dict[str, Any]:
    """Only the session's present refresh token is live; a spent one is not."""
    token = RefreshToken.parse(raw)
    present = DeviceSession.objects.live().filter(
        pk=token.sid,
        user_id=token["sub"],
        user__is_active=True,
        generation=token["gen"],
        refresh_jti=token["jti"],
    )
    return _claims(token) if present.exists() else INACTIVE


def _claims(token: AccessToken | RefreshToken) -> dict[str, Any]:
    told = {name: token.payload[name] for name in TOLD if name in token.payload}
    return {"active": True, "token_type": token.payload["token_type"], **told}
