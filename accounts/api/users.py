"""Users as the API shows them, and the caller's own account."""

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.requests import UserRequest
from accounts.identifiers import LONGEST_USERNAME
from accounts.services.passwords import change_password
from accounts.services.users import PROFILE_FIELDS, change_profile, deactivate_self
from security.api.fields import TextField
from security.api.permissions import HasSession
from security.client_info import client_info
from security.errors import PrivilegedField


class UserOutput(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    username = serializers.CharField(allow_null=True)
    email = serializers.EmailField(allow_null=True)
    email_verified = serializers.BooleanField()
    first_name = serializers.CharField()
    last_name = serializers.CharField()
    full_name = serializers.CharField()
    role = serializers.CharField(source="role_id")
    tier = serializers.CharField()
    is_active = serializers.BooleanField()
    is_admin = serializers.BooleanField()
    is_superuser = serializers.BooleanField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    last_login = serializers.DateTimeField(allow_null=True)


class NameInput(serializers.Serializer[Any]):
    """Names: either the two parts or `full_name`, of which the first word is the first name."""

    first_name = TextField(max_length=150, required=False, allow_blank=True)
    last_name = TextField(max_length=150, required=False, allow_blank=True)
    full_name = TextField(max_length=300, required=False, allow_blank=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        full_name = attrs.pop("full_name", None)
        if full_name is not None:
            first_name, _, last_name = full_name.partition(" ")
            if len(first_name) > 150 or len(last_name) > 150:
                raise serializers.ValidationError({"full_name": "The name is too long."})
            attrs |= {"first_name": first_name, "last_name": last_name.strip()}
        return attrs


# What only an operator changes; a client may send the whole user back, so equal values pass.
GUARDED = ("email", "email_verified", "role", "tier", "is_active", "is_admin", "is_superuser")


def refuse_privileged_changes(sent: Any, user: Any) -> None:
    """Raises PrivilegedField if a guarded field is sent with another value than it has."""
    present = UserOutput(user).data | {"is_staff": user.is_staff}
    for name in (*GUARDED, "is_staff"):
        if name in sent and sent[name] != present[name]:
            raise PrivilegedField(f"{name} can't be changed here.")


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

    class ProfileInput(NameInput):
        username = TextField(
            max_length=LONGEST_USERNAME, required=False, allow_null=True, allow_blank=True
        )

    class DeactivationInput(serializers.Serializer[Any]):
        password = TextField(max_length=4096, required=False, trim_whitespace=False)

    def get_serializer_class(self) -> type[serializers.Serializer[Any]]:
        """For the OpenAPI document."""
        return self.DeactivationInput if self.request.method == "DELETE" else self.ProfileInput

    def get(self, request: UserRequest) -> Response:
        return Response(UserOutput(request.user).data)

    def put(self, request: UserRequest) -> Response:
        refuse_privileged_changes(request.data, request.user)
        sent = dict(request.data)
        if sent.get("full_name") == request.user.full_name:
            # A client that sends the whole user back means the part that it changed.
            del sent["full_name"]
        given = self.ProfileInput(data=sent)
        given.is_valid(raise_exception=True)
        changes = {k: v for k, v in given.validated_data.items() if k in PROFILE_FIELDS}
        user = change_profile(
            user=request.user,
            changes=changes,
            actor=request.user,
            client=client_info(request),
        )
        return Response(UserOutput(user).data)

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
        )
        return Response(status=204)


class PasswordView(APIView):
    """Change the caller's own password; the other sessions end."""

    class PasswordInput(serializers.Serializer[Any]):
        current_password = TextField(max_length=4096, trim_whitespace=False)
        new_password = TextField(max_length=4096, trim_whitespace=False)

    class MessageOutput(serializers.Serializer[Any]):
        message = serializers.CharField()

    @extend_schema(request=PasswordInput, responses=MessageOutput)
    def post(self, request: UserRequest) -> Response:
        given = self.PasswordInput(data=request.data)
        given.is_valid(raise_exception=True)
        change_password(
            user=request.user,
            **given.validated_data,
            session_id=request.auth.sid,
            client=client_info(request),
        )
        return Response({"message": "Password updated successfully."})
