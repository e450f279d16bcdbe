"""The type of a request whose sender is known, for apps that don't know the user model."""

from typing import Any

from rest_framework.request import Request


class SignedInRequest(Request):
    """For annotations: what a view with IsAuthenticated receives."""

    user: Any
    auth: Any
