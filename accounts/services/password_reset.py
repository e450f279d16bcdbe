"""A new password for who can read the mail of an account."""

from django.db import transaction
from django.utils import timezone

from accounts.emails import notify
from accounts.models import User
from accounts.models.one_time_token import Purpose
from accounts.services.api_keys import revoke_all_keys
from accounts.services.live_keys import drop_user_after_commit
from accounts.services.lockout import forget_failures
from accounts.services.mail_requests import read_address, request_mail
from accounts.services.one_time_tokens import end_tokens, find, use
from accounts.services.passwords import validate_password
from security import audit
from security.audit import Kind
from security.client_info import ClientInfo
from sessions_app.models import DeviceSession
from sessions_app.models.device_session import EndReason
from sessions_app.services.sessions import end_sessions


def ask_for_reset(*, email: str, client: ClientInfo) -> None:
    """Have a link mailed to the address, if it is an active user's. Raises FieldError."""
    address = read_address(email, field="email")
    request_mail(Purpose.RESET_PASSWORD, email=address, client=client)


def reset_password(*, token: str, new_password: str, client: ClientInfo) -> None:
    """Set the password of the token's user; every session ends, and the address is verified.

    What was set up before anybody had proven the address may be somebody else's: API keys of that
    time end, too. A password that is refused leaves the token unused. Raises FieldError.
    """
    found = find(token, Purpose.RESET_PASSWORD, Purpose.SET_PASSWORD)
    validate_password(new_password, found.user, field="new_password")
    # Hashed before any row is held.
    found.user.set_password(new_password)
    with transaction.atomic():
        user = hold_user(found.user)
        use(found)
        proven, now = user.email_verified, timezone.now()
        since = user.email_verified_at or now
        User.objects.filter(pk=user.pk).update(
            password=found.user.password,
            password_expired=False,
            email_verified_at=since,
            updated_at=now,
        )
        # What follows, such as the notice, is told to a proven address.
        user.email_verified_at = since
        forget_failures(user)
        end_tokens(user.pk, also_undoing=not proven)
        revoke_all_keys(user=user, actor=user, client=client, made_before=since)
        if not proven:
            audit.record(Kind.EMAIL_VERIFIED, actor=user, subject=user, client=client)
        end_sessions(
            DeviceSession.objects.for_user(user.pk),
            reason=EndReason.PASSWORD_RESET,
            actor=user,
            client=client,
        )
        drop_user_after_commit(user.pk)
        audit.record(Kind.PASSWORD_RESET, actor=user, subject=user, client=client)
        notify(user, "password_changed", client=client)


def hold_user(user: User) -> User:
    """The user as stored, held until the transaction ends, which every use of a token begins with.

    One who was deleted meanwhile is as they were; their token is gone, so using it fails.
    """
    return User.objects.held().filter(pk=user.pk).first() or user
