"""Messages that somebody asked for, until the worker has looked who gets one."""

from django.db import models

from accounts.identifiers import LONGEST_EMAIL
from accounts.models.user import User
from security.identifiers import uuid7


class MailRequest(models.Model):
    """A wish for a message with a link. The asking costs the same whoever has the address.

    `user` is set where the asking proved who it is for; else the address tells.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    purpose = models.CharField(max_length=32)
    user = models.ForeignKey(User, on_delete=models.CASCADE, null=True, related_name="+")
    email = models.CharField(max_length=LONGEST_EMAIL)
    ip_address = models.GenericIPAddressField(null=True)
    user_agent = models.CharField(max_length=512, blank=True)
    request_id = models.CharField(max_length=128, blank=True)

    class Meta:
        ordering = ["id"]
        default_permissions = ()

    def __str__(self) -> str:
        return self.purpose
