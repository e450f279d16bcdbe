"""Registrations whose address may be somebody's already, until the worker has looked."""

from typing import ClassVar

from django.db import models

from accounts.identifiers import LONGEST_USERNAME
from accounts.models.waiting_request import WaitingRequest


class RegistrationRequest(WaitingRequest):
    """What a new user would be, with the password's hash. The asking tells nobody who exists."""

    OF_THE_USER: ClassVar[tuple[str, ...]] = (
        "email",
        "username",
        "password",
        "first_name",
        "last_name",
        "tier",
    )

    username = models.CharField(max_length=LONGEST_USERNAME, blank=True)
    password = models.CharField(max_length=256)
    first_name = models.CharField(max_length=150, blank=True)
    last_name = models.CharField(max_length=150, blank=True)
    tier = models.CharField(max_length=32)
    # Privileged fields that it tried to set.
    ignored = models.JSONField(default=list)

    class Meta(WaitingRequest.Meta):
        pass

    def __str__(self) -> str:
        return str(self.pk)
