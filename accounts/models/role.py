"""What a user may do: a named set of Django permissions, a quota, and access to the console."""

from functools import cached_property
from typing import ClassVar

from django.conf import settings
from django.contrib.auth.models import Permission
from django.db import models

# Without a `$`, which lets a line break follow.
ROLE_NAME = r"^[a-z][a-z0-9_-]{0,63}\Z"
NAME_RULE = "A name is of a-z, 0-9, - and _, and begins with a letter."
MOST_QUOTA = 1_000_000_000
LONGEST_QUOTA_SECONDS = 31 * 24 * 60 * 60


def code_of(permission: Permission) -> str:
    """A permission as roles, tokens and the API name it: `app.codename`."""
    return f"{permission.content_type.app_label}.{permission.codename}"


def grantable_permissions() -> models.QuerySet[Permission]:
    """The permissions that a role can hold, in the order of their codes."""
    ours = Permission.objects.filter(content_type__app_label__in=settings.AUTH_GRANTABLE_APPS)
    return ours.select_related("content_type").order_by("content_type__app_label", "codename")


def permission_codes(permissions: models.QuerySet[Permission]) -> frozenset[str]:
    """Permissions on AUTH_GRANTABLE_APPS as `app.codename`, in one query."""
    grantable = permissions.filter(content_type__app_label__in=settings.AUTH_GRANTABLE_APPS)
    # A set has no order; the model's own would have the database sort by two tables.
    pairs = grantable.order_by().values_list("content_type__app_label", "codename")
    return frozenset(f"{app}.{codename}" for app, codename in pairs)


class RoleManager(models.Manager["Role"]):
    def with_codes(self) -> list["Role"]:
        """All roles with `codes` filled, in two queries however many there are."""
        roles = list(self.all())
        held = Role.permissions.through.objects.filter(
            role__in=roles,
            permission__content_type__app_label__in=settings.AUTH_GRANTABLE_APPS,
        )
        granted: dict[str, set[str]] = {}
        for name, app, codename in held.values_list(
            "role_id", "permission__content_type__app_label", "permission__codename"
        ):
            granted.setdefault(name, set()).add(f"{app}.{codename}")
        for role in roles:
            if not role.all_permissions:
                role.codes = frozenset(granted.get(role.name, ()))
        return roles


class Role(models.Model):
    """A role. Its name is its key: tokens, the API and the console call it by that."""

    USER = "user"
    ADMIN = "admin"

    name = models.CharField(max_length=64, primary_key=True)
    description = models.CharField(max_length=200, blank=True)
    permissions = models.ManyToManyField(Permission, blank=True)
    all_permissions = models.BooleanField(default=False)
    console_access = models.BooleanField(default=False)
    quota = models.PositiveIntegerField(default=3000)
    quota_seconds = models.PositiveIntegerField(default=60)
    is_builtin = models.BooleanField(default=False, editable=False)

    objects: ClassVar[RoleManager] = RoleManager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def exceeds(self, other: "Role") -> bool:
        """Whether it lets anybody do what `other` doesn't."""
        if other.all_permissions:
            return False
        return (
            self.all_permissions
            or not self.codes <= other.codes
            or (self.console_access and not other.console_access)
        )

    @cached_property
    def codes(self) -> frozenset[str]:
        """The permissions this role grants, as `app.codename`."""
        return permission_codes(
            Permission.objects.all() if self.all_permissions else self.permissions.all()
        )
