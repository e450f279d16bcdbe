"""What happened, to whom, by whom and from where."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from django.db import models
from django.db.models import Q
from django.utils import timezone

from security.client_info import device_name
from security.identifiers import least_uuid7, uuid7
from security.personal_data import join


class AuditEventQuerySet(models.QuerySet["AuditEvent"]):
    def between(self, since: datetime | None, until: datetime | None) -> "AuditEventQuerySet":
        """Those in [since, until), found by their ids; None is open."""
        bounds: dict[str, UUID] = {}
        if since is not None:
            bounds["pk__gte"] = least_uuid7(since)
        if until is not None:
            bounds["pk__lt"] = least_uuid7(until)
        return self.filter(**bounds)

    def unchained(self) -> "AuditEventQuerySet":
        return self.filter(seq=None)

    def last_seq(self) -> int:
        """The number of the newest link; 0 without any."""
        chained = self.filter(seq__isnull=False).order_by("-seq")
        return chained.values_list("seq", flat=True).first() or 0


class AuditEvent(models.Model):
    """One entry of the trail; the database refuses to change or delete it.

    Users are named by id only. What else tells of a person (address, user agent, `personal`) can be
    erased together with the salt of its digest; the chain covers the digest, so it still holds.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=64)
    actor_id = models.UUIDField(null=True)
    subject_id = models.UUIDField(null=True)
    session_id = models.UUIDField(null=True)
    request_id = models.CharField(max_length=128, blank=True)
    details = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    # What erasing a person empties; an empty salt says that it did.
    ip_address = models.GenericIPAddressField(null=True)
    user_agent = models.CharField(max_length=512, blank=True)
    personal = models.JSONField(default=dict)
    salt = models.CharField(max_length=32, blank=True)
    personal_digest = models.CharField(max_length=64, blank=True)
    # The place in the chain, written a few seconds later by security.audit_chain.
    seq = models.BigIntegerField(null=True)
    digest = models.CharField(max_length=64, blank=True)

    objects: ClassVar[AuditEventQuerySet] = AuditEventQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        # Ids are ordered by time, so the newest come first without an index of their own.
        ordering = ["-id"]
        default_permissions = ["view"]
        permissions = [("view_metrics", "Can read the metrics")]
        indexes = [
            models.Index(fields=["subject_id", "-id"], name="audit_subject"),
            models.Index(fields=["actor_id", "-id"], name="audit_actor"),
            models.Index(fields=["ip_address", "-id"], name="audit_ip"),
            models.Index(fields=["kind", "-id"], name="audit_kind"),
            # Holds a few seconds' events, however large the table.
            models.Index(fields=["id"], condition=Q(seq=None), name="audit_unchained"),
        ]
        constraints = [
            # Of two that chain at once one fails.
            models.UniqueConstraint(
                fields=["seq"], condition=Q(seq__isnull=False), name="one_event_a_link"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} at {self.created_at:%Y-%m-%d %H:%M:%S}"

    @property
    def device(self) -> str:
        """The device that the user agent names; empty without one."""
        return device_name(self.user_agent) if self.user_agent else ""

    @property
    def full_details(self) -> dict[str, Any]:
        """The details with their personal values, as far as these are not erased."""
        return join(self.details, self.personal)
