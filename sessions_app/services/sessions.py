"""Opening and ending sessions."""

import secrets
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from security import audit
from security.audit import Identified, Kind
from security.client_info import ClientInfo
from sessions_app import live_state
from sessions_app.models import DeviceSession
from sessions_app.models.device_session import EndReason


def new_refresh_jti() -> str:
    return secrets.token_hex(16)


def idle_expiry(now: datetime, absolute: datetime) -> datetime:
    return min(now + settings.AUTH_REFRESH_IDLE_TTL, absolute)


def open_session(*, user: Any, client: ClientInfo, amr: list[str]) -> DeviceSession:
    """A new session for a user who has just proven who they are."""
    now = timezone.now()
    expires_at = now + settings.AUTH_SESSION_TTL
    with transaction.atomic(savepoint=False):
        session = DeviceSession.objects.create(
            user=user,
            refresh_jti=new_refresh_jti(),
            refreshed_at=now,
            idle_expires_at=idle_expiry(now, expires_at),
            expires_at=expires_at,
            created_at=now,
            last_seen_at=now,
            device=client.device,
            user_agent=client.user_agent,
            ip_address=client.ip_address,
            amr=amr,
        )
        audit.record(
            Kind.LOGIN_SUCCEEDED, actor=user, subject=user, client=client, session_id=session.pk
        )
    return session


def end_sessions(
    sessions: QuerySet[DeviceSession],
    *,
    reason: EndReason,
    actor: Identified | None,
    client: ClientInfo | None = None,
) -> int:
    """End those of `sessions` that are open; each is ended, audited and counted once.

    Their access tokens are refused from the commit on, and their refresh tokens go to SimpleJWT's
    blacklist, so that its tools tell the truth.
    """
    with transaction.atomic(savepoint=False):
        found = list(sessions.filter(ended_at=None).select_for_update(of=("self",)).order_by("pk"))
        if not found:
            return 0
        sids = [session.pk for session in found]
        DeviceSession.objects.filter(pk__in=sids).update(ended_at=timezone.now(), end_reason=reason)
        _blacklist(found)
        for session in found:
            audit.record(
                Kind.SESSION_ENDED,
                actor=actor,
                subject=_Subject(session.user_id),
                client=client,
                session_id=session.pk,
                reason=str(reason),
            )
        live_state.drop_after_commit(sids)
    return len(found)


def rename_session(
    *, session: DeviceSession, device: str, actor: Identified, client: ClientInfo
) -> DeviceSession:
    """Give a session a name of its owner's own."""
    with transaction.atomic():
        before, session.device = session.device, device
        session.save(update_fields=["device"])
        audit.record(
            Kind.SESSION_RENAMED,
            actor=actor,
            subject=_Subject(session.user_id),
            client=client,
            session_id=session.pk,
            before={"device": before},
            after={"device": device},
        )
    return session


class _Subject:
    """A user by id alone; the row is not needed to be named."""

    def __init__(self, pk: UUID) -> None:
        self.pk = pk


def _blacklist(sessions: list[DeviceSession]) -> None:
    """Ledger rows for the sessions' present refresh tokens; they name the session, not the text."""
    OutstandingToken.objects.bulk_create(
        [
            OutstandingToken(
                user_id=session.user_id,
                jti=session.refresh_jti,
                token=f"session:{session.pk}",
                created_at=session.refreshed_at,
                expires_at=session.idle_expires_at,
            )
            for session in sessions
        ],
        ignore_conflicts=True,
    )
    jtis = [session.refresh_jti for session in sessions]
    rows = OutstandingToken.objects.filter(jti__in=jtis)
    BlacklistedToken.objects.bulk_create(
        [BlacklistedToken(token=row) for row in rows], ignore_conflicts=True
    )
