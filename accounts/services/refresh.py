"""Exchanging a refresh token for its successor."""

from django.db import transaction

from accounts.emails import notify
from accounts.services.login import SignedIn, issue_pair
from accounts.tokens import RefreshToken
from security import audit
from security.audit import Kind
from security.client_info import ClientInfo
from security.errors import SessionEnded
from security.keyring import keyring
from security.metrics import REFRESHES
from sessions_app.models import DeviceSession
from sessions_app.services.rotation import Outcome, spend
from sessions_app.services.sessions import end_sessions


def refresh(*, raw_token: str, client: ClientInfo) -> SignedIn:
    """The successor pair; the same one again for a retry within the grace.

    Raises TokenInvalid, SessionEnded or SigningUnavailable; a reused token also ends its session,
    which is audited and told to the user.
    """
    token = RefreshToken.parse(raw_token, allow_expired=True)
    # A token must not be spent for a successor that can't be signed.
    keyring.signing_pair()
    spent = spend(sid=token.sid, generation=token["gen"], jti=token["jti"], client=client)
    REFRESHES.labels(spent.outcome.name.lower()).inc()
    session = spent.session
    if session is None or spent.outcome is Outcome.ENDED or str(session.user_id) != token["sub"]:
        raise SessionEnded
    if spent.outcome is Outcome.REUSED:
        _end_stolen(session, client)
        raise SessionEnded
    return issue_pair(session, session.user)


def _end_stolen(session: DeviceSession, client: ClientInfo) -> None:
    """Commit before the caller raises, or the raise would undo it (RFC 9700 section 4.14.2)."""
    with transaction.atomic():
        ended = end_sessions(
            DeviceSession.objects.filter(pk=session.pk),
            reason=DeviceSession.EndReason.REFRESH_REUSED,
            actor=None,
            client=client,
        )
        if ended:
            audit.record(
                Kind.REFRESH_REUSED, subject=session.user, client=client, session_id=session.pk
            )
            notify(session.user, "refresh_reused", client=client)
