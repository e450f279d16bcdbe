"""Messages waiting for delivery, written in the transaction of what they tell about."""

from datetime import datetime
from typing import ClassVar

from django.db import models
from django.utils import timezone

from security.identifiers import uuid7
from security.sealing import unseal


class OutgoingMailQuerySet(models.QuerySet["OutgoingMail"]):
    def due(self, now: datetime) -> "OutgoingMailQuerySet":
        return self.filter(sent_at=None, failed_at=None, next_attempt_at__lte=now)


class OutgoingMail(models.Model):
    """One message to one address. `failed_at` is set when delivery was given up.

    A body with a link or code in it is sealed: who reads the table can't use it.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    recipient = models.EmailField(max_length=254)
    subject = models.CharField(max_length=200)
    body = models.TextField()
    sealed = models.BooleanField(default=False, db_default=False)
    created_at = models.DateTimeField(default=timezone.now)
    next_attempt_at = models.DateTimeField(default=timezone.now)
    attempts = models.PositiveSmallIntegerField(default=0)
    sent_at = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True)

    objects: ClassVar[OutgoingMailQuerySet] = OutgoingMailQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        ordering = ["-id"]
        default_permissions = ["view"]
        indexes = [
            models.Index(
                fields=["next_attempt_at"],
                condition=models.Q(sent_at=None, failed_at=None),
                name="mail_due",
            )
        ]

    def __str__(self) -> str:
        return self.subject

    def text(self) -> str:
        """The body as it is sent. Raises SealBroken."""
        return unseal(self.body) if self.sealed else self.body
