"""The type of a request whose sender is known."""

from rest_framework.request import Request

from accounts.models import User
from accounts.tokens import AccessToken


class UserRequest(Request):
    """For annotations: what a view with IsAuthenticated receives."""

    user: User
    auth: AccessToken
