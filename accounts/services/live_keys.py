"""Who an API key acts as, and what it may do now: from the shared cache, else the database."""

import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from accounts.api_keys import digest_of, prefix_of
from accounts.key_use import key_use
from accounts.models import ApiKey, User
from accounts.services.live_state import quota_of, restore_user, snapshot_user
from security.dropping import drop_after_commit
from security.meters import Meter, count
from security.shared_cache import shared_cache
from sessions_app import live_state


@dataclass(frozen=True)
class KeyCredential:
    """What authenticated a request: a key, which belongs to no session."""

    prefix: str
    sid: None = None


def live_key_user(text: str, *, counting: bool = False) -> tuple[User, KeyCredential] | None:
    """The user of a live key, holding only those of their permissions that its scopes name.

    With `counting` it is a request of the key's: it counts against the user's quota, against the
    key's own if it has one, and for when the key was last used.
    """
    prefix = prefix_of(text)
    if prefix is None:
        return None
    metered = counting and settings.AUTH_LIMITS
    digest = digest_of(text)
    if metered:
        # Who knows only the prefix must not use up the quota.
        state, epoch, counted = shared_cache.read_and_count(_cache_key(prefix), proof=digest)
    else:
        (state, epoch), counted = shared_cache.read(_cache_key(prefix)), None
    if state is None:
        state = _load(prefix, epoch)
    if state is None or not hmac.compare_digest(state["digest"], digest):
        return None
    user = restore_user(state["user"])
    if counting:
        key_use.note(UUID(state["id"]))
    if metered:
        user.usages = count(_meters(user, prefix, state["quota"]), counted=counted)
    return user, KeyCredential(prefix)


def drop_keys_after_commit(prefixes: Iterable[str]) -> None:
    """Make every process ask the database about these keys, from the commit on."""
    drop_after_commit(_cache_key(prefix) for prefix in prefixes)


def drop_keys_of_user_after_commit(user_id: UUID) -> None:
    prefixes = ApiKey.objects.live().filter(user_id=user_id).values_list("prefix", flat=True)
    drop_keys_after_commit(list(prefixes))


def _cache_key(prefix: str) -> str:
    return f"api-key:{prefix}"


def _load(prefix: str, epoch: str | None) -> dict[str, Any] | None:
    now = timezone.now()
    key = ApiKey.objects.live(now).select_related("user__role").filter(prefix=prefix).first()
    if key is None or not key.user.is_active:
        return None
    state = {
        "id": str(key.pk),
        "digest": key.digest,
        "user": _within_scopes(key),
        "quota": key.quota,
    }
    ttl = settings.AUTH_LIVE_STATE_TTL
    if key.expires_at is not None:
        ttl = min(ttl, key.expires_at - now)
    shared_cache.store(
        _cache_key(prefix),
        state,
        epoch=epoch,
        ttl=ttl,
        proof=key.digest,
        counters=[(meter.key, meter.seconds) for meter in _meters(key.user, prefix, key.quota)],
    )
    return state


def _meters(user: User, prefix: str, quota: int | None) -> list[Meter]:
    """The user's quota, which all their keys share, and what this key may use of it."""
    whole = quota_of(user)
    own = [] if quota is None else [Meter("key", prefix, quota, whole.seconds)]
    return [whole, *own]


def _within_scopes(key: ApiKey) -> dict[str, Any]:
    state = snapshot_user(key.user)
    state["codes"] = sorted(set(state["codes"]) & set(key.scopes))
    state["role"] |= {"all_permissions": False, "console_access": False}
    return state


def drop_user_after_commit(user_id: UUID) -> None:
    """Make every process ask again about all that acts for a user whose own row changed."""
    live_state.drop_for_user_after_commit(user_id)
    drop_keys_of_user_after_commit(user_id)
