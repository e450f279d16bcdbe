"""The messages we send: each is a template whose first line is the subject."""

from typing import Literal

from django.conf import settings
from django.template.loader import render_to_string
from django.utils import timezone

from accounts.models import OutgoingMail, User
from security.client_info import ClientInfo

Message = Literal["password_changed", "refresh_reused", "deactivated", "new_device"]


def notify(user: User, message: Message, *, client: ClientInfo) -> None:
    """Put a notice to the user into the outbox, inside the caller's transaction."""
    if not user.email:
        return
    context = {
        "user": user,
        "project": settings.PROJECT_NAME,
        "public_url": settings.PUBLIC_URL,
        "time": timezone.now(),
        "device": client.device,
        "ip_address": client.ip_address,
    }
    text = render_to_string(f"accounts/mail/{message}.txt", context)
    subject, _, body = text.partition("\n")
    OutgoingMail.objects.create(recipient=user.email, subject=subject.strip(), body=body.strip())
