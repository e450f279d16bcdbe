"""The trail, to read."""

import json
from uuid import UUID

from django.contrib import admin
from django.utils.html import format_html

from security.admin.pages import ReadOnlyAdmin, WordFilter
from security.audit import Kind
from security.models import AuditEvent


class KindFilter(WordFilter):
    title = parameter_name = "kind"
    words = Kind


def _search_link(pk: UUID | None) -> str:
    """The end of an id, which differs most, as a link to all events of the same."""
    if pk is None:
        return "-"
    return format_html('<a class="code" href="?q={}" title="{}">…{}</a>', pk, pk, str(pk)[-12:])


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "kind", "subject", "actor", "ip_address")
    list_filter = (KindFilter, "created_at")
    search_fields = ("=subject_id", "=actor_id", "=session_id", "=request_id")
    search_help_text = "The whole id of a user, a session or a request."
    sortable_by = ()
    fields = (
        "id",
        "created_at",
        "kind",
        "subject_id",
        "actor_id",
        "session_id",
        "ip_address",
        "user_agent",
        "request_id",
        "what",
        "seq",
        "digest",
    )

    @admin.display(description="details")
    def what(self, event: AuditEvent) -> str:
        return json.dumps(event.full_details, ensure_ascii=False)

    @admin.display(description="subject")
    def subject(self, event: AuditEvent) -> str:
        return _search_link(event.subject_id)

    @admin.display(description="actor")
    def actor(self, event: AuditEvent) -> str:
        return _search_link(event.actor_id)
