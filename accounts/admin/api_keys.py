"""API keys: see them and end them."""

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from accounts.models import ApiKey, User
from accounts.services.api_keys import revoke_api_key
from security.admin.pages import ReadOnlyAdmin, operator
from security.client_info import client_info
from security.errors import GrantTooWide
from security.recent_proof import after_proof


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin):
    list_display = ("name", "user", "prefix", "created_at", "expires_at", "last_used_at", "live")
    list_select_related = ("user",)
    # Named for the search box.
    search_fields = ("prefix", "user")
    search_help_text = "A whole prefix, e-mail address or username."
    sortable_by = ()
    fields = (
        "id",
        "name",
        "user",
        "prefix",
        "scopes",
        "live",
        "created_at",
        "expires_at",
        "last_used_at",
        "revoked_at",
    )
    readonly_fields = ("live",)
    actions = ("revoke",)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[ApiKey], search_term: str
    ) -> tuple[QuerySet[ApiKey], bool]:
        found = Q(prefix=search_term) | Q(user__in=User.objects.for_identifier(search_term))
        return (queryset.filter(found) if search_term else queryset), False

    @admin.display(boolean=True)
    def live(self, key: ApiKey) -> bool:
        return key.is_live()

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("accounts.delete_apikey")

    @admin.action(description="Revoke the selected keys", permissions=["revoke"])
    @after_proof
    def revoke(self, request: HttpRequest, chosen: QuerySet[ApiKey]) -> None:
        """Revoke those whose owners may do no more than the operator."""
        beyond = Q(user__in=User.objects.outranking(operator(request)))
        if chosen.filter(beyond).exists():
            self.message_user(request, GrantTooWide.detail, messages.ERROR)
        keys = list(chosen.exclude(beyond))
        for key in keys:
            revoke_api_key(key=key, actor=operator(request), client=client_info(request))
        if keys:
            self.message_user(request, "The keys are refused from now on.", messages.SUCCESS)
