"""Finding events of the trail, at a cost that does not grow with the table."""

import heapq
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

from security.models import AuditEvent
from security.models.audit_event import AuditEventQuerySet

CHUNK = 1000
# What is told of an event, in this order; properties of AuditEvent among them.
TOLD = {
    "id": "id",
    "kind": "kind",
    "actor_id": "actor_id",
    "subject_id": "subject_id",
    "session_id": "session_id",
    "ip_address": "ip_address",
    "user_agent": "user_agent",
    "device": "device",
    "request_id": "request_id",
    "details": "full_details",
    "created_at": "created_at",
}


class Events:
    """Events of the trail, ordered by id, read through the index of each condition.

    Those of a user stand in two indexes, by subject and by actor: each is read by itself and the
    two are merged, where one OR would make the database sort all events of that user. Pages are
    made of it as of a QuerySet.
    """

    def __init__(self, *parts: AuditEventQuerySet) -> None:
        self._parts = parts

    def order_by(self, *fields: str) -> "Events":
        return Events(*(part.order_by(*fields) for part in self._parts))

    def filter(self, *conditions: Any, **lookups: Any) -> "Events":
        return Events(*(part.filter(*conditions, **lookups) for part in self._parts))

    def __getitem__(self, wanted: slice) -> list[AuditEvent]:
        """The events of the slice, which begins where a page does: at 0."""
        found = [list(part[: wanted.stop]) for part in self._parts]
        descending = self._parts[0].query.order_by == ("-id",)
        return list(_merged(found, descending=descending))[wanted]

    def stream(self) -> Iterator[AuditEvent]:
        """All of them, the oldest first, in statements of constant size."""
        return _merged(map(_stream, self._parts), descending=False)


def find_events(
    *,
    user: UUID | None = None,
    kind: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    ip: str | None = None,
) -> Events:
    """The events that meet every condition given: `user` as subject or actor, [since, until)."""
    events = AuditEvent.objects.between(since, until)
    if kind is not None:
        events = events.filter(kind=kind)
    if ip is not None:
        events = events.filter(ip_address=ip)
    if user is None:
        return Events(events)
    return Events(events.filter(subject_id=user), events.filter(actor_id=user))


def _merged(parts: Any, *, descending: bool) -> Iterator[AuditEvent]:
    """Sorted parts as one, each event once."""
    last = None
    for event in heapq.merge(*parts, key=lambda event: event.pk, reverse=descending):
        if event.pk != last:
            yield event
        last = event.pk


def _stream(part: AuditEventQuerySet) -> Iterator[AuditEvent]:
    rest = part = part.order_by("pk")
    while chunk := list(rest[:CHUNK]):
        yield from chunk
        rest = part.filter(pk__gt=chunk[-1].pk)
