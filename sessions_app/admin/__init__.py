"""The console's page of sessions."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from security.admin.pages import ReadOnlyAdmin, operator
from security.client_info import client_info
from sessions_app.models import DeviceSession
from sessions_app.services.sessions import end_sessions

# SimpleJWT's own pages show ledger rows as if they were what decides.
for ledger in (BlacklistedToken, OutstandingToken):
    if admin.site.is_registered(ledger):
        admin.site.unregister(ledger)


@admin.register(DeviceSession)
class DeviceSessionAdmin(ReadOnlyAdmin):
    list_display = ("user", "device", "ip_address", "created_at", "last_seen_at", "ended_at")
    list_filter = ("end_reason", "created_at")
    list_select_related = ("user",)
    search_fields = ("=user__email_key", "=user__username_key", "=ip_address")
    search_help_text = "A whole e-mail address, username or IP address."
    exclude = ("refresh_jti",)
    actions = ("end_selected", "end_all_of_user")

    def has_end_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("sessions_app.delete_devicesession")

    @admin.action(description="End the selected sessions", permissions=["end"])
    def end_selected(self, request: HttpRequest, chosen: QuerySet[DeviceSession]) -> None:
        self._end(request, DeviceSession.objects.filter(pk__in=chosen.values("pk")))

    @admin.action(description="End all sessions of these users", permissions=["end"])
    def end_all_of_user(self, request: HttpRequest, chosen: QuerySet[DeviceSession]) -> None:
        self._end(request, DeviceSession.objects.filter(user_id__in=chosen.values("user_id")))

    def _end(self, request: HttpRequest, sessions: Any) -> None:
        ended = end_sessions(
            sessions,
            reason=DeviceSession.EndReason.ENDED_BY_STAFF,
            actor=operator(request),
            client=client_info(request),
        )
        self.message_user(request, f"Sessions ended: {ended}.", messages.SUCCESS)
