"""Roles: make, change and delete them."""

from typing import Any

import django.contrib.auth.admin  # noqa: F401
from django import forms
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.http import HttpRequest

from accounts.models import Role
from accounts.models.role import (
    LONGEST_QUOTA_SECONDS,
    MOST_QUOTA,
    NAME_RULE,
    ROLE_NAME,
    code_of,
    grantable_permissions,
)
from accounts.services.roles import ROLE_FIELDS, change_role, create_role, delete_role
from security.admin.pages import SeenForm, ServiceAdmin, operator
from security.client_info import client_info

# Roles take the place of Django's groups, which the first import registers.
if admin.site.is_registered(Group):
    admin.site.unregister(Group)


USUAL = Role()


def _positive(usual: int, most: int, help_text: str) -> forms.IntegerField:
    return forms.IntegerField(min_value=1, max_value=most, initial=usual, help_text=help_text)


class RoleFields(forms.ModelForm):  # type: ignore[type-arg]
    """What can be written of a role."""

    quota = _positive(USUAL.quota, MOST_QUOTA, "Requests that a user may make in the window.")
    quota_seconds = _positive(
        USUAL.quota_seconds, LONGEST_QUOTA_SECONDS, "The length of the window."
    )

    class Meta:
        model = Role
        fields = ROLE_FIELDS
        help_texts = {"console_access": "Lets people of this role sign in here."}

    def written(self) -> dict[str, Any]:
        """Those of ROLE_FIELDS that differ from what the page showed, as services take them."""
        given = {name: self.cleaned_data[name] for name in self.changed_data if name in ROLE_FIELDS}
        if "permissions" in given:
            given["permissions"] = sorted(map(code_of, given["permissions"]))
        return given


class NewRoleForm(RoleFields):
    name = forms.RegexField(ROLE_NAME, help_text=NAME_RULE, error_messages={"invalid": NAME_RULE})


class RoleForm(RoleFields, SeenForm):
    def version(self) -> str:
        role = self.instance
        return repr([getattr(role, name) for name in ROLE_FIELDS[2:]] + sorted(role.codes))


@admin.register(Role)
class RoleAdmin(ServiceAdmin):
    verbs = ("add", "change", "delete")
    dangerous_fields = frozenset(ROLE_FIELDS)
    list_display = ("name", "description", "console_access", "quota", "quota_seconds", "is_builtin")
    sortable_by = ("name",)
    filter_horizontal = ("permissions",)

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any
    ) -> Any:
        form = RoleForm if change else NewRoleForm
        return super().get_form(request, obj, change, **{"form": form} | options)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        if obj is None:
            return ["name", *ROLE_FIELDS]
        # Who may everything needs no list of permissions.
        hidden = "permissions" if obj.all_permissions else "all_permissions"
        shown = ["name", "description", "all_permissions", *ROLE_FIELDS[1:], "is_builtin"]
        shown.remove(hidden)
        return [*shown, "seen"] if self.has_change_permission(request, obj) else shown

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("name", "all_permissions", "is_builtin") if obj else ()

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        options["queryset"] = grantable_permissions()
        field: Any = super().formfield_for_manytomany(db_field, request, **options)
        field.label_from_instance = _label
        return field

    def save_model(self, request: HttpRequest, obj: Role, form: Any, change: bool) -> None:
        by: dict[str, Any] = {"actor": operator(request), "client": client_info(request)}
        if change:
            change_role(role=obj, changes=form.written(), **by)
        else:
            create_role(name=obj.name, fields=form.written(), **by)

    def delete_model(self, request: HttpRequest, obj: Role) -> None:
        delete_role(role=obj, actor=operator(request), client=client_info(request))


def _label(permission: Permission) -> str:
    return f"{code_of(permission)}: {permission.name}"
