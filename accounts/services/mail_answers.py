"""Answering requests for messages: who gets which, known to the worker alone."""

from django.db import transaction

from accounts.emails import LinkMessage, notify, send_link
from accounts.models import MailRequest, User
from accounts.models.one_time_token import Purpose
from accounts.services.one_time_tokens import issue
from accounts.services.waiting_requests import answer_due
from security import audit
from security.audit import Kind
from security.client_info import ClientInfo


def answer_requests() -> int:
    """Turn each request into the message that it leads to, or none; how many requests there were.

    Each is answered by one caller, in one transaction with its token and message.
    """
    return answer_due(MailRequest, _answer_once)


def _answer_once(request: MailRequest) -> bool:
    with transaction.atomic():
        # The user's row first, as who deletes a user does.
        user = _person(request)
        if not MailRequest.objects.filter(pk=request.pk).delete()[0]:
            return False
        _answer(request, user)
        return True


def _answer(request: MailRequest, user: User | None) -> None:
    client = request.client
    if user is None or not (user.email or request.purpose == Purpose.CHANGE_EMAIL):
        return
    match request.purpose:
        case Purpose.RESET_PASSWORD:
            audit.record(Kind.PASSWORD_RESET_REQUESTED, subject=user, client=client)
            _send(user, Purpose.RESET_PASSWORD, "reset_password", client)
        case Purpose.SET_PASSWORD:
            _send(user, Purpose.SET_PASSWORD, "set_password", client)
        case Purpose.VERIFY_EMAIL if not user.email_verified:
            _send(user, Purpose.VERIFY_EMAIL, "verify_email", client)
        case Purpose.CHANGE_EMAIL:
            _answer_change(user, request.email, client)


def _person(request: MailRequest) -> User | None:
    """The active user it is for, held until the transaction ends."""
    people = User.objects.held().filter(is_active=True)
    if request.user_id:
        people = people.filter(pk=request.user_id)
    else:
        people = people.for_identifier(request.email)
    found: User | None = people.first()
    return found


def _answer_change(user: User, new_email: str, client: ClientInfo) -> None:
    owner = User.objects.for_identifier(new_email).exclude(pk=user.pk).first()
    if owner is not None:
        notify(owner, "address_wanted", client=client)
        return
    token = issue(user=user, purpose=Purpose.CHANGE_EMAIL, email=new_email)
    send_link(user, "change_email", to=new_email, token=token, client=client)


def _send(user: User, purpose: Purpose, message: LinkMessage, client: ClientInfo) -> None:
    """To the address as it is stored, whatever spelling of it was asked with."""
    token = issue(user=user, purpose=purpose)
    send_link(user, message, to=user.email or "", token=token, client=client)
