"""Routes of the trail, below the API's base."""

from django.urls import path

from security.api.audit_events import AuditEventsViewSet

urlpatterns = [
    path("audit/events", AuditEventsViewSet.as_view({"get": "list"}), name="audit-events"),
]
