"""Signing in: JSON or the OAuth2 password form, under three names."""

from typing import Any, ClassVar

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.tokens import (
    TokenPairOutput,
    comes_from_another_site,
    cookie_path,
    set_refresh_cookie,
    token_pair,
)
from accounts.authentication import presented_device, remember_device
from accounts.identifiers import key_of
from accounts.services.login import log_in
from security.api.fields import TextField
from security.api.parsers import StrictFormParser, StrictJSONParser
from security.api.throttling import Limits, by_address
from security.client_info import client_info

# The first of them that is not blank says who signs in.
IDENTIFIERS = ("username", "email")


def by_identifier(request: Request) -> str | None:
    """Whom a stranger's sign-in is for, in the one spelling that is compared."""
    if presented_device(request):
        return None
    sent: Any = request.data
    keys = [key_of(sent[name]) for name in IDENTIFIERS if isinstance(sent.get(name), str)]
    # Of blanks the other field is taken (`LoginInput`), so they are not whom it is for.
    return next(filter(None, keys), None)


def by_strangers_address(request: Request) -> str | None:
    return None if presented_device(request) else by_address(request)


def by_device(request: Request) -> str | None:
    """The known device, whose allowance strangers can't use up.

    Whether it is one of this very user's is seen later (`accounts.services.lockout.reserve`).
    """
    device = presented_device(request)
    return device.name if device else None


class LoginView(APIView):
    """Exchange a username or e-mail address and a password for tokens."""

    authentication_classes = ()
    permission_classes = ()
    parser_classes = (StrictJSONParser, StrictFormParser)
    limits: ClassVar[Limits] = {
        "login": by_identifier,
        "login_device": by_device,
        "login_address": by_strangers_address,
    }

    class LoginInput(serializers.Serializer[Any]):
        username = TextField(
            max_length=512,
            required=False,
            allow_blank=True,
            help_text="A username or an e-mail address.",
        )
        email = TextField(max_length=512, required=False, allow_blank=True)
        password = TextField(max_length=4096, trim_whitespace=False)
        new_password = TextField(
            max_length=4096,
            trim_whitespace=False,
            required=False,
            help_text="In place of a password that an operator set and that must be changed.",
        )

        def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
            if not attrs.get("username") and not attrs.get("email"):
                message = serializers.ErrorDetail("Give a username or an email.", "required")
                raise serializers.ValidationError({"username": [message]})
            return attrs

    @extend_schema(request=LoginInput, responses=TokenPairOutput)
    def post(self, request: Request) -> Response:
        given = self.LoginInput(data=request.data)
        given.is_valid(raise_exception=True)
        fields = given.validated_data
        signed_in = log_in(
            identifier=fields.get("username") or fields["email"],
            password=fields["password"],
            new_password=fields.get("new_password"),
            client=client_info(request),
            device=presented_device(request),
        )
        body = token_pair(signed_in)
        transport = settings.AUTH_REFRESH_TRANSPORT
        if transport != "cookie":
            body["refresh_token"] = str(signed_in.refresh)
        response = Response(body)
        # A foreign page must not sign its visitor in as somebody else (login CSRF).
        if not comes_from_another_site(request):
            remember_device(response, request, signed_in.user, path=cookie_path(request))
            if transport != "body":
                set_refresh_cookie(response, request, signed_in)
        return response
