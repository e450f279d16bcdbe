"""Signing out."""

from uuid import UUID

from accounts.models import ApiKey, User
from accounts.services.api_keys import revoke_api_key
from accounts.services.live_keys import live_key_user
from accounts.tokens import AccessToken, RefreshToken
from security.audit import Identified
from security.client_info import ClientInfo
from security.errors import UnusableToken
from sessions_app.models import DeviceSession
from sessions_app.services.sessions import end_sessions


def log_out(*, refresh_tokens: list[str], access_token: str | None, client: ClientInfo) -> int:
    """End every session that one of the tokens names, expired tokens included; how many ended.

    A token that is not ours ends nothing and is no error: signing out always succeeds.
    """
    named = {_sid(RefreshToken, raw) for raw in refresh_tokens}
    if access_token:
        named.add(_sid(AccessToken, access_token))
    ended = 0
    for sid in named:
        if sid is None:
            continue
        session = DeviceSession.objects.select_related("user").filter(pk=sid).first()
        if session is not None:
            actor: Identified = session.user
            ended += end_sessions(
                DeviceSession.objects.filter(pk=sid),
                reason=DeviceSession.EndReason.LOGOUT,
                actor=actor,
                client=client,
            )
    return ended


def log_out_of_console(*, user: User, sid: UUID, client: ClientInfo) -> None:
    """End a user's own session at the console."""
    end_sessions(
        DeviceSession.objects.for_user(user.pk).at_console().filter(pk=sid),
        reason=DeviceSession.EndReason.LOGOUT,
        actor=user,
        client=client,
    )


def revoke_token(token: str, *, client: ClientInfo) -> None:
    """End what a token stands for: its session, or an API key itself (RFC 7009).

    Whoever holds a token may end it; one that is not ours ends nothing and is no error.
    """
    if found := live_key_user(token):
        key = ApiKey.objects.select_related("user").get(prefix=found[1].prefix)
        revoke_api_key(key=key, actor=key.user, client=client)
    else:
        log_out(refresh_tokens=[token], access_token=token, client=client)


def _sid(kind: type[AccessToken] | type[RefreshToken], raw: str) -> UUID | None:
    try:
        return kind.parse(raw, allow_expired=True).sid
    except UnusableToken:
        return None
