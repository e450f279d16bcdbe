"""Making and revoking API keys."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.api_keys import digest_of, new_key, prefix_of
from accounts.emails import notify
from accounts.models import ApiKey, User
from accounts.services.live_keys import drop_keys_after_commit
from security import audit
from security.audit import Kind
from security.client_info import ClientInfo
from security.errors import FieldError, GrantTooWide, NotFound, TooManyKeys

HOUR = timedelta(hours=1)
# Notices of new keys in an hour: whoever makes thousands must not flood a mailbox.
MOST_TOLD = 5


def create_api_key(
    *,
    user: User,
    name: str,
    scopes: list[str],
    expires_at: datetime | None,
    actor: User,
    quota: int | None = None,
    client: ClientInfo,
) -> tuple[ApiKey, str]:
    """A key that acts as `user` within `scopes`, and its text, which is never seen again.

    `quota` is how many requests it may make in the window of the role's own quota. A key acts as
    its user also where membership counts, so only who may everything makes one for somebody else.
    Raises GrantTooWide for that and for a scope that the actor lacks, FieldError for one that the
    user lacks or an expiry in the past, TooManyKeys and NotFound.
    """
    for_another = actor.pk != user.pk and not actor.role.all_permissions
    if for_another or not set(scopes) <= actor.role.codes:
        raise GrantTooWide
    if unknown := sorted(set(scopes) - user.role.codes):
        raise FieldError(("scopes", "invalid_choice", f"The user lacks {', '.join(unknown)}."))
    if expires_at is not None and expires_at <= timezone.now():
        raise FieldError(("expires_at", "invalid", "The key would have expired already."))
    text = new_key()
    with transaction.atomic():
        # Whoever deletes the user, or makes another key, waits.
        if not User.objects.select_for_update(no_key=True).filter(pk=user.pk).exists():
            raise NotFound
        if ApiKey.objects.live().filter(user=user).count() >= settings.AUTH_API_KEY_LIMIT:
            raise TooManyKeys
        told = ApiKey.objects.filter(user=user, created_at__gt=timezone.now() - HOUR).count()
        key = ApiKey.objects.create(
            user=user,
            name=name,
            prefix=prefix_of(text) or "",
            digest=digest_of(text),
            scopes=sorted(set(scopes)),
            quota=quota,
            expires_at=expires_at,
        )
        audit.record(
            Kind.API_KEY_CREATED,
            actor=actor,
            subject=user,
            client=client,
            prefix=key.prefix,
            scopes=key.scopes,
        )
        if told < MOST_TOLD:
            by_owner = actor.pk == user.pk
            notify(user, "key_made", client=client, prefix=key.prefix, by_owner=by_owner)
    return key, text


def revoke_api_key(*, key: ApiKey, actor: User | None, client: ClientInfo | None = None) -> None:
    """End a key at once, in every process."""
    with transaction.atomic():
        if ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=timezone.now()):
            audit.record(
                Kind.API_KEY_REVOKED,
                actor=actor,
                subject=key.user,
                client=client,
                prefix=key.prefix,
            )
            drop_keys_after_commit([key.prefix])


def revoke_all_keys(
    *, user: User, actor: User, client: ClientInfo, made_before: datetime | None = None
) -> None:
    """End every key of a user, or those made before a moment."""
    keys = ApiKey.objects.live().select_related("user").filter(user=user)
    if made_before is not None:
        keys = keys.filter(created_at__lt=made_before)
    for key in keys:
        revoke_api_key(key=key, actor=actor, client=client)
