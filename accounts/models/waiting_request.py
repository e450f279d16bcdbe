"""What somebody asked for and the worker answers, so that the asking tells them nothing."""

from datetime import datetime
from typing import Any, ClassVar, Self

from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

from accounts.identifiers import LONGEST_EMAIL
from accounts.models.outgoing_mail import MOST_ATTEMPTS
from security.client_info import ClientInfo
from security.identifiers import uuid7


class WaitingRequestQuerySet(models.QuerySet[Any]):
    def due(self, now: datetime) -> Self:
        return self.filter(attempts__lt=MOST_ATTEMPTS, next_attempt_at__lte=now)

    def failed(self) -> Self:
        return self.filter(attempts__gte=MOST_ATTEMPTS)


class WaitingRequest(models.Model):
    """A wish about an e-mail address, and where it came from."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    email = models.CharField(max_length=LONGEST_EMAIL)
    ip_address = models.GenericIPAddressField(null=True)
    user_agent = models.CharField(max_length=512, blank=True)
    request_id = models.CharField(max_length=128, blank=True)
    # Failed ones; one that failed too often stays to be counted.
    attempts = models.PositiveSmallIntegerField(default=0, db_default=0)
    next_attempt_at = models.DateTimeField(default=timezone.now, db_default=Now())

    objects: ClassVar[WaitingRequestQuerySet] = WaitingRequestQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        abstract = True
        ordering = ["id"]
        default_permissions = ()

    @staticmethod
    def columns_of(client: ClientInfo) -> dict[str, str | None]:
        """Where it came from, as its columns."""
        return {
            "ip_address": client.ip_address,
            "user_agent": client.user_agent,
            "request_id": client.request_id,
        }

    @property
    def client(self) -> ClientInfo:
        return ClientInfo(self.ip_address, self.user_agent, self.request_id)
