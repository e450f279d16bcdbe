"""What happened, to whom, by whom and from where."""

from django.db import models

from security.identifiers import uuid7


class AuditEvent(models.Model):
    """One entry of the trail. Users are named by id only, so erasing a person breaks nothing."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=64)
    actor_id = models.UUIDField(null=True)
    subject_id = models.UUIDField(null=True)
    session_id = models.UUIDField(null=True)
    ip_address = models.GenericIPAddressField(null=True)
    user_agent = models.CharField(max_length=512, blank=True)
    request_id = models.CharField(max_length=128, blank=True)
    details = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        # Ids are ordered by time, so the newest come first without an index of their own.
        ordering = ["-id"]
        default_permissions = ["view"]
        permissions = [("view_metrics", "Can read the metrics")]
        indexes = [
            models.Index(fields=["subject_id", "-id"], name="audit_subject"),
            models.Index(fields=["kind", "-id"], name="audit_kind"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} at {self.created_at:%Y-%m-%d %H:%M:%S}"
