"""Answering registrations where accounts are concealed: their mailboxes are told, nobody else."""

from django.conf import settings
from django.db import transaction

from accounts.emails import notify, send_link
from accounts.models import RegistrationRequest, Role, User
from accounts.models.one_time_token import Purpose
from accounts.services.one_time_tokens import end_verification, issue
from accounts.services.registration import store_user
from accounts.services.waiting_requests import answer_due
from security import audit
from security.audit import Kind
from security.client_info import ClientInfo
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
    # Closed since it was asked: nobody registers any more.
    if not settings.AUTH_REGISTRATION_OPEN:
        return
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
        # Held, or the owner could verify while we look whether they have.
        if owner := User.objects.held().for_identifier(request.email).first():
            _tell_owner(owner, request.client)
        elif User.objects.same_identifiers(user).exists():
            notify(user, "username_taken", client=request.client)
        else:
            notify(user, "address_held", client=request.client)


def _tell_owner(owner: User, client: ClientInfo) -> None:
    """The mailbox of a taken address gets a notice, or a link where the account is unproven.

    Its password may be a stranger's, who counts on the owner to click the first link to verify; so
    that one ends, and a new password is the way in.
    """
    if owner.email_verified or not owner.is_active:
        notify(owner, "already_registered", client=client)
        return
    end_verification(owner.pk)
    audit.record(Kind.PASSWORD_RESET_REQUESTED, subject=owner, client=client)
    token = issue(user=owner, purpose=Purpose.RESET_PASSWORD)
    send_link(owner, "claim_account", to=owner.email or "", token=token, client=client)
