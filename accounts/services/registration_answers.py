"""Answering registrations where accounts are concealed: their mailboxes are told, nobody else."""

from django.db import transaction

from accounts.emails import notify
from accounts.models import RegistrationRequest, Role, User
from accounts.models.one_time_token import Purpose
from accounts.services.registration import store_user
from accounts.services.waiting_requests import answer_due
from security.audit import Kind
from security.errors import AlreadyRegistered


def answer_registrations() -> int:
    """Make a user of each registration, or tell why not; how many there were.

    Each is answered by one caller, in one transaction with the user and the message.
    """
    return answer_due(RegistrationRequest, _answer_once)


def _answer_once(request: RegistrationRequest) -> bool:
    with transaction.atomic():
        if not RegistrationRequest.objects.filter(pk=request.pk).delete()[0]:
            return False
        _answer(request)
        return True


def _answer(request: RegistrationRequest) -> None:
    user = User(**{name: getattr(request, name) for name in RegistrationRequest.OF_THE_USER})
    user.username = user.username or None
    details = {"ignored": request.ignored} if request.ignored else {}
    try:
        store_user(
            user,
            Role.USER,
            Kind.USER_REGISTERED,
            request.client,
            details,
            actor=user,
            mail=Purpose.VERIFY_EMAIL,
        )
    except AlreadyRegistered:
        if owner := User.objects.for_identifier(request.email).first():
            notify(owner, "already_registered", client=request.client)
        elif User.objects.same_identifiers(user).exists():
            notify(user, "username_taken", client=request.client)
