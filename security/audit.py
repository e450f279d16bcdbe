"""The trail of who did what: record() is its only writer."""

from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from security.client_info import ClientInfo
from security.logs import get_logger
from security.models import AuditEvent

logger = get_logger(__name__)


class Kind(StrEnum):
    """Every event there is, as subject.happened."""

    USER_REGISTERED = "user.registered"
    ADMIN_BOOTSTRAPPED = "admin.bootstrapped"
    USER_CREATED = "user.created"
    USER_CHANGED = "user.changed"
    USER_ACTIVATED = "user.activated"
    USER_DEACTIVATED = "user.deactivated"
    USER_DELETED = "user.deleted"
    ROLE_CREATED = "role.created"
    USERS_IMPORTED = "users.imported"
    USERS_EXPORTED = "users.exported"
    ROLE_CHANGED = "role.changed"
    ROLE_DELETED = "role.deleted"
    PASSWORD_SET = "password.set"
    PASSWORD_CHANGED = "password.changed"
    LOGIN_SUCCEEDED = "login.succeeded"
    LOGIN_FAILED = "login.failed"
    TOKEN_ISSUED = "token.issued"
    SESSION_ENDED = "session.ended"
    SESSION_RENAMED = "session.renamed"
    REFRESH_REUSED = "refresh.reused"
    API_KEY_CREATED = "api_key.created"
    API_KEY_REVOKED = "api_key.revoked"
    SITE_CREATED = "site.created"
    SITE_CHANGED = "site.changed"
    SITE_DELETED = "site.deleted"
    SITE_MEMBER_ADDED = "site.member_added"
    SITE_MEMBER_REMOVED = "site.member_removed"
    VIOLATION_RECORDED = "violation.recorded"
    VIOLATION_CHANGED = "violation.changed"
    VIOLATION_DELETED = "violation.deleted"
    KEY_CREATED = "key.created"
    KEY_ROTATED = "key.rotated"
    KEY_RETIRED = "key.retired"
    KEY_REVOKED = "key.revoked"


class Identified(Protocol):
    """Anything with a UUID: a user, whose model this app does not know."""

    pk: UUID


def record(
    kind: Kind,
    *,
    actor: Identified | None = None,
    subject: Identified | None = None,
    client: ClientInfo | None = None,
    session_id: UUID | None = None,
    unlogged: dict[str, Any] | None = None,
    **details: Any,
) -> AuditEvent:
    """Write one event inside the caller's transaction.

    `actor` is who did it (None: nobody signed in, or the service itself), `subject` the user it
    was done to. `details` must be JSON and free of secrets; those too long for a log line go into
    `unlogged`.
    """
    client = client or ClientInfo()
    event = AuditEvent.objects.create(
        kind=kind,
        actor_id=actor.pk if actor else None,
        subject_id=subject.pk if subject else None,
        session_id=session_id,
        ip_address=client.ip_address,
        user_agent=client.user_agent,
        request_id=client.request_id,
        details=details | (unlogged or {}),
    )
    named = {"actor": event.actor_id, "subject": event.subject_id, "session": session_id}
    logger.info(str(kind), **{name: str(pk) for name, pk in named.items() if pk}, **details)
    return event


def has_happened(kind: Kind) -> bool:
    """Whether the trail holds such an event."""
    return AuditEvent.objects.filter(kind=kind).exists()
