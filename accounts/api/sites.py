"""Sites: one's own to read, and for operators to keep with their members."""

from typing import Any
from uuid import UUID

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.requests import UserRequest
from accounts.models import Site, User
from accounts.models.site import LONGEST_SITE_NAME
from accounts.services.sites import (
    add_member,
    create_site,
    delete_site,
    remove_member,
    rename_site,
)
from security.api.fields import TextField
from security.api.pagination import KeysetPagination, PageInput, page_of
from security.api.permissions import HasPermission
from security.client_info import client_info

VERBS = {"POST": "add", "PUT": "change", "PATCH": "change", "DELETE": "delete"}


class SiteInput(serializers.Serializer[Any]):
    name = TextField(max_length=LONGEST_SITE_NAME)


class SiteOutput(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class MemberOutput(serializers.Serializer[Any]):
    """Whom an operator of the site must tell apart; the rest takes the right to see users."""

    id = serializers.UUIDField(source="user_id")
    username = serializers.CharField(source="user.username", allow_null=True)
    full_name = serializers.CharField(source="user.full_name")
    member_since = serializers.DateTimeField(source="created_at")


def visible_site(request: UserRequest, pk: UUID) -> Site:
    """Raises Http404 for a site that the caller may not see, as for one that isn't there."""
    return get_object_or_404(Site.objects.visible_to(request.user), pk=pk)


class ByMethod(APIView):
    """Asks for the permission to view, add, change or delete `rows`, as the method needs it."""

    permission_classes = (HasPermission,)
    rows = "site"

    @property
    def required_permission(self) -> str:
        return f"accounts.{VERBS.get(self.request.method or '', 'view')}_{self.rows}"


class SitesView(ByMethod):
    """The sites that the caller belongs to; for who may see every site, all of them."""

    pagination_class = KeysetPagination

    @extend_schema(
        operation_id="sites_list", parameters=[PageInput], responses=SiteOutput(many=True)
    )
    def get(self, request: UserRequest) -> Response:
        return page_of(Site.objects.visible_to(request.user), SiteOutput, request)

    @extend_schema(operation_id="sites_create", request=SiteInput, responses={201: SiteOutput})
    def post(self, request: UserRequest) -> Response:
        given = SiteInput(data=request.data)
        given.is_valid(raise_exception=True)
        site = create_site(**given.validated_data, actor=request.user, client=client_info(request))
        return Response(SiteOutput(site).data, status=201)


class SiteView(ByMethod):
    """One site; a site that the caller may not see is not there."""

    @extend_schema(operation_id="sites_read", responses=SiteOutput)
    def get(self, request: UserRequest, pk: UUID) -> Response:
        return Response(SiteOutput(visible_site(request, pk)).data)

    @extend_schema(
        operation_id="sites_replace", request=SiteInput(partial=True), responses=SiteOutput
    )
    def put(self, request: UserRequest, pk: UUID) -> Response:
        site = visible_site(request, pk)
        given = SiteInput(data=request.data, partial=True)
        given.is_valid(raise_exception=True)
        site = rename_site(
            site=site,
            name=given.validated_data.get("name", site.name),
            actor=request.user,
            client=client_info(request),
        )
        return Response(SiteOutput(site).data)

    @extend_schema(operation_id="sites_change", request=SiteInput, responses=SiteOutput)
    def patch(self, request: UserRequest, pk: UUID) -> Response:
        return self.put(request, pk)

    @extend_schema(operation_id="sites_delete", request=None, responses={204: None})
    def delete(self, request: UserRequest, pk: UUID) -> Response:
        site = visible_site(request, pk)
        delete_site(site=site, actor=request.user, client=client_info(request))
        return Response(status=204)


class MembersView(APIView):
    """Who belongs to a site."""

    permission_classes = (HasPermission,)
    pagination_class = KeysetPagination
    required_permission = "accounts.change_site"

    @extend_schema(
        operation_id="site_members_list", parameters=[PageInput], responses=MemberOutput(many=True)
    )
    def get(self, request: UserRequest, pk: UUID) -> Response:
        members = visible_site(request, pk).memberships.select_related("user")
        return page_of(members, MemberOutput, request)


class MemberView(APIView):
    """One member: a PUT adds the user, also for the second time; a DELETE takes them out."""

    permission_classes = (HasPermission,)
    required_permission = "accounts.change_site"

    @extend_schema(operation_id="site_members_add", request=None, responses={204: None})
    def put(self, request: UserRequest, pk: UUID, user_id: UUID) -> Response:
        site, user = visible_site(request, pk), get_object_or_404(User, pk=user_id)
        add_member(site=site, user=user, actor=request.user, client=client_info(request))
        return Response(status=204)

    @extend_schema(operation_id="site_members_remove", request=None, responses={204: None})
    def delete(self, request: UserRequest, pk: UUID, user_id: UUID) -> Response:
        site, user = visible_site(request, pk), get_object_or_404(User, pk=user_id)
        remove_member(site=site, user=user, actor=request.user, client=client_info(request))
        return Response(status=204)
