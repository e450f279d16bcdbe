"""How a user looks to clients, and what several endpoints read of one."""

from typing import Any

from rest_framework import serializers

from accounts.models import User
from accounts.names import split_full_name
from security.api.fields import TextField
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


# Made once: DRF copies every field of a serializer that is made for a request.
_output = UserOutput()


def user_output(user: User) -> dict[str, Any]:
    """A user as every answer shows them."""
    return dict(_output.to_representation(user))


class MessageOutput(serializers.Serializer[Any]):
    message = serializers.CharField()


class NameInput(serializers.Serializer[Any]):
    """Names: either the two parts or `full_name`, of which the first word is the first name."""

    first_name = TextField(max_length=150, required=False, allow_blank=True)
    last_name = TextField(max_length=150, required=False, allow_blank=True)
    full_name = TextField(max_length=300, required=False, allow_blank=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        full_name = attrs.pop("full_name", None)
        if full_name is not None:
            first_name, last_name = split_full_name(full_name)
            if len(first_name) > 150 or len(last_name) > 150:
                raise serializers.ValidationError({"full_name": "The name is too long."})
            attrs |= {"first_name": first_name, "last_name": last_name}
        return attrs


def sent_changes(
    sent: Any, user: User, fields: type[serializers.Serializer[Any]], *, guarded: tuple[str, ...]
) -> dict[str, Any]:
    """What a client that may send a whole user back wants changed, read by `fields`.

    Of a name that it left as it is, the parts count. Raises PrivilegedField for a guarded field
    that has another value than the user's, and ValidationError.
    """
    present = user_output(user) | {"is_staff": user.is_staff}
    for name in guarded:
        if name in sent and sent[name] != present[name]:
            raise PrivilegedField(f"{name} can't be changed here.")
    relevant = {k: v for k, v in sent.items() if k != "full_name" or v != user.full_name}
    given = fields(data=relevant)
    given.is_valid(raise_exception=True)
    return dict(given.validated_data)
