"""What is known of a request: who sent it, whose mailbox it is about."""

from collections.abc import Callable
from typing import Any

from rest_framework.request import Request

from accounts.identifiers import key_of
from accounts.models import User
from accounts.tokens import AccessToken


class UserRequest(Request):
    """For annotations: what a view with IsAuthenticated receives."""

    user: User
    auth: AccessToken


def by_mailbox(field: str, *, wish: str) -> Callable[[Any], str | None]:
    """For a table of limits: the address in this field, in the one spelling that is compared.

    Each `wish` is counted apart: strangers who ask for other messages can't use it up.
    """

    def who(request: Any) -> str | None:
        given = request.data.get(field)
        return f"{wish} {key_of(given)}" if isinstance(given, str) and given else None

    return who
