"""Recording, resolving and deleting the violations of a site."""

from typing import Any

from django.db import IntegrityError, transaction

from accounts.models import Site, User, Violation
from security import audit
from security.audit import Kind
from security.client_info import ClientInfo
from security.errors import NotFound


def record_violation(
    *, site: Site, fields: dict[str, Any], actor: User, client: ClientInfo
) -> Violation:
    """A new violation of the site. Raises NotFound if the site went away."""
    try:
        with transaction.atomic():
            violation = Violation.objects.create(site=site, **fields)
            _record(Kind.VIOLATION_RECORDED, violation, actor, client)
    except IntegrityError as error:
        raise NotFound from error
    return violation


def change_violation(
    *, violation: Violation, changes: dict[str, Any], actor: User, client: ClientInfo
) -> Violation:
    """Set some fields; `resolved_at` resolves it, None reopens it.

    Raises NotFound if it went away.
    """
    with transaction.atomic():
        stored = Violation.objects.select_for_update().filter(pk=violation.pk).first()
        if stored is None:
            raise NotFound
        changed = sorted(name for name in changes if getattr(stored, name) != changes[name])
        if not changed:
            return stored
        for name in changed:
            setattr(stored, name, changes[name])
        stored.save(update_fields=changed)
        resolved_at = stored.resolved_at and stored.resolved_at.isoformat()
        details = {"resolved_at": resolved_at} if "resolved_at" in changed else {}
        _record(Kind.VIOLATION_CHANGED, stored, actor, client, changed=changed, **details)
    return stored


def delete_violation(*, violation: Violation, actor: User, client: ClientInfo) -> None:
    """Raises NotFound if it went away."""
    with transaction.atomic():
        deleted, _ = Violation.objects.filter(pk=violation.pk).delete()
        if not deleted:
            raise NotFound
        _record(Kind.VIOLATION_DELETED, violation, actor, client)


def _record(
    kind: Kind, violation: Violation, actor: User, client: ClientInfo, **details: Any
) -> None:
    audit.record(
        kind,
        actor=actor,
        client=client,
        site=str(violation.site_id),
        violation=str(violation.pk),
        **details,
    )
