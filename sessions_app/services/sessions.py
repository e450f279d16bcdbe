"""Opening and ending sessions."""

import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
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
from sessions_app.models.device_session import LONGEST_DEVICE, EndReason

# Sessions ended in one transaction where there may be many.
SLICE = 500
# How a sign-in to the console is told from others in lists.
AT_CONSOLE = " (console)"
# How often a click at the console writes.
NOTED_EVERY = timedelta(minutes=1)


def new_refresh_jti() -> str:
    return secrets.token_hex(16)


def idle_expiry(now: datetime, absolute: datetime) -> datetime:
    return min(now + settings.AUTH_REFRESH_IDLE_TTL, absolute)


def open_session(*, user: Any, client: ClientInfo, amr: list[str]) -> DeviceSession:
    """A new session for a user who has just proven who they are."""
    now = timezone.now()
    with transaction.atomic(savepoint=False):
        session = _insert(user, client, amr, now=now, expires_at=now + settings.AUTH_SESSION_TTL)
        audit.record(
            Kind.LOGIN_SUCCEEDED, actor=user, subject=user, client=client, session_id=session.pk
        )
    return session


def open_for_operator(*, user: Any, client: ClientInfo, lifetime: timedelta) -> DeviceSession:
    """A short session of a user that an operator acts in; audited as `token.issued`.

    It ends on a whole second, as the token for it does; opening it ends no other session.
    """
    now = timezone.now().replace(microsecond=0)
    with transaction.atomic(savepoint=False):
        session = _insert(user, client, ["operator"], now=now, expires_at=now + lifetime)
        audit.record(
            Kind.TOKEN_ISSUED,
            subject=user,
            client=client,
            session_id=session.pk,
            minutes=int(lifetime.total_seconds()) // 60,
        )
    return session


def open_for_console(*, user: Any, client: ClientInfo) -> DeviceSession:
    """A sign-in to the console of a user who has just proven who they are; it has no tokens."""
    now = timezone.now()
    with transaction.atomic(savepoint=False):
        session = _insert(
            user,
            client,
            ["pwd"],
            now=now,
            expires_at=now + settings.AUTH_CONSOLE_TTL,
            idle_expires_at=now + settings.AUTH_CONSOLE_IDLE_TTL,
            device=f"{client.device[: LONGEST_DEVICE - len(AT_CONSOLE)]}{AT_CONSOLE}",
            is_console=True,
        )
        audit.record(
            Kind.LOGIN_SUCCEEDED,
            actor=user,
            subject=user,
            client=client,
            session_id=session.pk,
            to="console",
        )
    return session


def still_at_console(*, sid: UUID, user_id: UUID) -> bool:
    """Whether a sign-in to the console goes on; asking keeps it from falling idle."""
    now = timezone.now()
    mine = DeviceSession.objects.live(now).at_console().filter(pk=sid, user_id=user_id)
    session = mine.first()
    if session is None:
        return False
    if now - session.last_seen_at >= NOTED_EVERY:
        idle = min(now + settings.AUTH_CONSOLE_IDLE_TTL, session.expires_at)
        mine.update(last_seen_at=now, idle_expires_at=idle)
    return True


def _insert(
    user: Any,
    client: ClientInfo,
    amr: list[str],
    *,
    now: datetime,
    expires_at: datetime,
    **others: Any,
) -> DeviceSession:
    fields: dict[str, Any] = {
        "idle_expires_at": idle_expiry(now, expires_at),
        "device": client.device,
    }
    return DeviceSession.objects.create(
        user=user,
        refresh_jti=new_refresh_jti(),
        refreshed_at=now,
        expires_at=expires_at,
        created_at=now,
        last_seen_at=now,
        user_agent=client.user_agent,
        ip_address=client.ip_address,
        origin=client.origin,
        amr=amr,
        **fields | others,
    )


def end_beyond_limit(*, keep: DeviceSession, client: ClientInfo) -> int:
    """End the oldest sessions of the user of `keep` beyond AUTH_SESSION_LIMIT; how many ended.

    The caller's transaction holds the user's row, so that sign-ins at once can't each spare one.
    """
    if not settings.AUTH_SESSION_LIMIT:
        return 0
    live = DeviceSession.objects.live().for_user(keep.user_id)
    others = live.exclude(pk=keep.pk).order_by("-created_at", "-pk").values_list("pk", flat=True)
    surplus = list(others[settings.AUTH_SESSION_LIMIT - 1 :])
    if not surplus:
        return 0
    return end_sessions(
        DeviceSession.objects.filter(pk__in=surplus),
        reason=EndReason.SESSION_LIMIT,
        actor=_Subject(keep.user_id),
        client=client,
    )


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
        _blacklist([session for session in found if not session.is_console])
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


def end_in_slices(
    sessions: QuerySet[DeviceSession],
    *,
    reason: EndReason,
    actor: Identified | None,
    client: ClientInfo,
    on_slice: Callable[[int], None],
) -> int:
    """The same for any number of sessions, each slice a transaction of its own.

    `on_slice` is told how many have ended so far.
    """
    ended = 0
    rest = sessions.filter(ended_at=None).order_by("pk")
    while sids := list(rest.values_list("pk", flat=True)[:SLICE]):
        chosen = DeviceSession.objects.filter(pk__in=sids)
        ended += end_sessions(chosen, reason=reason, actor=actor, client=client)
        on_slice(ended)
        # Onwards, so that sessions opened meanwhile don't keep this going for ever.
        rest = rest.filter(pk__gt=sids[-1])
    return ended


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
