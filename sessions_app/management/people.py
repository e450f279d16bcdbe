"""Users as commands name them."""

from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError


def find_user(identifier: str) -> Any:
    """The user of an e-mail address or username. Raises CommandError."""
    people: Any = get_user_model()._default_manager
    user = people.for_identifier(identifier).first()
    if user is None:
        raise CommandError(f"There is no user {identifier!r}.")
    return user
