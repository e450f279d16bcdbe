"""Roles, to read."""

from django.contrib import admin
from django.contrib.auth.models import Group

from accounts.models import Role
from security.admin.pages import ReadOnlyAdmin

# Roles take the place of Django's groups.
if admin.site.is_registered(Group):
    admin.site.unregister(Group)


@admin.register(Role)
class RoleAdmin(ReadOnlyAdmin):
    list_display = ("name", "description", "console_access", "quota", "quota_seconds", "is_builtin")
    fields = (
        "name",
        "description",
        "all_permissions",
        "permissions",
        "console_access",
        "quota",
        "quota_seconds",
        "is_builtin",
    )
