"""The messages we send: each is a text template whose first line is the subject.

The HTML is made of the text at delivery. Our link, or a code, is a paragraph of its own; everything
else is words, whatever it looks like.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.utils import timezone

from accounts.identifiers import key_of
from accounts.models import OutgoingMail, User
from security.client_info import ClientInfo
from security.limits import spend
from security.logs import get_logger
from security.meters import longest_wait
from security.sealing import seal

logger = get_logger(__name__)

Message = Literal[
    "password_changed",
    "password_set",
    "refresh_reused",
    "deactivated",
    "reactivated",
    "deleted",
    "new_device",
    "address_wanted",
    "email_replaced",
    "role_changed",
    "session_made",
    "key_made",
    "already_registered",
    "username_taken",
    "address_held",
]
LinkMessage = Literal[
    "verify_email",
    "reset_password",
    "set_password",
    "claim_account",
    "change_email",
    "email_changed",
]
# Where each link leads, below PUBLIC_URL.
PAGES: dict[LinkMessage, str] = {
    "verify_email": "/account/verify",
    "reset_password": "/account/reset",
    "set_password": "/account/reset",
    "claim_account": "/account/reset",
    "change_email": "/account/email",
    "email_changed": "/account/email/undo",
}
LONGEST_SUBJECT = 200
CODE = re.compile(r"[0-9]{6}")
# What mail programs take for an address of a site or a mailbox: a dot between letters.
LOOKS_LIKE_A_LINK = re.compile(r"(?<=\w)\.(?=[^\W\d_])")


@dataclass(frozen=True)
class NewToken:
    """A one-time token as only its message holds it; `code` is empty where there is none."""

    text: str
    code: str
    lifetime: timedelta
    code_lifetime: timedelta


def notify(
    user: User, message: Message, *, client: ClientInfo, to: str | None = None, **told: Any
) -> None:
    """Put a notice to the user into the outbox, inside the caller's transaction.

    `to` is an address that the user had. Where somebody else acted, the text tells nothing of
    them, nor of where they are. An unverified address may be a stranger's, whom no account floods:
    what is beyond the limit is left out.
    """
    recipient = to or user.email
    if not recipient:
        return
    if not (to or user.email_verified) and longest_wait(spend({"notices": key_of(recipient)})):
        logger.info("mail.notice_left_out", user=str(user.pk), message=message)
        return
    subject, body = _render(message, user, client, **told)
    OutgoingMail.objects.create(recipient=recipient, subject=subject, body=body)


def send_link(
    user: User, message: LinkMessage, *, to: str, token: NewToken, client: ClientInfo
) -> None:
    """Put a message with a link for the user into the outbox, sealed, to one of their addresses.

    The token stands in the fragment, which browsers keep to themselves.
    """
    subject, body = _render(
        message,
        user,
        client,
        link=f"{settings.PUBLIC_URL}{PAGES[message]}#token={token.text}",
        code=token.code,
        lifetime=in_words(token.lifetime),
        code_lifetime=in_words(token.code_lifetime),
    )
    OutgoingMail.objects.create(
        recipient=to,
        subject=subject,
        body=seal(body),
        sealed=True,
        expires_at=timezone.now() + token.lifetime,
    )


def compose(mail: OutgoingMail) -> EmailMultiAlternatives:
    """The message as it is sent, as text and as HTML. Raises SealBroken.

    A repeated delivery has the same Message-ID, by which mailboxes can tell.
    """
    text = mail.text()
    host = urlsplit(settings.PUBLIC_URL).hostname or "localhost"
    headers = {"Message-ID": f"<{mail.pk}@{host}>", "Auto-Submitted": "auto-generated"}
    message = EmailMultiAlternatives(mail.subject, text, to=[mail.recipient], headers=headers)
    message.attach_alternative(_as_html(mail.subject, text), "text/html")
    return message


def _render(message: str, user: User, client: ClientInfo, **more: Any) -> tuple[str, str]:
    context = more | {
        "username": _one_line(user.username or ""),
        "project": _one_line(settings.PROJECT_NAME),
        "public_url": settings.PUBLIC_URL,
        "time": timezone.now(),
        "made": user.created_at,
        "device": LOOKS_LIKE_A_LINK.sub("[.]", _one_line(client.device)),
        "ip_address": client.ip_address,
    }
    text = render_to_string(f"accounts/mail/{message}.txt", context)
    subject, _, body = text.partition("\n")
    return subject.strip()[:LONGEST_SUBJECT], body.strip()


def _as_html(subject: str, text: str) -> str:
    project, paragraphs = _one_line(settings.PROJECT_NAME), list(_paragraphs(text))
    context = {"subject": subject, "project": project, "paragraphs": paragraphs}
    return render_to_string("accounts/mail/layout.html", context)


def _paragraphs(text: str) -> Iterator[tuple[str, str]]:
    """Each paragraph with what it is: "link", "code" or "words"."""
    link = re.compile(re.escape(settings.PUBLIC_URL) + r"/account/[a-z/]+#token=[\w-]+")
    for paragraph in text.split("\n\n"):
        if link.fullmatch(paragraph):
            yield "link", paragraph
        elif CODE.fullmatch(paragraph):
            yield "code", paragraph
        else:
            yield "words", paragraph


def _one_line(text: str) -> str:
    """So that a value can neither end a header nor be a paragraph."""
    return " ".join(text.split())


def in_words(span: timedelta) -> str:
    """Such as "2 hours"."""
    minutes = int(span.total_seconds()) // 60
    number, unit = (minutes // 60, "hour") if minutes % 60 == 0 else (minutes, "minute")
    return f"{number} {unit}{'' if number == 1 else 's'}"
