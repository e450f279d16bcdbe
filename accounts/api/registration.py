"""Registering."""

from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.representations import (
    MessageOutput,
    NameInput,
    UserOutput,
    user_output,
)
from accounts.identifiers import LONGEST_USERNAME
from accounts.services.registration import register
from security.api.fields import TextField
from security.api.throttling import Limits, by_address
from security.client_info import client_info

# Never taken from the person who registers; noted in the trail when they try.
PRIVILEGED = ("role", "roles", "is_admin", "is_staff", "is_superuser", "is_active")
# The same for everybody, where accounts are concealed.
CONCEALED = "A message to this address tells how to go on."


class RegisterView(APIView):
    """A new account with the role `user`.

    With `AUTH_CONCEAL_ACCOUNTS` the answer is 202 and a message to the address tells the rest.
    """

    authentication_classes = ()
    permission_classes = ()
    limits: ClassVar[Limits] = {"register": by_address}

    class RegistrationInput(NameInput):
        email = TextField(max_length=320)
        password = TextField(max_length=4096, trim_whitespace=False)
        username = TextField(
            max_length=LONGEST_USERNAME, required=False, allow_null=True, allow_blank=True
        )
        tier = TextField(max_length=32, required=False, allow_null=True)

    class RegisteredOutput(UserOutput):
        status = serializers.CharField(default="user created")

    @extend_schema(
        operation_id="auth_register",
        request=RegistrationInput,
        responses={201: RegisteredOutput, 202: MessageOutput},
    )
    def post(self, request: Request) -> Response:
        given = self.RegistrationInput(data=request.data)
        given.is_valid(raise_exception=True)
        fields = {"username": None, "first_name": "", "last_name": "", "tier": None}
        user = register(
            **(fields | given.validated_data),
            ignored=[name for name in PRIVILEGED if name in request.data],
            client=client_info(request),
        )
        if user is None:
            return Response({"message": CONCEALED}, status=202)
        return Response({**user_output(user), "status": "user created"}, status=201)
