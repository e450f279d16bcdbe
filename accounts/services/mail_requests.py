"""Asking for a message with a link."""

from django.core.exceptions import ValidationError

from accounts.identifiers import normalise, validate_email
from accounts.models import MailRequest, User
from accounts.models.one_time_token import Purpose
from security.client_info import ClientInfo
from security.errors import FieldError


def request_mail(
    purpose: Purpose, *, email: str, user: User | None = None, client: ClientInfo
) -> None:
    """Note that this message is wanted; the worker finds out who gets which.

    One row is written and nothing is read: nobody learns from the answer, or from the time it
    took, whether the address belongs to somebody. `user` is for whom it is where that is known.
    """
    MailRequest.objects.create(
        purpose=purpose,
        user=user,
        email=email,
        **MailRequest.columns_of(client),
    )


def read_address(email: str, *, field: str) -> str:
    """The address in the form that is stored. Raises FieldError for what is none."""
    try:
        validate_email(normalise(email))
    except ValidationError as error:
        raise FieldError((field, str(error.code), str(error.message))) from error
    return normalise(email)
