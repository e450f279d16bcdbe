"""Proving an e-mail address by a mailed link or code."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.password_reset import AddressInput
from accounts.api.representations import MessageOutput
from accounts.api.requests import by_mailbox
from accounts.services.email_change import confirm_email
from accounts.services.email_verification import ask_for_verification, verify_by_code
from security.api.fields import TextField
from security.api.throttling import Limits, by_address
from security.client_info import client_info


class VerifyEmailView(APIView):
    """Confirm an address, a first or a new one, by `token`; a first one also by its `code`."""

    authentication_classes = ()
    permission_classes = ()
    limits: ClassVar[Limits] = {"verify": by_address}

    class VerificationInput(serializers.Serializer[Any]):
        token = TextField(max_length=256, required=False)
        email = TextField(max_length=320, required=False)
        code = TextField(max_length=16, required=False)

        def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
            if "token" not in attrs and not {"email", "code"} <= attrs.keys():
                message = serializers.ErrorDetail(
                    "Give a token, or an email and a code.", "required"
                )
                raise serializers.ValidationError({"token": [message]})
            return attrs

    @extend_schema(
        operation_id="auth_email_verify", request=VerificationInput, responses=MessageOutput
    )
    def post(self, request: Request) -> Response:
        given = self.VerificationInput(data=request.data)
        given.is_valid(raise_exception=True)
        fields, client = given.validated_data, client_info(request)
        if "token" in fields:
            confirm_email(token=fields["token"], client=client)
        else:
            verify_by_code(email=fields["email"], code=fields["code"], client=client)
        return Response({"message": "E-mail address verified successfully."})


class ResendView(APIView):
    """Have the link and code mailed again; the same answer whoever has the address."""

    authentication_classes = ()
    permission_classes = ()
    limits: ClassVar[Limits] = {
        "forgot": by_address,
        "mailbox": by_mailbox("email", wish="resend"),
    }

    @extend_schema(
        operation_id="auth_email_resend", request=AddressInput, responses={202: MessageOutput}
    )
    def post(self, request: Request) -> Response:
        given = AddressInput(data=request.data)
        given.is_valid(raise_exception=True)
        ask_for_verification(**given.validated_data, client=client_info(request))
        text = "If this address waits to be verified, it gets a message."
        return Response({"message": text}, status=202)
