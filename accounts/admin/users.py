"""Users: find them, change their names, role, tier and status."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest

from accounts.models import User
from accounts.services.users import (
    PROFILE_FIELDS,
    change_profile,
    change_role,
    change_tier,
    set_active,
)
from security.admin.pages import ServiceAdmin
from security.client_info import client_info


class UserForm(forms.ModelForm):  # type: ignore[type-arg]
    """What an operator may change; the password is not among it."""

    class Meta:
        model = User
        fields = (*PROFILE_FIELDS, "role", "tier", "is_active")

    tier = forms.ChoiceField(choices=[(tier, tier) for tier in settings.AUTH_TIERS])

    def clean_username(self) -> str | None:
        return self.cleaned_data["username"] or None


@admin.register(User)
class UserAdmin(ServiceAdmin):
    form = UserForm
    fields = (
        "id",
        "email",
        "email_verified_at",
        *PROFILE_FIELDS,
        "role",
        "tier",
        "is_active",
        "created_at",
        "updated_at",
        "last_login",
    )
    readonly_fields = (
        "id",
        "email",
        "email_verified_at",
        "created_at",
        "updated_at",
        "last_login",
    )
    list_display = ("__str__", "email", "role", "tier", "is_active", "last_login")
    list_filter = ("role", "tier", "is_active")
    list_select_related = ("role",)
    search_fields = ("email_key__startswith", "username_key__startswith", "last_name__istartswith")
    search_help_text = "The beginning of an e-mail address or username, or a last name."
    sortable_by = ("email", "last_login")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("accounts.change_user")

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Each changed field goes to the service that owns it; an AuthError undoes them all."""
        by: dict[str, Any] = {"actor": request.user, "client": client_info(request)}
        changed = form.cleaned_data
        names = {name: changed[name] or "" for name in PROFILE_FIELDS if name in form.changed_data}
        if names:
            change_profile(user=obj, changes=names, **by)
        if "role" in form.changed_data:
            change_role(user=obj, role=changed["role"], **by)
        if "tier" in form.changed_data:
            change_tier(user=obj, tier=changed["tier"], **by)
        if "is_active" in form.changed_data:
            set_active(user=obj, is_active=changed["is_active"], **by)
