"""Users: find them, change their names, role, tier and status."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.identifiers import key_of
from accounts.models import User
from accounts.services.users import OPERATOR_FIELDS, PROFILE_FIELDS, change_user
from security.admin.pages import ServiceAdmin, WordFilter, operator
from security.client_info import client_info

CHANGED_MEANWHILE = "Somebody changed this user meanwhile. Load the page again to see it."


class TierFilter(WordFilter):
    title = parameter_name = "tier"
    words = settings.AUTH_TIERS


class UserForm(forms.ModelForm):  # type: ignore[type-arg]
    """What an operator may change; the password is not among it."""

    class Meta:
        model = User
        fields = (*PROFILE_FIELDS, "role", "tier", "is_active")
        labels = {"is_active": "Active"}
        help_texts = {
            "role": "Counts at once, also for tokens already issued.",
            "is_active": "Taking this away ends all sessions of the user at once.",
        }

    tier = forms.ChoiceField(choices=[(tier, tier) for tier in settings.AUTH_TIERS])
    # What the operator saw; without it an old page would undo what happened since.
    seen = forms.CharField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["seen"] = self.instance.updated_at.isoformat()
        present = self.instance.tier
        if "tier" in self.fields and present not in settings.AUTH_TIERS:
            self.fields["tier"].choices += [(present, present)]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any] | None:
        if "seen" in self.changed_data:
            raise forms.ValidationError(CHANGED_MEANWHILE)
        return super().clean()

    def clean_username(self) -> str | None:
        username: str | None = self.cleaned_data["username"] or None
        if username is None and not self.instance.email:
            raise forms.ValidationError("Without an e-mail address a user needs a username.")
        return username


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
    list_filter = ("role", TierFilter, "is_active")
    list_select_related = ("role",)
    search_fields = ("email_key__startswith", "username_key__startswith", "last_name__istartswith")
    search_help_text = "The beginning of an e-mail address or username, or a last name."
    sortable_by = ("email", "last_login")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("accounts.change_user")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        may_change = self.has_change_permission(request, obj)
        return [*self.fields, "seen"] if may_change else [*self.fields]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[User], search_term: str
    ) -> tuple[QuerySet[User], bool]:
        return super().get_search_results(request, queryset, key_of(search_term))

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        given = {name: form.cleaned_data[name] for name in form.changed_data}
        changes = {name: value for name, value in given.items() if name in OPERATOR_FIELDS}
        if "role" in changes:
            changes["role"] = changes["role"].pk
        change_user(user=obj, changes=changes, actor=operator(request), client=client_info(request))
