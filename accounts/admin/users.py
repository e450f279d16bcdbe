"""Users: find, add, change and delete them, and set their passwords."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.models import Role, User
from accounts.services.passwords import set_password
from accounts.services.registration import KINDS, create_user
from accounts.services.users import OPERATOR_FIELDS, PROFILE_FIELDS, change_user, delete_user
from security.admin.pages import SeenForm, ServiceAdmin, WordFilter, operator
from security.client_info import client_info

NEW_USER_FIELDS = ("kind", "email", *PROFILE_FIELDS, "tier", "password")
EXPIRES = " They must change it at their next sign-in."


class TierFilter(WordFilter):
    title = parameter_name = "tier"
    words = settings.AUTH_TIERS


def tier_field() -> forms.ChoiceField:
    return forms.ChoiceField(choices=[(tier, tier) for tier in settings.AUTH_TIERS])


def password_field(help_text: str) -> forms.CharField:
    """A password to set, which is never shown again."""
    if settings.AUTH_ADMIN_SET_PASSWORDS == "expire":
        help_text += EXPIRES
    return forms.CharField(
        required=False,
        strip=False,
        max_length=4096,
        help_text=help_text,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )


class NewUserForm(forms.ModelForm):  # type: ignore[type-arg]
    """A person, or a service account."""

    class Meta:
        model = User
        fields = ("email", *PROFILE_FIELDS, "role", "tier")

    kind = forms.ChoiceField(
        choices=[(kind, kind.capitalize()) for kind in KINDS],
        help_text="A service has a username and API keys, and neither a password nor an e-mail.",
    )
    tier = tier_field()
    password = password_field("Without one nobody signs in as this user until one is set.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["role"] = Role.USER

    def clean_password(self) -> str | None:
        return self.cleaned_data["password"] or None


class UserForm(SeenForm):
    """What an operator may change."""

    class Meta:
        model = User
        fields = ("email", *PROFILE_FIELDS, "role", "tier", "is_active")
        labels = {"is_active": "Active"}
        help_texts = {
            "email": "A new address counts as unverified.",
            "role": "Counts at once, also for tokens already issued.",
            "is_active": "Taking this away ends all sessions of the user at once.",
        }

    tier = tier_field()
    new_password = password_field("Ends all sessions of the user. Empty: the password stays.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        present = self.instance.tier
        if "tier" in self.fields and present not in settings.AUTH_TIERS:
            self.fields["tier"].choices += [(present, present)]  # type: ignore[attr-defined]

    def version(self) -> str:
        return str(self.instance.updated_at.isoformat())


@admin.register(User)
class UserAdmin(ServiceAdmin):
    verbs = ("add", "change", "delete")
    deletion_note = "Their sessions, API keys and memberships go with them."
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
    readonly_fields = ("id", "email_verified_at", "created_at", "updated_at", "last_login")
    list_display = ("__str__", "address", "role", "tier", "is_active", "last_login")
    list_filter = ("role", TierFilter, "is_active")
    list_select_related = ("role",)
    # Named for the search box; `UserQuerySet.search` decides.
    search_fields = ("email_key", "username_key")
    search_help_text = "The beginning of an e-mail address or username."
    sortable_by = ("address",)

    @admin.display(description="email", ordering="email_key", empty_value="-")
    def address(self, user: User) -> str | None:
        return user.email

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and obj != request.user

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any
    ) -> Any:
        options = {"form": UserForm if change else NewUserForm} | options
        form = super().get_form(request, obj, change, **options)
        # What a page doesn't show it doesn't take.
        for name in {"password", "new_password"}.difference(self.get_fields(request, obj)):
            form.base_fields.pop(name, None)
        return form

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        sets_passwords = settings.AUTH_ADMIN_SET_PASSWORDS != "refuse"
        if obj is None:
            shown = ["kind", "email", *PROFILE_FIELDS, "role", "tier"]
            return [*shown, "password"] if sets_passwords else shown
        if not self.has_change_permission(request, obj):
            return [*self.fields]
        shown = [*self.fields, "seen"]
        if sets_passwords and obj != request.user:
            shown.insert(shown.index("created_at"), "new_password")
        return shown

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[QuerySet[User], bool]:
        return (queryset.search(search_term) if search_term else queryset), False

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        by: dict[str, Any] = {"actor": operator(request), "client": client_info(request)}
        given = form.cleaned_data
        if not change:
            fields = {name: given.get(name) for name in NEW_USER_FIELDS}
            obj.pk = create_user(**fields, role=given["role"].pk, **by).pk
            return
        changes = {name: given[name] for name in form.changed_data if name in OPERATOR_FIELDS}
        if "role" in changes:
            changes["role"] = changes["role"].pk
        changed = change_user(user=obj, changes=changes, **by)
        if new_password := given.get("new_password"):
            set_password(user=changed, new_password=new_password, **by)

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        delete_user(user=obj, actor=operator(request), client=client_info(request))
