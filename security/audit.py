"""The trail of who did what: record() is its only writer."""

from collections.abc import Iterable
from enum import StrEnum
from functools import partial
from typing import Any, Protocol
from uuid import UUID

from django.db import transaction

from security.client_info import ClientInfo
from security.identifiers import moment_of, uuid7
from security.logs import get_logger
from security.models import AuditEvent
from security.personal_data import new_salt, personal_digest, split

logger = get_logger(__name__)

SLICE = 1000


class Kind(StrEnum):
    """Every event there is, as subject.happened."""

    USER_REGISTERED = "user.registered"
    ADMIN_BOOTSTRAPPED = "admin.bootstrapped"
    USER_CREATED = "user.created"
    USER_CHANGED = "user.changed"
    USER_ACTIVATED = "user.activated"
    USER_DEACTIVATED = "user.deactivated"
    USER_DELETED = "user.deleted"
    USER_ERASED = "user.erased"
    ROLE_CREATED = "role.created"
    USERS_IMPORTED = "users.imported"
    USERS_EXPORTED = "users.exported"
    ROLE_CHANGED = "role.changed"
    ROLE_DELETED = "role.deleted"
    PASSWORD_CONFIRMED = "password.confirmed"
    PASSWORD_SET = "password.set"
    PASSWORD_CHANGED = "password.changed"
    PASSWORD_RESET_REQUESTED = "password.reset_requested"
    PASSWORD_RESET = "password.reset"
    EMAIL_VERIFIED = "email.verified"
    EMAIL_CHANGE_REQUESTED = "email.change_requested"
    EMAIL_CHANGED = "email.changed"
    EMAIL_CHANGE_UNDONE = "email.change_undone"
    LOGIN_SUCCEEDED = "login.succeeded"
    LOGIN_FAILED = "login.failed"
    LOGIN_LOCKED = "login.locked"
    LOGIN_UNLOCKED = "login.unlocked"
    REAUTHENTICATION_FAILED = "reauthentication.failed"
    TOKEN_ISSUED = "token.issued"
    SESSION_ENDED = "session.ended"
    SESSION_RENAMED = "session.renamed"
    REFRESH_REUSED = "refresh.reused"
    API_KEY_CREATED = "api_key.created"
    API_KEY_REVOKED = "api_key.revoked"
    MAIL_RESENT = "mail.resent"
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
    was done to; a command has no actor, but an operator in the details. `details` must be JSON and
    free of secrets; the values under PERSONAL_NAMES, at any depth, are kept so that they can be
    erased, and stay out of the log, as does `unlogged`: details too long for a log line.
    """
    client = client or ClientInfo()
    if client.operator:
        details = {"operator": client.operator, **details}
    pk = uuid7()
    public, personal = split(details | (unlogged or {}))
    origin: dict[str, Any] = {"ip_address": client.ip_address, "user_agent": client.user_agent}
    salt = new_salt()
    event = AuditEvent.objects.create(
        id=pk,
        # The id's own moment, so that a span of time is a span of ids.
        created_at=moment_of(pk),
        kind=kind,
        actor_id=actor.pk if actor else None,
        subject_id=subject.pk if subject else None,
        session_id=session_id,
        request_id=client.request_id,
        details=public,
        personal=personal,
        salt=salt,
        personal_digest=personal_digest(salt=salt, personal=personal, **origin),
        **origin,
    )
    named = {"actor": event.actor_id, "subject": event.subject_id, "session": session_id}
    told = {name: str(pk) for name, pk in named.items() if pk}
    told |= {name: public[name] for name in details}
    # What is taken back is not told.
    transaction.on_commit(partial(logger.info, str(kind), **told))
    return event


def erase(person: Identified, *, operator: str) -> int:
    """Empty what the events by or about this person tell of people; return how many events.

    All or nothing, for good, and recorded as `user.erased` with the operator's name; without that
    record verification would take the empty events for tampered ones.
    """
    with transaction.atomic():
        erased = _empty("subject_id", person.pk) + _empty("actor_id", person.pk)
        if erased:
            record(Kind.USER_ERASED, subject=person, operator=operator, events=erased)
    return erased


def _empty(column: str, pk: UUID) -> int:
    # A record of an erasure tells nothing personal.
    events = AuditEvent.objects.filter(**{column: pk}).exclude(salt="")
    events = events.exclude(kind=Kind.USER_ERASED).order_by("pk")
    erased, rest = 0, events
    while ids := list(rest.values_list("pk", flat=True)[:SLICE]):
        erased += AuditEvent.objects.filter(pk__in=ids).update(
            ip_address=None, user_agent="", personal={}, salt=""
        )
        rest = events.filter(pk__gt=ids[-1])
    return erased


def subjects_of(kind: Kind, *, among: Iterable[UUID]) -> set[UUID]:
    """To which of these users such an event has happened."""
    events = AuditEvent.objects.filter(kind=kind, subject_id__in=list(among))
    return {pk for pk in events.values_list("subject_id", flat=True) if pk}


def has_happened(kind: Kind) -> bool:
    """Whether the trail holds such an event."""
    return AuditEvent.objects.filter(kind=kind).exists()
