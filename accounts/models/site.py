"""Sites, who belongs to them, and the violations recorded there."""

from typing import ClassVar

from django.db import models
from django.utils import timezone

from accounts.models.user import User
from security.identifiers import uuid7

LONGEST_SITE_NAME = 150
LONGEST_STREAM_NAME = 150
LONGEST_IMAGE_URL = 2048
SEE_ALL = "accounts.view_all_sites"


class SiteQuerySet(models.QuerySet["Site"]):
    def visible_to(self, user: User) -> "SiteQuerySet":
        """The sites that the user belongs to; all of them for who may see every site."""
        return self if user.has_perm(SEE_ALL) else self.filter(members=user.pk)


class Site(models.Model):
    """A place that is watched. Its members see it and its violations; nobody else knows of it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=LONGEST_SITE_NAME, unique=True)
    members = models.ManyToManyField(User, through="Membership", related_name="sites")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects: ClassVar[SiteQuerySet] = SiteQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        ordering = ["-id"]
        permissions = [("view_all_sites", "Can see every site")]

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """A user belongs to a site."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # The constraint's index serves lookups by site, too.
    site = models.ForeignKey(
        Site, on_delete=models.CASCADE, related_name="memberships", db_index=False
    )
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    created_at = models.DateTimeField(default=timezone.now)

    objects: ClassVar[models.Manager["Membership"]] = models.Manager()

    class Meta:
        ordering = ["-id"]
        # It comes with the permissions of the site.
        default_permissions: ClassVar[list[str]] = []
        constraints = [
            models.UniqueConstraint(fields=["site", "user"], name="membership_once_per_site")
        ]

    def __str__(self) -> str:
        return f"{self.user} of {self.site}"


class ViolationQuerySet(models.QuerySet["Violation"]):
    def visible_to(self, user: User) -> "ViolationQuerySet":
        """Those of the sites that the user may see."""
        return self.filter(site__in=Site.objects.visible_to(user))


class Violation(models.Model):
    """What a camera stream saw at a moment. The JSON columns are the recorder's own business."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # The index below serves lookups by site, too.
    site = models.ForeignKey(
        Site, on_delete=models.CASCADE, related_name="violations", db_index=False
    )
    stream_name = models.CharField(max_length=LONGEST_STREAM_NAME)
    detected_at = models.DateTimeField(default=timezone.now)
    image_url = models.CharField(max_length=LONGEST_IMAGE_URL, null=True)
    warnings = models.JSONField(default=list)
    detections = models.JSONField(default=list)
    cone_polygons = models.JSONField(default=list)
    pole_polygons = models.JSONField(default=list)
    resolved_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[ViolationQuerySet] = ViolationQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["site", "-id"], name="violation_newest_of_site")]

    def __str__(self) -> str:
        return f"{self.stream_name}, {self.detected_at:%Y-%m-%d %H:%M:%S}"
