"""Emptying the outbox."""

from datetime import timedelta
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import send_mail
from django.utils import timezone

from accounts.models import OutgoingMail
from security.logs import get_logger
from security.sealing import SealBroken

logger = get_logger(__name__)

SLICE = 100
MOST_ATTEMPTS = 8
# A message that is being sent is nobody else's for this long.
CLAIM = timedelta(minutes=5)


def deliver_due() -> int:
    """Send what is due, each message by one caller; how many were sent.

    A failed attempt is repeated after 1, 2, 4, … minutes; after MOST_ATTEMPTS it is given up.
    """
    now = timezone.now()
    sent = 0
    for mail in OutgoingMail.objects.due(now).order_by("next_attempt_at")[:SLICE]:
        claimed = OutgoingMail.objects.filter(pk=mail.pk, attempts=mail.attempts, sent_at=None)
        if claimed.update(attempts=mail.attempts + 1, next_attempt_at=now + CLAIM) == 1:
            sent += _deliver(mail)
    return sent


def prune_delivered() -> int:
    """Delete messages sent longer ago than the retention; those given up stay to be seen."""
    sent = OutgoingMail.objects.filter(sent_at__lt=timezone.now() - settings.AUTH_MAIL_RETENTION)
    return sent.delete()[0]


def _deliver(mail: OutgoingMail) -> bool:
    row = OutgoingMail.objects.filter(pk=mail.pk)
    try:
        send_mail(mail.subject, mail.text(), None, [mail.recipient])
    except (OSError, SMTPException, SealBroken) as error:
        attempts = mail.attempts + 1
        given_up = attempts >= MOST_ATTEMPTS
        now = timezone.now()
        row.update(
            next_attempt_at=now + timedelta(minutes=2 ** (attempts - 1)),
            failed_at=now if given_up else None,
        )
        logger.warning("mail.failed", mail=str(mail.pk), error=type(error).__name__, last=given_up)
        return False
    row.update(sent_at=timezone.now(), body="")
    return True
