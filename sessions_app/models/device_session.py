"""One sign-in on one device, and the family of all refresh tokens that descend from it."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from security.identifiers import uuid7

LONGEST_DEVICE = 120
# A device's name and a network.
LONGEST_ORIGIN = LONGEST_DEVICE + 50


class EndReason(models.TextChoices):
    LOGOUT = "logout"
    LOGOUT_ALL = "logout_all"
    LOGOUT_OTHERS = "logout_others"
    REMOTE_LOGOUT = "remote_logout"
    PASSWORD_CHANGED = "password_changed"
    PASSWORD_RESET = "password_reset"
    EMAIL_CHANGE_UNDONE = "email_change_undone"
    DEACTIVATED = "deactivated"
    USER_DELETED = "user_deleted"
    REFRESH_REUSED = "refresh_reused"
    ENDED_BY_STAFF = "ended_by_staff"
    SESSION_LIMIT = "session_limit"
    CONSOLE_ACCESS_LOST = "console_access_lost"


class DeviceSessionQuerySet(models.QuerySet["DeviceSession"]):
    def live(self, now: datetime | None = None) -> "DeviceSessionQuerySet":
        """Neither ended, nor idle for too long, nor past the absolute limit."""
        now = now or timezone.now()
        return self.filter(ended_at=None, idle_expires_at__gt=now, expires_at__gt=now)

    def for_user(self, user_id: UUID) -> "DeviceSessionQuerySet":
        return self.filter(user_id=user_id)

    def at_console(self) -> "DeviceSessionQuerySet":
        """Sign-ins to the console, which have no tokens."""
        return self.filter(is_console=True)

    def from_origin(self, origin: str) -> "DeviceSessionQuerySet":
        """Opened by this device in this network; rows older than the column may be from any."""
        return self.filter(origin__in=(origin, ""))

    def over_since(self, moment: datetime) -> "DeviceSessionQuerySet":
        """Ended or idle before `moment`; what expired is idle, too (`idle_expiry`)."""
        return self.filter(Q(ended_at__lt=moment) | Q(idle_expires_at__lt=moment))


class DeviceSession(models.Model):
    """A session. `generation` counts its refreshes: only a token of the present one can be spent.

    The row holds all that is needed to make the present refresh token again (`refresh_jti`,
    `refreshed_at`, `idle_expires_at`), and no text that could be replayed.
    """

    EndReason = EndReason

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="device_sessions",
        # The index on user and origin serves this key too.
        db_index=False,
    )
    generation = models.PositiveIntegerField(default=1)
    refresh_jti = models.CharField(max_length=32)
    refreshed_at = models.DateTimeField()
    idle_expires_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    created_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    end_reason = models.CharField(max_length=32, blank=True)
    device = models.CharField(max_length=LONGEST_DEVICE)
    user_agent = models.CharField(max_length=512, blank=True)
    ip_address = models.GenericIPAddressField(null=True)
    # Where the session was opened, as `ClientInfo.origin`; a new name or address leaves it alone.
    # The database's default lets processes of the version before go on during an upgrade.
    origin = models.CharField(
        max_length=LONGEST_ORIGIN, blank=True, default="", db_default="", editable=False
    )
    amr = models.JSONField(default=list)
    # A sign-in to the console: it has no tokens, and ends earlier.
    is_console = models.BooleanField(default=False, db_default=False, editable=False)

    objects: ClassVar[DeviceSessionQuerySet] = DeviceSessionQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        ordering = ["-id"]
        default_permissions = ["view", "delete"]
        verbose_name = "session"
        indexes = [
            models.Index(fields=["user", "origin"], name="session_origin"),
            models.Index(fields=["user"], condition=Q(ended_at=None), name="session_open_by_user"),
            models.Index(fields=["ended_at"], name="session_ended"),
            models.Index(fields=["idle_expires_at"], name="session_idle"),
        ]

    def __str__(self) -> str:
        return f"{self.device} ({self.created_at:%Y-%m-%d})"

    def is_live(self, now: datetime | None = None) -> bool:
        return self.ended_at is None and self.ends_at() > (now or timezone.now())

    def ends_at(self) -> datetime:
        """When the session ends unless it is refreshed before."""
        return min(self.idle_expires_at, self.expires_at)
