"""Registering."""

from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.representations import (
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


class RegisterView(APIView):
    """A new account with the role `user`."""

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
        operation_id="auth_register", request=RegistrationInput, responses={201: RegisteredOutput}
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
        return Response({**user_output(user), "status": "user created"}, status=201)
