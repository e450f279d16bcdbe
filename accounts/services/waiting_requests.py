"""Answering what waits for the worker, one request after the other."""

from collections.abc import Callable
from typing import Any

from django.db import DatabaseError
from django.db.models import F
from django.utils import timezone

from accounts.models import MailRequest, RegistrationRequest
from accounts.models.outgoing_mail import MOST_ATTEMPTS, pause_after
from security.logs import get_logger

logger = get_logger(__name__)

SLICE = 100
KINDS: tuple[type[MailRequest] | type[RegistrationRequest], ...] = (
    MailRequest,
    RegistrationRequest,
)


def answer_due(
    kind: type[MailRequest] | type[RegistrationRequest], answer_once: Callable[[Any], bool]
) -> int:
    """Have each request that is due answered; how many were.

    `answer_once` does it in a transaction of its own, and tells whether nobody else did. A request
    that fails is tried again later, and holds up no other.
    """
    answered = 0
    now = timezone.now()
    while requests := list(kind.objects.due(now).order_by("pk")[:SLICE]):
        for request in requests:
            try:
                answered += answer_once(request)
            except Exception as error:  # noqa: BLE001 - told, kept, and no other's fault
                _postpone(request, error)
    return answered


def _postpone(request: MailRequest | RegistrationRequest, error: Exception) -> None:
    """Raises DatabaseError where it is the database that is gone."""
    attempts = request.attempts + 1
    type(request).objects.filter(pk=request.pk).update(
        attempts=F("attempts") + 1, next_attempt_at=timezone.now() + pause_after(attempts)
    )
    logger.error(
        "mail.request_failed",
        request=str(request.pk),
        kind=type(request).__name__,
        error=type(error).__name__,
        last=attempts >= MOST_ATTEMPTS,
        # The database names what it refuses, which may be an address.
        exc_info=None if isinstance(error, DatabaseError) else error,
    )
