"""Roles and the permissions that they can hold, for operators."""

from typing import Any, ClassVar

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from accounts.api.requests import UserRequest
from accounts.models import Role
from accounts.models.role import (
    LONGEST_QUOTA_SECONDS,
    MOST_QUOTA,
    NAME_RULE,
    ROLE_NAME,
    code_of,
    grantable_permissions,
)
from accounts.services.roles import change_role, create_role, delete_role
from security.api.fields import TextField
from security.api.permissions import HasPermission
from security.client_info import client_info


class RoleOutput(serializers.Serializer[Any]):
    name = serializers.CharField()
    description = serializers.CharField()
    permissions = serializers.SerializerMethodField()
    all_permissions = serializers.BooleanField()
    console_access = serializers.BooleanField()
    quota = serializers.IntegerField(help_text="Requests that a user may make in the window.")
    quota_seconds = serializers.IntegerField(help_text="The window.")
    is_builtin = serializers.BooleanField()

    def get_permissions(self, role: Role) -> list[str]:
        return sorted(role.codes)


class RoleChangeInput(serializers.Serializer[Any]):
    """What can be written of a role: `accounts.services.roles.ROLE_FIELDS`."""

    description = TextField(max_length=200, required=False, allow_blank=True)
    permissions = serializers.ListField(
        child=TextField(max_length=201), max_length=500, required=False
    )
    console_access = serializers.BooleanField(required=False)
    quota = serializers.IntegerField(min_value=1, max_value=MOST_QUOTA, required=False)
    quota_seconds = serializers.IntegerField(
        min_value=1, max_value=LONGEST_QUOTA_SECONDS, required=False
    )

    def validate_permissions(self, codes: list[str]) -> list[str]:
        return sorted(set(codes))


class NewRoleInput(RoleChangeInput):
    name = serializers.RegexField(ROLE_NAME, error_messages={"invalid": NAME_RULE})


class PermissionOutput(serializers.Serializer[Any]):
    code = serializers.CharField()
    name = serializers.CharField()


class RolesViewSet(GenericViewSet[Role]):
    """The roles; a change counts at once for everybody who has the role."""

    permission_classes = (HasPermission,)
    pagination_class = None
    serializer_class = RoleOutput
    queryset = Role.objects.all()
    codes: ClassVar[dict[str, str]] = {
        "list": "accounts.view_role",
        "retrieve": "accounts.view_role",
        "create": "accounts.add_role",
        "update": "accounts.change_role",
        "partial_update": "accounts.change_role",
        "destroy": "accounts.delete_role",
    }

    @property
    def required_permission(self) -> str | None:
        return self.codes.get(self.action)

    @extend_schema(operation_id="roles_list", responses=RoleOutput(many=True))
    def list(self, request: UserRequest) -> Response:
        return Response(RoleOutput(Role.objects.with_codes(), many=True).data)

    @extend_schema(operation_id="roles_create", request=NewRoleInput, responses={201: RoleOutput})
    def create(self, request: UserRequest) -> Response:
        given = NewRoleInput(data=request.data)
        given.is_valid(raise_exception=True)
        fields = given.validated_data
        role = create_role(
            name=fields.pop("name"),
            fields=fields,
            actor=request.user,
            client=client_info(request),
        )
        return Response(RoleOutput(role).data, status=201)

    @extend_schema(operation_id="roles_read")
    def retrieve(self, request: UserRequest, name: str) -> Response:
        return Response(RoleOutput(self._role(name)).data)

    @extend_schema(operation_id="roles_replace", request=RoleChangeInput)
    def update(self, request: UserRequest, name: str) -> Response:
        role = self._role(name)
        given = RoleChangeInput(data=request.data)
        given.is_valid(raise_exception=True)
        changed = change_role(
            role=role,
            changes=given.validated_data,
            actor=request.user,
            client=client_info(request),
        )
        return Response(RoleOutput(changed).data)

    @extend_schema(operation_id="roles_change", request=RoleChangeInput)
    def partial_update(self, request: UserRequest, name: str) -> Response:
        return self.update(request, name)

    @extend_schema(operation_id="roles_delete", request=None, responses={204: None})
    def destroy(self, request: UserRequest, name: str) -> Response:
        delete_role(role=self._role(name), actor=request.user, client=client_info(request))
        return Response(status=204)

    def _role(self, name: str) -> Role:
        role = self.get_queryset().filter(pk=name).first()
        if role is None:
            raise Http404
        return role


class PermissionsView(APIView):
    """The permissions that a role can hold."""

    permission_classes = (HasPermission,)
    required_permission = "accounts.view_role"

    @extend_schema(operation_id="permissions_list", responses=PermissionOutput(many=True))
    def get(self, request: UserRequest) -> Response:
        found = [
            {"code": code_of(permission), "name": permission.name}
            for permission in grantable_permissions()
        ]
        return Response(found)
