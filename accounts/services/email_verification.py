"""Proof that an e-mail address is its user's."""

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.models import OneTimeToken, User
from accounts.models.one_time_token import Purpose
from accounts.services.live_keys import drop_user_after_commit
from accounts.services.mail_requests import read_address, request_mail
from accounts.services.one_time_tokens import find_by_code, use
from accounts.services.password_reset import hold_user
from security import audit
from security.audit import Kind
from security.client_info import ClientInfo


def must_verify(user: User) -> bool:
    """Whether the user has to verify the e-mail address before they sign in."""
    required = settings.AUTH_EMAIL_VERIFICATION == "required"
    return bool(required and user.email and not user.email_verified)


def ask_for_verification(*, email: str, client: ClientInfo) -> None:
    """Have a link and code mailed to the address, if it waits for them. Raises FieldError."""
    address = read_address(email, field="email")
    request_mail(Purpose.VERIFY_EMAIL, email=address, client=client)


def verify_by_code(*, email: str, code: str, client: ClientInfo) -> None:
    """Verify the address that the code was mailed to. Raises FieldError."""
    verify(find_by_code(email=email, code=code), client=client)


def verify(found: OneTimeToken, *, client: ClientInfo) -> None:
    """Use the token: the address it was mailed to is its user's. Raises FieldError."""
    with transaction.atomic():
        user = hold_user(found.user)
        use(found)
        now = timezone.now()
        User.objects.filter(pk=user.pk).update(email_verified_at=now, updated_at=now)
        drop_user_after_commit(user.pk)
        audit.record(Kind.EMAIL_VERIFIED, actor=user, subject=user, client=client)
