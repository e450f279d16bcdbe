"""The violations of a site."""

from typing import Any
from uuid import UUID

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from accounts.api.requests import UserRequest
from accounts.api.sites import ByMethod, visible_site
from accounts.models import Violation
from accounts.models.site import LONGEST_IMAGE_URL, LONGEST_STREAM_NAME
from accounts.services.violations import change_violation, delete_violation, record_violation
from security.api.fields import MomentField, StructureField, TextField, WebAddressField
from security.api.pagination import KeysetPagination, PageInput, page_of
from security.client_info import client_info


class ViolationInput(serializers.Serializer[Any]):
    stream_name = TextField(max_length=LONGEST_STREAM_NAME)
    detected_at = MomentField(required=False, help_text="Now, unless it is given.")
    image_url = WebAddressField(max_length=LONGEST_IMAGE_URL, required=False, allow_null=True)
    warnings = StructureField(required=False)
    detections = StructureField(required=False)
    cone_polygons = StructureField(required=False)
    pole_polygons = StructureField(required=False)
    resolved_at = MomentField(required=False, allow_null=True, help_text="null reopens it.")


class ViolationOutput(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    site = serializers.UUIDField(source="site_id")
    stream_name = serializers.CharField()
    detected_at = serializers.DateTimeField()
    image_url = serializers.CharField(allow_null=True)
    warnings = serializers.JSONField()
    detections = serializers.JSONField()
    cone_polygons = serializers.JSONField()
    pole_polygons = serializers.JSONField()
    resolved_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()


def _visible_violation(request: UserRequest, site_id: UUID, pk: UUID) -> Violation:
    """Raises Http404, also for a violation of another site than the address names."""
    violations = Violation.objects.visible_to(request.user)
    return get_object_or_404(violations, site_id=site_id, pk=pk)


class ViolationsView(ByMethod):
    """The violations of a site, the newest first."""

    rows = "violation"
    pagination_class = KeysetPagination

    @extend_schema(
        operation_id="violations_list", parameters=[PageInput], responses=ViolationOutput(many=True)
    )
    def get(self, request: UserRequest, site_id: UUID) -> Response:
        violations = Violation.objects.filter(site=visible_site(request, site_id))
        return page_of(violations, ViolationOutput, request)

    @extend_schema(
        operation_id="violations_record", request=ViolationInput, responses={201: ViolationOutput}
    )
    def post(self, request: UserRequest, site_id: UUID) -> Response:
        site = visible_site(request, site_id)
        given = ViolationInput(data=request.data)
        given.is_valid(raise_exception=True)
        violation = record_violation(
            site=site,
            fields=given.validated_data,
            actor=request.user,
            client=client_info(request),
        )
        return Response(ViolationOutput(violation).data, status=201)


class ViolationView(ByMethod):
    """One violation; `resolved_at` resolves it."""

    rows = "violation"

    @extend_schema(operation_id="violations_read", responses=ViolationOutput)
    def get(self, request: UserRequest, site_id: UUID, pk: UUID) -> Response:
        return Response(ViolationOutput(_visible_violation(request, site_id, pk)).data)

    @extend_schema(
        operation_id="violations_replace",
        request=ViolationInput(partial=True),
        responses=ViolationOutput,
    )
    def put(self, request: UserRequest, site_id: UUID, pk: UUID) -> Response:
        violation = _visible_violation(request, site_id, pk)
        given = ViolationInput(data=request.data, partial=True)
        given.is_valid(raise_exception=True)
        violation = change_violation(
            violation=violation,
            changes=given.validated_data,
            actor=request.user,
            client=client_info(request),
        )
        return Response(ViolationOutput(violation).data)

    @extend_schema(
        operation_id="violations_change", request=ViolationInput, responses=ViolationOutput
    )
    def patch(self, request: UserRequest, site_id: UUID, pk: UUID) -> Response:
        return self.put(request, site_id, pk)

    @extend_schema(operation_id="violations_delete", request=None, responses={204: None})
    def delete(self, request: UserRequest, site_id: UUID, pk: UUID) -> Response:
        violation = _visible_violation(request, site_id, pk)
        delete_violation(violation=violation, actor=request.user, client=client_info(request))
        return Response(status=204)
