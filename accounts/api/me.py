"""The caller's own account."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.representations import (
    MessageOutput,
    NameInput,
    UserOutput,
    sent_changes,
    user_output,
)
from accounts.api.requests import UserRequest
from accounts.identifiers import LONGEST_USERNAME
from accounts.services.known_devices import device_of_session
from accounts.services.passwords import change_password
from accounts.services.users import change_user, deactivate_self
from security.api.fields import TextField
from security.api.permissions import HasSession
from security.api.throttling import Limits, by_user
from security.client_info import client_info

# What only an operator changes; a client may send the whole user back, so equal values pass.
GUARDED = (
    "email",
    "email_verified",
    "role",
    "tier",
    "is_active",
    "is_admin",
    "is_superuser",
    "is_staff",
)


class ProfileInput(NameInput):
    """What everybody may write of themselves: `accounts.services.users.PROFILE_FIELDS`."""

    username = TextField(
        max_length=LONGEST_USERNAME, required=False, allow_null=True, allow_blank=True
    )


@extend_schema_view(
    get=extend_schema(operation_id="users_me_read", responses=UserOutput),
    put=extend_schema(operation_id="users_me_replace", responses=UserOutput),
    patch=extend_schema(operation_id="users_me_change", responses=UserOutput),
    delete=extend_schema(operation_id="users_me_deactivate", responses={204: None}),
)
class MeView(APIView):
    """The caller's own account."""

    def get_permissions(self) -> list[BasePermission]:
        """An API key may ask whose it is; changing the account takes a session."""
        return [IsAuthenticated()] if self.request.method == "GET" else [HasSession()]

    @property
    def limits(self) -> Limits:
        """A DELETE may try the password, so it counts as a change of it does."""
        table = {"PUT": "profile", "PATCH": "profile", "DELETE": "password"}
        name = table.get(self.request.method or "")
        return {name: by_user} if name else {}

    class DeactivationInput(serializers.Serializer[Any]):
        password = TextField(max_length=4096, required=False, trim_whitespace=False)

    def get_serializer_class(self) -> type[serializers.Serializer[Any]]:
        """For the OpenAPI document."""
        return self.DeactivationInput if self.request.method == "DELETE" else ProfileInput

    def get(self, request: UserRequest) -> Response:
        return Response(user_output(request.user))

    def put(self, request: UserRequest) -> Response:
        user = change_user(
            user=request.user,
            changes=sent_changes(request.data, request.user, ProfileInput, guarded=GUARDED),
            actor=request.user,
            client=client_info(request),
        )
        return Response(user_output(user))

    def patch(self, request: UserRequest) -> Response:
        return self.put(request)

    def delete(self, request: UserRequest) -> Response:
        given = self.DeactivationInput(data=request.data)
        given.is_valid(raise_exception=True)
        deactivate_self(
            user=request.user,
            password=given.validated_data.get("password"),
            signed_in_for=request.auth.age(),
            client=client_info(request),
            device=device_of_session(request.auth),
        )
        return Response(status=204)


class PasswordView(APIView):
    """Change the caller's own password; the other sessions end."""

    limits: ClassVar[Limits] = {"password": by_user}

    class PasswordInput(serializers.Serializer[Any]):
        current_password = TextField(max_length=4096, trim_whitespace=False)
        new_password = TextField(max_length=4096, trim_whitespace=False)

    @extend_schema(request=PasswordInput, responses=MessageOutput)
    def post(self, request: UserRequest) -> Response:
        given = self.PasswordInput(data=request.data)
        given.is_valid(raise_exception=True)
        change_password(
            user=request.user,
            **given.validated_data,
            session_id=request.auth.sid,
            client=client_info(request),
            device=device_of_session(request.auth),
        )
        return Response({"message": "Password updated successfully."})
