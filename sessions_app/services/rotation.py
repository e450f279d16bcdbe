"""Spending a refresh token: once, whoever asks, in however many processes."""

from dataclasses import dataclass
from enum import Enum, auto
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from security.client_info import ClientInfo
from sessions_app.models import DeviceSession
from sessions_app.services.sessions import idle_expiry, new_refresh_jti


class Outcome(Enum):
    ROTATED = auto()
    """This caller won; the session holds the successor."""
    REPEATED = auto()
    """A retry inside the grace; the session holds the successor that somebody already got."""
    REUSED = auto()
    """A token that was spent before; the session must end."""
    ENDED = auto()
    """The session is over, or never was."""


@dataclass(frozen=True)
class Spending:
    outcome: Outcome
    session: DeviceSession | None = None


def spend(*, sid: UUID, generation: int, jti: str, client: ClientInfo) -> Spending:
    """Spend the refresh token of `generation`; never raises and never ends a session itself.

    One conditional UPDATE decides: whoever changes the row has won. The caller ends the session on
    REUSED, outside any transaction that its own error would roll back.
    """
    session = DeviceSession.objects.select_related("user__role").filter(pk=sid).first()
    now = timezone.now()
    if session is None or not session.is_live(now) or not session.user.is_active:
        return Spending(Outcome.ENDED, session)
    if (session.generation, session.refresh_jti) == (generation, jti):
        successor = {
            "generation": generation + 1,
            "refresh_jti": new_refresh_jti(),
            "refreshed_at": now,
            "idle_expires_at": idle_expiry(now, session.expires_at),
            "last_seen_at": now,
            "ip_address": client.ip_address,
        }
        present = DeviceSession.objects.live(now).filter(
            pk=sid, generation=generation, refresh_jti=jti
        )
        if present.update(**successor) == 1:
            for name, value in successor.items():
                setattr(session, name, value)
            return Spending(Outcome.ROTATED, session)
        found = DeviceSession.objects.select_related("user__role").filter(pk=sid).first()
        if found is None or not found.is_live(now):
            return Spending(Outcome.ENDED, found)
        session = found
    return Spending(_outcome_of_spent(session, generation), session)


def _outcome_of_spent(session: DeviceSession, generation: int) -> Outcome:
    """Only the immediate predecessor may be repeated, and only within the grace."""
    just_now = timezone.now() - session.refreshed_at <= settings.AUTH_REFRESH_GRACE
    if session.generation == generation + 1 and just_now:
        return Outcome.REPEATED
    if session.generation <= generation:
        # The row was restored from an older backup: not a theft, but not to be trusted either.
        return Outcome.ENDED
    return Outcome.REUSED
