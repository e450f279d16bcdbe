"""The console's page of sessions."""

from typing import Any

import rest_framework_simplejwt.token_blacklist.admin  # noqa: F401
from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from security.admin.pages import ReadOnlyAdmin, WordFilter, operator
from security.client_info import client_info, parse_address
from security.errors import GrantTooWide
from security.recent_proof import after_proof
from sessions_app.models import DeviceSession
from sessions_app.services.sessions import end_sessions

# SimpleJWT's own pages, registered by its import above, show ledger rows as if they decided.
for ledger in (BlacklistedToken, OutstandingToken):
    if admin.site.is_registered(ledger):
        admin.site.unregister(ledger)


class StateFilter(admin.SimpleListFilter):
    """Sessions that are alive, and those that were ended, fell idle or expired."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("live", "Live"), ("over", "Over")]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[DeviceSession]
    ) -> QuerySet[DeviceSession]:
        if self.value() == "live":
            return queryset & DeviceSession.objects.live()
        if self.value() == "over":
            return queryset & DeviceSession.objects.over_since(timezone.now())
        return queryset


class EndReasonFilter(WordFilter):
    title = "end reason"
    parameter_name = "end_reason"
    words = DeviceSession.EndReason


@admin.register(DeviceSession)
class DeviceSessionAdmin(ReadOnlyAdmin):
    list_display = ("user", "device", "ip_address", "created_at", "last_seen_at", "live")
    list_filter = (StateFilter, EndReasonFilter, "created_at")
    linked_lookups = ("user__id__exact",)
    sortable_by = ()
    list_select_related = ("user",)
    # Named for the search box.
    search_fields = ("user", "ip_address")
    search_help_text = "A whole e-mail address, username or IP address."
    fields = (
        "id",
        "user",
        "live",
        "device",
        "user_agent",
        "ip_address",
        "amr",
        "is_console",
        "created_at",
        "last_seen_at",
        "refreshed_at",
        "generation",
        "idle_expires_at",
        "expires_at",
        "ended_at",
        "end_reason",
    )
    readonly_fields = ("live",)
    actions = ("end_selected", "end_all_of_user")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[DeviceSession], search_term: str
    ) -> tuple[QuerySet[DeviceSession], bool]:
        """By values as they are stored: Django's search without case passes every index by."""
        if not search_term:
            return queryset, False
        people: Any = get_user_model()._default_manager
        found = Q(user__in=people.for_identifier(search_term))
        if address := parse_address(search_term):
            found |= Q(ip_address=str(address))
        return queryset.filter(found), False

    @admin.display(boolean=True)
    def live(self, session: DeviceSession) -> bool:
        return session.is_live()

    def has_end_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("sessions_app.delete_devicesession")

    @admin.action(description="End the selected sessions", permissions=["end"])
    @after_proof
    def end_selected(self, request: HttpRequest, chosen: QuerySet[DeviceSession]) -> None:
        self._end(request, DeviceSession.objects.filter(pk__in=chosen.values("pk")))

    @admin.action(description="End all sessions of these users", permissions=["end"])
    @after_proof
    def end_all_of_user(self, request: HttpRequest, chosen: QuerySet[DeviceSession]) -> None:
        self._end(request, DeviceSession.objects.filter(user_id__in=chosen.values("user_id")))

    def _end(self, request: HttpRequest, sessions: QuerySet[DeviceSession]) -> None:
        """End those of `sessions` whose owners may do no more than the operator."""
        people: Any = get_user_model()._default_manager
        beyond = Q(user__in=people.outranking(operator(request)))
        refused = sessions.filter(beyond).exists()
        if refused:
            self.message_user(request, GrantTooWide.detail, messages.ERROR)
        ended = end_sessions(
            sessions.exclude(beyond),
            reason=DeviceSession.EndReason.ENDED_BY_STAFF,
            actor=operator(request),
            client=client_info(request),
        )
        if ended or not refused:
            self.message_user(request, f"Sessions ended: {ended}.", messages.SUCCESS)
