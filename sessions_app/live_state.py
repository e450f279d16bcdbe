"""The live state of sessions in the shared cache: what a token's bearer may do now."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from security.dropping import drop_after_commit as drop_keys_after_commit
from security.shared_cache import shared_cache
from sessions_app.models import DeviceSession


def _key(sid: UUID | str) -> str:
    return f"session:{sid}"


def read(
    sid: UUID | str, *, counting: bool
) -> tuple[Any | None, str | None, list[tuple[int, int]] | None]:
    """What was stored for the session, the cache's epoch, and what this reading has counted."""
    if counting:
        return shared_cache.read_and_count(_key(sid))
    return *shared_cache.read(_key(sid)), None


def store(
    session: DeviceSession,
    state: Any,
    *,
    epoch: str | None,
    counters: Iterable[tuple[str, int]],
) -> None:
    """Remember a state read from the database; never beyond the session's own end."""
    left = session.ends_at() - timezone.now()
    ttl = min(left, settings.AUTH_LIVE_STATE_TTL)
    shared_cache.store(_key(session.pk), state, epoch=epoch, ttl=ttl, counters=counters)


def drop_after_commit(sids: Iterable[UUID]) -> None:
    """Make every process ask the database about these sessions, from the commit on."""
    drop_keys_after_commit(_key(sid) for sid in sids)


def drop_for_user_after_commit(user_id: UUID) -> None:
    """The same for every open session of a user whose own row changed."""
    sids = DeviceSession.objects.live().for_user(user_id).values_list("pk", flat=True)
    drop_after_commit(list(sids))
