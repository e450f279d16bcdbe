"""Routes of the trail and the keys, below the API's base."""

from django.urls import path

from security.api.audit_events import AuditEventsViewSet
from security.api.keys import KeysView, RevokeKeyView, RotateKeysView

urlpatterns = [
    path("audit/events", AuditEventsViewSet.as_view({"get": "list"}), name="audit-events"),
    path("keys", KeysView.as_view(), name="keys"),
    path("keys/rotate", RotateKeysView.as_view(), name="rotate-keys"),
    path("keys/<slug:kid>/revoke", RevokeKeyView.as_view(), name="revoke-key"),
]
