"""Checking and changing passwords."""

from uuid import UUID

from django.conf import settings
from django.contrib.auth import password_validation
from django.core.exceptions import ValidationError
from django.db import transaction

from accounts.breached_passwords import range_service
from accounts.emails import notify
from accounts.models import User
from accounts.passwords import is_text, normalise_password
from accounts.services.decoys import decoys
from accounts.services.guards import refuse_beyond, refuse_on_self
from accounts.services.known_devices import KnownDevice
from accounts.services.lockout import forget_failures
from accounts.services.one_time_tokens import end_tokens
from accounts.services.reauthentication import proves_password
from security import audit
from security.audit import Kind
from security.client_info import ClientInfo
from security.errors import AdminPasswordsRefused, FieldError, NotFound
from sessions_app import live_state
from sessions_app.models import DeviceSession
from sessions_app.services.sessions import end_sessions

BREACHED = "The password is known from a data breach; choose another."


def check_password(user: User | None, raw: str, *, name: str = "") -> bool:
    """Whether this is the user's password; `name` is what they, or nobody, were called by.

    Who has none, and nobody, costs as much work as somebody.
    """
    if user is None or not user.has_usable_password():
        User(password=decoys.draw(name)).check_password(raw)
        return False
    return user.check_password(raw)


def validate_password(raw: str, user: User | None, *, field: str) -> None:
    """Raises FieldError naming every rule that the password breaks.

    May wait a second for the range service, which is asked last: don't hold rows meanwhile.
    """
    if not is_text(raw) or "\0" in raw:
        raise FieldError((field, "invalid", "The password has characters that nobody can send."))
    password = normalise_password(raw)
    try:
        password_validation.validate_password(password, user)
    except ValidationError as error:
        raise FieldError(
            *((field, str(e.code), str(e.message % (e.params or {}))) for e in error.error_list)
        ) from error
    if range_service.has(password):
        raise FieldError((field, "password_breached", BREACHED))


def must_expire() -> bool:
    """Whether a password that an operator sets must be changed by its owner at the next sign-in.

    Raises AdminPasswordsRefused where operators set none.
    """
    if settings.AUTH_ADMIN_SET_PASSWORDS == "refuse":
        raise AdminPasswordsRefused
    return bool(settings.AUTH_ADMIN_SET_PASSWORDS == "expire")


def set_password(
    *,
    user: User,
    new_password: str,
    actor: User | None,
    client: ClientInfo | None = None,
    hashed: str | None = None,
) -> None:
    """Set a user's password as an operator, and end the user's sessions.

    `hashed` is its hash by a caller who validated it, and who holds rows by now. Raises
    NotOnYourself (one's own is changed with the present one), GrantTooWide, FieldError,
    AdminPasswordsRefused or NotFound.
    """
    refuse_on_self(actor, user)
    refuse_beyond(actor, user.role)
    expired = must_expire()
    if hashed:
        user.password = hashed
    else:
        validate_password(new_password, user, field="new_password")
        user.set_password(new_password)
    with transaction.atomic():
        changed = User.objects.filter(pk=user.pk, role=user.role)
        if not changed.update(password=user.password, password_expired=expired):
            raise NotFound
        forget_failures(user)
        end_tokens(user.pk)
        end_sessions(
            DeviceSession.objects.for_user(user.pk),
            reason=DeviceSession.EndReason.PASSWORD_CHANGED,
            actor=actor,
            client=client,
        )
        audit.record(Kind.PASSWORD_SET, actor=actor, subject=user, client=client)
        notify(user, "password_set", client=client or ClientInfo())


def change_password(
    *,
    user: User,
    current_password: str,
    new_password: str,
    session_id: UUID,
    client: ClientInfo,
    device: KnownDevice,
) -> None:
    """Set a new password and end the user's other sessions. Raises FieldError or LoginCooldown."""
    user = User.objects.select_related("role", "sign_in_failures").get(pk=user.pk)
    if not proves_password(user=user, password=current_password, client=client, device=device):
        raise FieldError(("current_password", "incorrect_password", "This is not your password."))
    _replace(user, new_password, keep=session_id, client=client)


def replace_expired_password(*, user: User, new_password: str, client: ClientInfo) -> None:
    """Put one's own in the place of a password that an operator set, which was just checked.

    Raises FieldError.
    """
    if check_password(user, new_password):
        raise FieldError(("new_password", "password_unchanged", "Choose another password."))
    _replace(user, new_password, keep=None, client=client)


def _replace(user: User, new_password: str, *, keep: UUID | None, client: ClientInfo) -> None:
    """Set a user's own new password and end all sessions but `keep`. Raises FieldError."""
    validate_password(new_password, user, field="new_password")
    checked_hash = user.password
    user.set_password(new_password)
    user.password_expired = False
    with transaction.atomic():
        # Two changes at once: only the one that checked the hash still stored may replace it.
        changed = User.objects.filter(pk=user.pk, password=checked_hash, is_active=True)
        if changed.update(password=user.password, password_expired=False) != 1:
            raise FieldError(
                ("current_password", "incorrect_password", "The password was just changed.")
            )
        forget_failures(user)
        end_tokens(user.pk)
        sessions = DeviceSession.objects.for_user(user.pk)
        if keep is not None:
            sessions = sessions.exclude(pk=keep)
            live_state.drop_after_commit([keep])
        end_sessions(
            sessions,
            reason=DeviceSession.EndReason.PASSWORD_CHANGED,
            actor=user,
            client=client,
        )
        audit.record(
            Kind.PASSWORD_CHANGED, actor=user, subject=user, client=client, session_id=keep
        )
        notify(user, "password_changed", client=client)
