"""The trail, for operators."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from security.api.pagination import KeysetPagination, PageInput
from security.api.permissions import HasPermission
from security.api.requests import SignedInRequest
from security.audit import Kind
from security.audit_reading import find_events
from security.client_info import parse_address
from security.models import AuditEvent

FILTERS = ("user", "kind", "since", "until", "ip")


class EventQuery(PageInput):
    """What the trail is filtered by; all that is given must hold."""

    user = serializers.UUIDField(required=False, help_text="To whom it was done, or who did it.")
    kind = serializers.ChoiceField(required=False, choices=[str(kind) for kind in Kind])
    since = serializers.DateTimeField(required=False)
    until = serializers.DateTimeField(required=False, help_text="Before this moment.")
    ip = serializers.IPAddressField(required=False)

    def validate_ip(self, text: str) -> str:
        return str(parse_address(text))


class EventOutput(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    kind = serializers.CharField()
    actor_id = serializers.UUIDField(allow_null=True, help_text="Who did it.")
    subject_id = serializers.UUIDField(allow_null=True, help_text="The user it was done to.")
    session_id = serializers.UUIDField(allow_null=True)
    ip_address = serializers.CharField(allow_null=True)
    user_agent = serializers.CharField()
    device = serializers.CharField()
    request_id = serializers.CharField()
    details = serializers.DictField(
        source="full_details", help_text='An erased value is "[personal]".'
    )
    created_at = serializers.DateTimeField()


class AuditEventsViewSet(GenericViewSet[AuditEvent]):
    """Who did what, the newest first."""

    permission_classes = (HasPermission,)
    required_permission = "security.view_auditevent"
    pagination_class = KeysetPagination
    serializer_class = EventOutput
    queryset = AuditEvent.objects.none()

    @extend_schema(operation_id="audit_events_list", parameters=[EventQuery])
    def list(self, request: SignedInRequest) -> Response:
        asked = EventQuery.read(request)
        events: Any = find_events(**{name: asked[name] for name in FILTERS if name in asked})
        page = self.paginate_queryset(events)
        return self.get_paginated_response(EventOutput(page, many=True).data)
