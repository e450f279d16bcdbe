"""Messages waiting for delivery, written in the transaction of what they tell about."""

from datetime import datetime, timedelta
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from security.identifiers import uuid7
from security.sealing import unseal

# With a pause that doubles from a minute each time, eight and a half hours.
MOST_ATTEMPTS = 10
LONGEST_FAILURE = 100


def pause_after(attempts: int) -> timedelta:
    """How long to wait after so many failed attempts."""
    return timedelta(minutes=2 ** (attempts - 1))


class OutgoingMailQuerySet(models.QuerySet["OutgoingMail"]):
    def waiting(self) -> "OutgoingMailQuerySet":
        return self.filter(sent_at=None, failed_at=None)

    def due(self, now: datetime) -> "OutgoingMailQuerySet":
        return self.waiting().filter(next_attempt_at__lte=now)

    def sent(self) -> "OutgoingMailQuerySet":
        return self.filter(sent_at__isnull=False)

    def failed(self) -> "OutgoingMailQuerySet":
        return self.filter(failed_at__isnull=False)


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
    # What the last attempt failed with; never the mail server's words, which may name people.
    failure = models.CharField(max_length=LONGEST_FAILURE, blank=True, default="", db_default="")
    # When its link ends: nobody is sent what no longer works.
    expires_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True)

    objects: ClassVar[OutgoingMailQuerySet] = OutgoingMailQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        ordering = ["-id"]
        verbose_name = "message"
        default_permissions = ["view"]
        permissions = [("resend_outgoingmail", "Can send failed messages again")]
        indexes = [
            models.Index(
                fields=["next_attempt_at"],
                condition=Q(sent_at=None, failed_at=None),
                name="mail_due",
            ),
            models.Index(
                fields=["-id"],
                condition=Q(sent_at=None, failed_at=None),
                name="mail_waiting",
            ),
            models.Index(fields=["-id"], condition=Q(failed_at__isnull=False), name="mail_failed"),
            models.Index(fields=["recipient", "-id"], name="mail_by_recipient"),
        ]

    def __str__(self) -> str:
        return self.subject

    @property
    def state(self) -> str:
        if self.sent_at:
            return "sent"
        return "failed" if self.failed_at else "waiting"

    def text(self) -> str:
        """The body as it is sent. Raises SealBroken."""
        return unseal(self.body) if self.sealed else self.body
