"""Another e-mail address for the caller's account."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.representations import MessageOutput
from accounts.api.requests import UserRequest, by_mailbox
from accounts.services.email_change import ask_for_email_change
from accounts.services.known_devices import device_of_session
from security.api.fields import TextField
from security.api.throttling import Limits, by_user
from security.client_info import client_info


class ChangeEmailView(APIView):
    """Have a link mailed to a new address, which takes effect when it is confirmed there.

    The same answer whoever has the address.
    """

    limits: ClassVar[Limits] = {
        "password": by_user,
        "mailbox": by_mailbox("new_email", wish="change"),
    }

    class ChangeInput(serializers.Serializer[Any]):
        new_email = TextField(max_length=320)
        password = TextField(max_length=4096, trim_whitespace=False)

    @extend_schema(
        operation_id="auth_email_change", request=ChangeInput, responses={202: MessageOutput}
    )
    def post(self, request: UserRequest) -> Response:
        given = self.ChangeInput(data=request.data)
        given.is_valid(raise_exception=True)
        ask_for_email_change(
            user=request.user,
            **given.validated_data,
            client=client_info(request),
            device=device_of_session(request.auth),
        )
        text = "The new address gets a message; confirm it there."
        return Response({"message": text}, status=202)
