"""API keys: see them and end them."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.models import ApiKey
from accounts.services.api_keys import revoke_api_key
from security.admin.pages import ReadOnlyAdmin, operator
from security.client_info import client_info


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin):
    list_display = ("name", "user", "prefix", "created_at", "expires_at", "last_used_at", "live")
    list_select_related = ("user",)
    search_fields = ("=prefix", "=user__email_key", "=user__username_key")
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

    @admin.display(boolean=True)
    def live(self, key: ApiKey) -> bool:
        return key.is_live()

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("accounts.delete_apikey")

    @admin.action(description="Revoke the selected keys", permissions=["revoke"])
    def revoke(self, request: HttpRequest, chosen: QuerySet[ApiKey]) -> None:
        for key in chosen:
            revoke_api_key(key=key, actor=operator(request), client=client_info(request))
        self.message_user(request, "The keys are refused from now on.", messages.SUCCESS)
