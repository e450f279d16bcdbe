"""A Django service whose callers bring access tokens of the authentication service.

    AUTH_ISSUER=http://localhost:8000 python docs/examples/django_service.py runserver 9000

It has no users and no database of its own.
"""

import os
import sys
from typing import Any, ClassVar

from django.conf import settings
from django.core.management import execute_from_command_line
from django.urls import path

ISSUER = os.environ.get("AUTH_ISSUER", "http://localhost:8000")

settings.configure(
    DEBUG=False,
    ALLOWED_HOSTS=["localhost", "127.0.0.1"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": ["authclient.drf.BearerAuthentication"],
        "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "UNAUTHENTICATED_USER": None,
    },
    AUTHCLIENT_ISSUER=ISSUER,
    AUTHCLIENT_AUDIENCE=os.environ.get("AUTH_AUDIENCE", "api"),
)

# Django REST framework reads the settings when it is imported.
from rest_framework.permissions import AllowAny  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.views import APIView  # noqa: E402

from authclient import LiveCheck, Verifier  # noqa: E402
from authclient.drf import BearerAuthentication, HasRole, HasScope  # noqa: E402


class LiveAuthentication(BearerAuthentication):
    """Asks the authentication service, too: a logout is noticed within a second."""

    verifier: ClassVar[Verifier] = Verifier(
        ISSUER, settings.AUTHCLIENT_AUDIENCE, live_check=LiveCheck(ISSUER)
    )


class Public(APIView):
    permission_classes = [AllowAny]

    def get(self, request: Any) -> Response:
        return Response({"message": "Anybody may read this."})


class Me(APIView):
    def get(self, request: Any) -> Response:
        return Response({"user_id": str(request.user.id), "role": request.auth.role})


class Live(APIView):
    authentication_classes = [LiveAuthentication]

    def get(self, request: Any) -> Response:
        return Response({"session_id": str(request.auth.session_id)})


class Admin(APIView):
    permission_classes = [HasRole.of("admin")]

    def get(self, request: Any) -> Response:
        return Response({"message": f"Hello, {request.auth.role}."})


class Reports(APIView):
    permission_classes = [HasScope.of("accounts.view_user")]

    def get(self, request: Any) -> Response:
        return Response({"permissions": sorted(request.auth.scopes)})


urlpatterns = [
    path("public", Public.as_view()),
    path("me", Me.as_view()),
    path("live", Live.as_view()),
    path("admin", Admin.as_view()),
    path("reports", Reports.as_view()),
]

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
