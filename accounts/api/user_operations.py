"""Administration by username: one address for each operation."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.representations import (
    MessageOutput,
    UserOutput,
    user_output,
)
from accounts.api.requests import UserRequest
from accounts.identifiers import LONGEST_USERNAME
from accounts.models import Role, User
from accounts.services.passwords import set_password
from accounts.services.registration import create_user
from accounts.services.users import change_user, delete_user
from security.api.fields import TextField
from security.api.permissions import HasPermission, HasSession
from security.client_info import client_info
from security.errors import NotFound


class UsernameInput(serializers.Serializer[Any]):
    username = TextField(max_length=LONGEST_USERNAME)


class AddUserView(APIView):
    permission_classes = (HasPermission,)
    required_permission = "accounts.add_user"

    class NewUserByNameInput(UsernameInput):
        password = TextField(max_length=4096, trim_whitespace=False)
        role = TextField(max_length=64, default=Role.USER)

    class AddedOutput(MessageOutput):
        user = UserOutput()

    @extend_schema(operation_id="users_add_user", request=NewUserByNameInput, responses=AddedOutput)
    def post(self, request: UserRequest) -> Response:
        user = create_user(
            **_read(self.NewUserByNameInput, request),
            email=None,
            actor=request.user,
            client=client_info(request),
        )
        return Response({"message": "User added successfully.", "user": user_output(user)})


class DeleteUserView(APIView):
    permission_classes = (HasPermission,)
    required_permission = "accounts.delete_user"

    @extend_schema(operation_id="users_delete_user", request=UsernameInput, responses=MessageOutput)
    def post(self, request: UserRequest) -> Response:
        user = _find(_read(UsernameInput, request)["username"])
        delete_user(user=user, actor=request.user, client=client_info(request))
        return Response({"message": "User deleted successfully."})


class UpdateUsernameView(APIView):
    permission_classes = (HasPermission,)
    required_permission = "accounts.change_user"

    class RenamingInput(serializers.Serializer[Any]):
        old_username = TextField(max_length=LONGEST_USERNAME)
        new_username = TextField(max_length=LONGEST_USERNAME)

    @extend_schema(
        operation_id="users_update_username", request=RenamingInput, responses=MessageOutput
    )
    def put(self, request: UserRequest) -> Response:
        given = _read(self.RenamingInput, request)
        change_user(
            user=_find(given["old_username"]),
            changes={"username": given["new_username"]},
            actor=request.user,
            client=client_info(request),
        )
        return Response({"message": "Username updated successfully."})


class UpdatePasswordView(APIView):
    """Set a user's password; the user's sessions end. No API key does this."""

    permission_classes = (HasSession, HasPermission)
    required_permission = "accounts.change_user"

    class NewPasswordInput(UsernameInput):
        new_password = TextField(max_length=4096, trim_whitespace=False)

    @extend_schema(
        operation_id="users_update_password", request=NewPasswordInput, responses=MessageOutput
    )
    def put(self, request: UserRequest) -> Response:
        given = _read(self.NewPasswordInput, request)
        set_password(
            user=_find(given["username"]),
            new_password=given["new_password"],
            actor=request.user,
            client=client_info(request),
        )
        return Response({"message": "Password updated successfully."})


class SetUserActiveStatusView(APIView):
    permission_classes = (HasPermission,)
    required_permission = "accounts.change_user"

    class ActiveStatusInput(UsernameInput):
        is_active = serializers.BooleanField()

    @extend_schema(
        operation_id="users_set_user_active_status",
        request=ActiveStatusInput,
        responses=MessageOutput,
    )
    def put(self, request: UserRequest) -> Response:
        given = _read(self.ActiveStatusInput, request)
        change_user(
            user=_find(given["username"]),
            changes={"is_active": given["is_active"]},
            actor=request.user,
            client=client_info(request),
        )
        return Response({"message": "User active status updated successfully."})


def _read(fields: type[serializers.Serializer[Any]], request: UserRequest) -> dict[str, Any]:
    given = fields(data=request.data)
    given.is_valid(raise_exception=True)
    return dict(given.validated_data)


def _find(username: str) -> User:
    """The user of a username, or of an e-mail address. Raises NotFound."""
    user: User | None = User.objects.select_related("role").for_identifier(username).first()
    if user is None:
        raise NotFound("There is no user of this name.")
    return user
