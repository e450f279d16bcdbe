"""The password asked for again in a live session, so that a thief of it gets no further."""

from django.db import transaction

from accounts.models import User
from accounts.services import lockout
from accounts.services.known_devices import KnownDevice
from security import audit
from security.audit import Kind
from security.client_info import ClientInfo


def proves_password(
    *, user: User, password: str, client: ClientInfo, device: KnownDevice | None
) -> bool:
    """Whether this is the password of the user, who is as stored.

    A wrong one counts in the lockout, like a failed sign-in on the session's `device`; a right one
    takes back what failed on that device. Raises LoginCooldown, RateLimited or TooBusy.
    """
    identifier = user.email or user.username or str(user.pk)
    attempt = lockout.reserve(user=user, identifier=identifier, client=client, device=device)
    if lockout.is_right(attempt, lambda: user.check_password(password)):
        return True
    with transaction.atomic():
        audit.record(Kind.REAUTHENTICATION_FAILED, actor=user, subject=user, client=client)
        lockout.fail(attempt)
    return False


def confirm_password(
    *, user: User, password: str, client: ClientInfo, device: KnownDevice
) -> User | None:
    """The user as stored now if this is their password; None if it is not.

    Raises LoginCooldown, RateLimited or TooBusy.
    """
    stored: User = User.objects.select_related("role", "sign_in_failures").get(pk=user.pk)
    if not proves_password(user=stored, password=password, client=client, device=device):
        return None
    audit.record(Kind.PASSWORD_CONFIRMED, actor=stored, subject=stored, client=client)
    return stored
