"""Tokens that are mailed to somebody and used once."""

from collections.abc import Collection
from datetime import datetime
from typing import ClassVar

from django.db import models
from django.db.models import Q

from accounts.identifiers import LONGEST_EMAIL, KeyField
from accounts.models.user import User
from security.identifiers import uuid7


class Purpose(models.TextChoices):
    """What a token is for; it is good for nothing else."""

    VERIFY_EMAIL = "verify_email"
    RESET_PASSWORD = "reset_password"
    SET_PASSWORD = "set_password"
    CHANGE_EMAIL = "change_email"
    UNDO_EMAIL_CHANGE = "undo_email_change"


class OneTimeTokenQuerySet(models.QuerySet["OneTimeToken"]):
    def usable(self, now: datetime) -> "OneTimeTokenQuerySet":
        """Neither used nor expired; an inactive account can only be given back its address."""
        may = Q(user__is_active=True) | Q(purpose=Purpose.UNDO_EMAIL_CHANGE)
        return self.filter(may, used_at=None, expires_at__gt=now)

    def giving_back(self, email_keys: Collection[str], now: datetime) -> "OneTimeTokenQuerySet":
        """Those by which somebody may still take one of these addresses back."""
        undoing = self.filter(purpose=Purpose.UNDO_EMAIL_CHANGE, email_key__in=email_keys)
        return undoing.usable(now)


class OneTimeToken(models.Model):
    """A token of a user. Only its digest is stored: 256 random bits need no slow hash.

    A code that a person types is short, so it is stored as an HMAC with SECRET_KEY over this row's
    id and the code, lives shorter, and takes few tries.
    """

    Purpose = Purpose

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="one_time_tokens")
    purpose = models.CharField(max_length=32)
    digest = models.CharField(max_length=64, unique=True)
    code_digest = models.CharField(max_length=64, blank=True)
    code_expires_at = models.DateTimeField(null=True)
    tries = models.PositiveSmallIntegerField(default=0)
    # The address that a change leads to, or that an undoing of it gives back.
    email = models.CharField(max_length=LONGEST_EMAIL, blank=True)
    email_key = KeyField(of="email", unique=False)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)
    used_at = models.DateTimeField(null=True)

    objects: ClassVar[OneTimeTokenQuerySet] = OneTimeTokenQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        ordering = ["-id"]
        default_permissions = ()
        indexes = [
            models.Index(
                fields=["email_key"],
                condition=Q(purpose=Purpose.UNDO_EMAIL_CHANGE),
                name="undo_by_email",
            )
        ]

    def __str__(self) -> str:
        return f"{self.purpose} ({self.created_at:%Y-%m-%d})"
