"""The trail, to read."""

from django.contrib import admin

from security.admin.pages import ReadOnlyAdmin
from security.models import AuditEvent


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "kind", "subject_id", "actor_id", "ip_address")
    list_filter = ("kind", "created_at")
    search_fields = ("=subject_id", "=actor_id", "=session_id", "=request_id")
    search_help_text = "The whole id of a user, a session or a request."
