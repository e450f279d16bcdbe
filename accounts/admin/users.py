"""Users: find, add, change and delete them, and set their passwords."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import localize
from django.views.decorators.http import require_POST

from accounts.models import Role, User
from accounts.services.lockout import unlock_user
from accounts.services.passwords import set_password, validate_password
from accounts.services.registration import KINDS, create_user
from accounts.services.users import OPERATOR_FIELDS, PROFILE_FIELDS, change_user, delete_user
from security.admin.pages import SeenForm, ServiceAdmin, WordFilter, operator
from security.client_info import client_info
from security.errors import AuthError
from security.recent_proof import after_proof

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
    password = password_field("Without one the person gets a link by e-mail to set one.")

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
    dangerous_fields = frozenset({"email", "role", "is_active", "new_password"})
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
        "failures_in_a_row",
        "locked_until",
    )
    readonly_fields = (
        "id",
        "email_verified_at",
        "created_at",
        "updated_at",
        "last_login",
        "failures_in_a_row",
        "locked_until",
    )
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

    @admin.display(description="failed sign-ins in a row")
    def failures_in_a_row(self, user: User) -> int:
        row = getattr(user, "sign_in_failures", None)
        return row.in_a_row if row else 0

    @admin.display(empty_value="-")
    def locked_until(self, user: User) -> str | None:
        """The end of the last wait; only who failed has to wait, if not everybody does."""
        row = getattr(user, "sign_in_failures", None)
        if row is None:
            return None
        if row.needs_reset:
            return "unlocked, or given a new password"
        ends = row.locked_until
        return localize(ends) if ends and ends > timezone.now() else None

    def get_urls(self) -> list[URLPattern]:
        unlock_view = self.admin_site.admin_view(require_POST(self.unlock))
        return [
            path("<uuid:pk>/unlock/", unlock_view, name="unlock_user"),
            *super().get_urls(),
        ]

    @after_proof
    def unlock(self, request: HttpRequest, pk: Any) -> HttpResponse:
        user = get_object_or_404(User.objects.select_related("role"), pk=pk)
        if not self.has_change_permission(request, user):
            raise PermissionDenied
        try:
            unlock_user(user=user, actor=operator(request), client=client_info(request))
            self.message_user(request, "The failed sign-ins are forgotten.", messages.SUCCESS)
        except AuthError as error:
            self.message_user(request, error.sentences, messages.ERROR)
        return HttpResponseRedirect(reverse("admin:accounts_user_change", args=[user.pk]))

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
        if new_password := given.get("new_password"):
            # By the names they are about to have; checked and hashed before any row is held.
            validate_password(new_password, obj, field="new_password")
            obj.set_password(new_password)
        # `save_form` has seen to it that what is dangerous comes after the operator's password.
        changed = change_user(user=obj, changes=changes, proven=True, **by)
        if new_password:
            # Last, so that the notice goes to the address they have from now on.
            set_password(user=changed, new_password=new_password, hashed=obj.password, **by)

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        delete_user(user=obj, actor=operator(request), client=client_info(request))
