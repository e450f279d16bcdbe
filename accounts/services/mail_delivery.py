"""Emptying the outbox."""

import time
from contextlib import suppress
from datetime import timedelta
from smtplib import SMTPDataError, SMTPRecipientsRefused
from typing import Any

from django.conf import settings
from django.core.mail import get_connection
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts.emails import compose
from accounts.models import OutgoingMail, User
from accounts.models.outgoing_mail import LONGEST_FAILURE, MOST_ATTEMPTS, pause_after
from accounts.services.waiting_requests import KINDS
from security import audit
from security.audit import Kind
from security.client_info import ClientInfo
from security.identifiers import least_uuid7
from security.jobs import keep_result, last_result
from security.logs import get_logger

logger = get_logger(__name__)

JOB = "deliver-mail"
SLICE = 100
PRUNING_SLICE = 5000
# A message that is being sent is nobody else's for this long.
CLAIM = timedelta(minutes=5)
# A slow mail server must not hold the worker from its other jobs.
LONGEST_RUN_SECONDS = 60
MOST_COUNTED = 1000
# The server takes its leave.
CLOSING = 421
REFUSED_FOR_GOOD = 500


class ServerTrouble(Exception):
    """The mail server can't be used, whichever message is sent."""


def deliver_due() -> int:
    """Send what is due, each message by one caller; how many were sent.

    A failed attempt is repeated after 1, 2, 4, … minutes; after MOST_ATTEMPTS, or when the server
    refuses the message for good, it is given up. Without a server one message pays for the
    attempt, and the others wait for the next run.
    """
    _give_up_without_trying()
    ends = time.monotonic() + LONGEST_RUN_SECONDS
    connection = get_connection()
    sent = 0
    try:
        for mail in OutgoingMail.objects.due(timezone.now()).order_by("next_attempt_at")[:SLICE]:
            if time.monotonic() > ends:
                break
            if _claim(mail):
                sent += _deliver(mail, connection)
    except ServerTrouble:
        pass
    finally:
        with suppress(OSError):
            connection.close()
    return sent


def send_again(*, mail: OutgoingMail, actor: User | None, client: ClientInfo) -> bool:
    """Give a message all its attempts again; False unless it was given up and can be of use."""
    now = timezone.now()
    with transaction.atomic():
        useful = OutgoingMail.objects.failed().filter(pk=mail.pk).exclude(expires_at__lte=now)
        if not useful.update(failed_at=None, attempts=0, next_attempt_at=now):
            return False
        audit.record(Kind.MAIL_RESENT, actor=actor, client=client, mail=str(mail.pk))
    return True


def note_failed() -> None:
    """Count, as far as MOST_COUNTED each, messages given up and requests that led to none."""
    failed = (OutgoingMail.objects.failed(), *(kind.objects.failed() for kind in KINDS))
    keep_result(JOB, {"failed": sum(rows[:MOST_COUNTED].count() for rows in failed)})


def count_failed() -> int | None:
    """What note_failed() counted last; None before the job's first run."""
    return last_result(JOB).get("failed")


def longest_wait() -> timedelta:
    """How long the oldest message that is neither sent nor given up has been waiting."""
    waiting = OutgoingMail.objects.waiting().order_by("pk")
    oldest = waiting.values_list("created_at", flat=True).first()
    return timezone.now() - oldest if oldest else timedelta(0)


def prune_outbox() -> int:
    """Delete messages sent, or given up, longer ago than the retention, and failed requests."""
    before = timezone.now() - settings.AUTH_MAIL_RETENTION
    old = Q(pk__lt=least_uuid7(before))
    over = OutgoingMail.objects.filter(old, Q(sent_at__lt=before) | Q(failed_at__lt=before))
    deleted = sum(kind.objects.failed().filter(old).delete()[0] for kind in KINDS)
    while ids := list(over.order_by("pk").values_list("pk", flat=True)[:PRUNING_SLICE]):
        deleted += OutgoingMail.objects.filter(pk__in=ids).delete()[0]
    return deleted


def _claim(mail: OutgoingMail) -> bool:
    """Take the message for this attempt; True for one of those who ask at once."""
    unclaimed = OutgoingMail.objects.waiting().filter(pk=mail.pk, attempts=mail.attempts)
    mail.attempts += 1
    until = timezone.now() + CLAIM
    return unclaimed.update(attempts=mail.attempts, next_attempt_at=until) == 1


def _give_up_without_trying() -> None:
    """What holds a link that is over, and whose last attempt never ended: the process died."""
    now = timezone.now()
    due = OutgoingMail.objects.due(now)
    for rows, failure in (
        (due.filter(expires_at__lte=now), "Expired"),
        (due.filter(attempts__gte=MOST_ATTEMPTS), "Interrupted"),
    ):
        if given_up := rows.update(failed_at=now, failure=failure):
            logger.error("mail.given_up", messages=given_up, error=failure)


def _deliver(mail: OutgoingMail, connection: Any) -> bool:
    """Raises ServerTrouble."""
    try:
        message = compose(mail)
        _open(connection)
        connection.send_messages([message])
    except (SMTPRecipientsRefused, SMTPDataError) as refusal:
        code = _code(refusal)
        _fail(mail, _in_short(refusal, code), for_good=code >= REFUSED_FOR_GOOD)
        if code == CLOSING:
            raise ServerTrouble from refusal
    except ServerTrouble as trouble:
        _fail(mail, str(trouble))
        raise
    except OSError as error:
        _fail(mail, _in_short(error))
        raise ServerTrouble from error
    except ValueError as error:
        # No mail can be written to this address, or with this subject.
        _fail(mail, _in_short(error), for_good=True)
    except Exception as error:
        logger.error("mail.unexpected", mail=str(mail.pk), exc_info=error)
        _fail(mail, _in_short(error))
    else:
        # At once: had the server's last word been lost, the message would be sent again.
        delivered = {"sent_at": timezone.now(), "body": "", "failure": ""}
        OutgoingMail.objects.filter(pk=mail.pk).update(**delivered)
        return True
    return False


def _open(connection: Any) -> None:
    """Connect, unless it is open. A password that can't be written is no message's fault."""
    try:
        connection.open()
    except (OSError, ValueError) as error:
        raise ServerTrouble(_in_short(error)) from error


def _in_short(error: Exception, code: int | None = None) -> str:
    """Without the mail server's words, which may name people."""
    code = code or getattr(error, "smtp_code", None)
    return f"{type(error).__name__} {code or ''}".strip()[:LONGEST_FAILURE]


def _code(refusal: SMTPRecipientsRefused | SMTPDataError) -> int:
    if isinstance(refusal, SMTPDataError):
        return int(refusal.smtp_code)
    [(code, _)] = refusal.recipients.values()
    return int(code)


def _fail(mail: OutgoingMail, failure: str, *, for_good: bool = False) -> None:
    given_up = for_good or mail.attempts >= MOST_ATTEMPTS
    now = timezone.now()
    OutgoingMail.objects.filter(pk=mail.pk).update(
        next_attempt_at=now + pause_after(mail.attempts),
        failed_at=now if given_up else None,
        failure=failure,
    )
    if given_up:
        logger.error("mail.given_up", mail=str(mail.pk), error=failure)
    else:
        logger.warning("mail.failed", mail=str(mail.pk), error=failure)
