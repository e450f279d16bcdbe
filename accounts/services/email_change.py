"""Another e-mail address for an account, and the way back."""

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.emails import send_link
from accounts.models import OneTimeToken, User
from accounts.models.one_time_token import Purpose
from accounts.services.api_keys import revoke_all_keys
from accounts.services.email_verification import verify
from accounts.services.known_devices import KnownDevice
from accounts.services.live_keys import drop_user_after_commit
from accounts.services.mail_requests import read_address, request_mail
from accounts.services.one_time_tokens import end_tokens, find, issue, use
from accounts.services.password_reset import hold_user
from accounts.services.reauthentication import proves_password
from accounts.services.registration import refuse_held_address
from security import audit
from security.audit import Kind
from security.client_info import ClientInfo
from security.errors import AlreadyRegistered, FieldError
from sessions_app.models import DeviceSession
from sessions_app.models.device_session import EndReason
from sessions_app.services.sessions import end_sessions


def ask_for_email_change(
    *, user: User, new_email: str, password: str, client: ClientInfo, device: KnownDevice
) -> None:
    """Have a link mailed to the new address, or to its owner that it was wanted.

    Raises FieldError for a wrong password and for what is no address, or LoginCooldown.
    """
    address = read_address(new_email, field="new_email")
    stored = User.objects.select_related("role", "sign_in_failures").get(pk=user.pk)
    if not proves_password(user=stored, password=password, client=client, device=device):
        raise FieldError(("password", "incorrect_password", "This is not your password."))
    with transaction.atomic():
        request_mail(Purpose.CHANGE_EMAIL, email=address, user=stored, client=client)
        audit.record(
            Kind.EMAIL_CHANGE_REQUESTED, actor=stored, subject=stored, client=client, email=address
        )


def confirm_email(*, token: str, client: ClientInfo) -> None:
    """Verify the address that the token was mailed to; a new one takes effect.

    Then the old address is told, with a way back. Raises FieldError, or AlreadyRegistered if
    somebody else has the address by now.
    """
    found = find(token, Purpose.VERIFY_EMAIL, Purpose.CHANGE_EMAIL)
    if found.purpose == Purpose.VERIFY_EMAIL:
        verify(found, client=client)
        return
    try:
        with transaction.atomic():
            _confirm(found, client)
    except IntegrityError as error:
        raise AlreadyRegistered from error


def undo_email_change(*, token: str, client: ClientInfo) -> None:
    """Give the account back to the old address; nobody signs in before a new password is set.

    Every session and API key ends, and the address gets a link to reset the password. Raises
    FieldError, or AlreadyRegistered if somebody else has the address by now.
    """
    found = find(token, Purpose.UNDO_EMAIL_CHANGE)
    try:
        with transaction.atomic():
            _undo(found, client)
    except IntegrityError as error:
        raise AlreadyRegistered from error


def _confirm(found: OneTimeToken, client: ClientInfo) -> None:
    user = hold_user(found.user)
    use(found)
    old = user.email
    _set_address(user, found.email)
    end_tokens(user.pk)
    _record(Kind.EMAIL_CHANGED, user, old, client)
    if old:
        way_back = issue(user=user, purpose=Purpose.UNDO_EMAIL_CHANGE, email=old)
        send_link(user, "email_changed", to=old, token=way_back, client=client)


def _undo(found: OneTimeToken, client: ClientInfo) -> None:
    user = hold_user(found.user)
    use(found)
    replaced = user.email
    # Who changed it again later has no claim; who had it earlier keeps theirs.
    end_tokens(user.pk)
    later = OneTimeToken.objects.filter(user=user, created_at__gt=found.created_at)
    later.filter(purpose=Purpose.UNDO_EMAIL_CHANGE).delete()
    revoke_all_keys(user=user, actor=user, client=client)
    end_sessions(
        DeviceSession.objects.for_user(user.pk),
        reason=EndReason.EMAIL_CHANGE_UNDONE,
        actor=user,
        client=client,
    )
    user.set_unusable_password()
    user.password_expired = False
    # After the sessions: another address locks the user's key, which ending a session refers to.
    _set_address(user, found.email)
    _record(Kind.EMAIL_CHANGE_UNDONE, user, replaced, client)
    request_mail(Purpose.RESET_PASSWORD, email=found.email, user=user, client=client)


def _set_address(user: User, email: str) -> None:
    """Who used the link has proven that the address is theirs."""
    user.email, user.email_verified_at = email, timezone.now()
    user.save()
    refuse_held_address(user)
    drop_user_after_commit(user.pk)


def _record(kind: Kind, user: User, old: str | None, client: ClientInfo) -> None:
    audit.record(
        kind,
        actor=user,
        subject=user,
        client=client,
        before={"email": old},
        after={"email": user.email},
    )
