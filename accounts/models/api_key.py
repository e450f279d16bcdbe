"""Keys for scripts and services."""

from datetime import datetime
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models.user import User
from security.identifiers import uuid7


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def live(self, now: datetime | None = None) -> "ApiKeyQuerySet":
        """Neither revoked nor expired."""
        unexpired = Q(expires_at=None) | Q(expires_at__gt=now or timezone.now())
        return self.filter(unexpired, revoked_at=None)


class ApiKey(models.Model):
    """A key of a user. Only its digest is stored: 256 random bits need no slow hash."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=8, unique=True)
    digest = models.CharField(max_length=64)
    scopes = models.JSONField(default=list)
    # Requests in the window of the role's quota; null: as many as the role allows.
    quota = models.PositiveIntegerField(null=True)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    objects: ClassVar[ApiKeyQuerySet] = ApiKeyQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        ordering = ["-id"]
        default_permissions = ["view", "add", "delete"]
        verbose_name = "API key"

    def __str__(self) -> str:
        return f"{self.name} (ak_{self.prefix}_…)"

    def is_live(self) -> bool:
        expired = self.expires_at is not None and self.expires_at <= timezone.now()
        return self.revoked_at is None and not expired
