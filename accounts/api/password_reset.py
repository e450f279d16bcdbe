"""A forgotten password: a mailed link, and what it leads to."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.representations import MessageOutput
from accounts.api.requests import by_mailbox
from accounts.services.password_reset import ask_for_reset, reset_password
from security.api.fields import TextField
from security.api.throttling import Limits, by_address
from security.client_info import client_info


class AddressInput(serializers.Serializer[Any]):
    """Whose mailbox gets a message, if it is to get one."""

    email = TextField(max_length=320)


class ForgotView(APIView):
    """Have a link to a new password mailed; the same answer whoever has the address."""

    authentication_classes = ()
    permission_classes = ()
    limits: ClassVar[Limits] = {"forgot": by_address, "mailbox": by_mailbox("email", wish="reset")}

    @extend_schema(
        operation_id="auth_password_forgot", request=AddressInput, responses={202: MessageOutput}
    )
    def post(self, request: Request) -> Response:
        given = AddressInput(data=request.data)
        given.is_valid(raise_exception=True)
        ask_for_reset(**given.validated_data, client=client_info(request))
        text = "If somebody has this address, they get a message."
        return Response({"message": text}, status=202)


class ResetView(APIView):
    """Set a new password by the token of a mailed link; every session ends, and none begins."""

    authentication_classes = ()
    permission_classes = ()
    limits: ClassVar[Limits] = {"verify": by_address}

    class ResetInput(serializers.Serializer[Any]):
        token = TextField(max_length=256)
        new_password = TextField(max_length=4096, trim_whitespace=False)

    @extend_schema(operation_id="auth_password_reset", request=ResetInput, responses=MessageOutput)
    def post(self, request: Request) -> Response:
        given = self.ResetInput(data=request.data)
        given.is_valid(raise_exception=True)
        reset_password(**given.validated_data, client=client_info(request))
        return Response({"message": "Password reset successfully; sign in with the new one."})
