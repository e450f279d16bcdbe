"""Checking and changing passwords."""

from uuid import UUID

from django.contrib.auth import hashers, password_validation
from django.core.exceptions import ValidationError
from django.db import transaction

from accounts.emails import notify
from accounts.models import User
from accounts.passwords import normalise_password
from security import audit
from security.audit import Kind
from security.client_info import ClientInfo
from security.errors import FieldError
from sessions_app import live_state
from sessions_app.models import DeviceSession
from sessions_app.services.sessions import end_sessions

NO_PASSWORD = hashers.UNUSABLE_PASSWORD_PREFIX


def check_password(user: User | None, raw: str) -> bool:
    """Whether this is the user's password; as much work for nobody as for somebody."""
    if user is None:
        return hashers.check_password(normalise_password(raw), NO_PASSWORD)
    return user.check_password(raw)


def validate_password(raw: str, user: User | None, *, field: str) -> None:
    """Raises FieldError naming every rule that the password breaks."""
    try:
        password_validation.validate_password(normalise_password(raw), user)
    except ValidationError as error:
        raise FieldError(
            *((field, str(e.code), str(e.message % (e.params or {}))) for e in error.error_list)
        ) from error


def change_password(
    *, user: User, current_password: str, new_password: str, session_id: UUID, client: ClientInfo
) -> None:
    """Set a new password and end the user's other sessions. Raises FieldError."""
    user = User.objects.select_related("role").get(pk=user.pk)
    if not check_password(user, current_password):
        raise FieldError(("current_password", "incorrect_password", "This is not your password."))
    validate_password(new_password, user, field="new_password")
    checked_hash = user.password
    user.set_password(new_password)
    with transaction.atomic():
        # Two changes at once: only the one that checked the hash still stored may replace it.
        changed = User.objects.filter(pk=user.pk, password=checked_hash, is_active=True)
        if changed.update(password=user.password) != 1:
            raise FieldError(
                ("current_password", "incorrect_password", "The password was just changed.")
            )
        others = DeviceSession.objects.for_user(user.pk).exclude(pk=session_id)
        end_sessions(
            others,
            reason=DeviceSession.EndReason.PASSWORD_CHANGED,
            actor=user,
            client=client,
        )
        audit.record(
            Kind.PASSWORD_CHANGED, actor=user, subject=user, client=client, session_id=session_id
        )
        notify(user, "password_changed", client=client)
        live_state.drop_after_commit([session_id])
