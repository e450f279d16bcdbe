"""Messages that somebody asked for, until the worker has looked who gets one."""

from django.db import models

from accounts.models.user import User
from accounts.models.waiting_request import WaitingRequest


class MailRequest(WaitingRequest):
    """A wish for a message with a link. The asking costs the same whoever has the address.

    `user` is set where the asking proved who it is for; else the address tells.
    """

    purpose = models.CharField(max_length=32)
    user = models.ForeignKey(User, on_delete=models.CASCADE, null=True, related_name="+")

    class Meta(WaitingRequest.Meta):
        pass

    def __str__(self) -> str:
        return self.purpose
