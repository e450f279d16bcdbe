"""Changing, deactivating and deleting users."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction

from accounts.emails import notify
from accounts.identifiers import key_of
from accounts.models import User
from accounts.services.guards import keep_one_admin, refuse_beyond, refuse_on_self, take_turns
from accounts.services.known_devices import KnownDevice
from accounts.services.live_keys import drop_user_after_commit
from accounts.services.one_time_tokens import end_tokens
from accounts.services.reauthentication import proves_password
from accounts.services.registration import (
    check_identifiers,
    check_names,
    find_role,
    lost_race,
    refuse_held_address,
    validate_tier,
)
from security import audit
from security.audit import Kind
from security.client_info import ClientInfo
from security.errors import NotFound, ReauthenticationRequired
from sessions_app.models import DeviceSession
from sessions_app.models.device_session import EndReason
from sessions_app.services.sessions import end_sessions

PROFILE_FIELDS = ("username", "first_name", "last_name")
# Beyond these, what an operator may change. A role is named by its name.
OPERATOR_FIELDS = (*PROFILE_FIELDS, "email", "role", "tier", "is_active")
IDENTIFIERS = {"username", "email"}
NAMES = {"first_name", "last_name"}
# What could leave nobody to administer the service.
POWER = {"role", "is_active"}


def change_user(
    *,
    user: User,
    changes: dict[str, Any],
    actor: User | None,
    client: ClientInfo | None = None,
    proven: bool = False,
) -> User:
    """Set some of OPERATOR_FIELDS, all or none; what already has its value is left alone.

    Callers limit `changes` to what the actor may write; None is the command line. `proven` says
    that the actor gave their password just now. Effective for tokens already issued. Raises
    FieldError, AlreadyRegistered, NotOnYourself, GrantTooWide, LastAdmin or NotFound.
    """
    client = client or ClientInfo()
    try:
        with transaction.atomic():
            if POWER & changes.keys():
                take_turns()
            present = _locked(user)
            given = {k: v or "" if k in IDENTIFIERS else v for k, v in changes.items()}
            differing = {k: v for k, v in given.items() if v != _value(present, k)}
            if differing:
                _refuse(present, differing, actor, proven)
                _apply(present, differing, actor, client)
    except IntegrityError as error:
        raise lost_race(changes.get("role", user.role_id)) from error
    return present


def deactivate_self(
    *,
    user: User,
    password: str | None,
    signed_in_for: timedelta,
    client: ClientInfo,
    device: KnownDevice,
) -> None:
    """Deactivate the caller's own account.

    Raises ReauthenticationRequired unless the password is right or the sign-in is fresh,
    LoginCooldown and LastAdmin.
    """
    if password:
        stored = User.objects.select_related("role", "sign_in_failures").get(pk=user.pk)
        proven = proves_password(user=stored, password=password, client=client, device=device)
    else:
        proven = signed_in_for <= settings.AUTH_REAUTHENTICATION_TTL
    if not proven:
        raise ReauthenticationRequired
    with transaction.atomic():
        take_turns()
        present = _locked(user)
        keep_one_admin(present)
        if present.is_active:
            _apply(present, {"is_active": False}, present, client)


def delete_user(*, user: User, actor: User | None, client: ClientInfo | None = None) -> None:
    """Delete a user with all sessions and keys, at once; the id is never given again.

    Raises NotOnYourself, GrantTooWide, LastAdmin or NotFound.
    """
    with transaction.atomic():
        take_turns()
        present = _locked(user)
        refuse_on_self(actor, present)
        refuse_beyond(actor, present.role)
        keep_one_admin(present)
        end_sessions(
            DeviceSession.objects.for_user(user.pk),
            reason=EndReason.USER_DELETED,
            actor=actor,
            client=client,
        )
        drop_user_after_commit(user.pk)
        audit.record(Kind.USER_DELETED, actor=actor, subject=present, client=client)
        notify(present, "deleted", client=client or ClientInfo())
        User.objects.filter(pk=user.pk).delete()


def _locked(user: User) -> User:
    """The user as stored, held until the transaction ends. Raises NotFound."""
    present: User | None = User.objects.held().filter(pk=user.pk).first()
    if present is None:
        raise NotFound
    return present


def _value(user: User, name: str) -> Any:
    """A field as clients give it: a role by its name, an identifier that is missing as ""."""
    value = user.role_id if name == "role" else getattr(user, name)
    return value or "" if name in IDENTIFIERS else value


def _refuse(user: User, changes: dict[str, Any], actor: User | None, proven: bool) -> None:
    """Everything that could be wrong with a change, before anything is written."""
    refuse_beyond(actor, user.role)
    if "email" in changes and not proven:
        # A stolen token must not lead the next reset to its thief.
        refuse_on_self(actor, user)
    if "role" in changes:
        refuse_on_self(actor, user)
        refuse_beyond(actor, find_role(changes["role"]))
        keep_one_admin(user)
    if changes.get("is_active") is False:
        refuse_on_self(actor, user)
        keep_one_admin(user)
    if "tier" in changes:
        validate_tier(changes["tier"])


def _apply(user: User, changes: dict[str, Any], actor: User | None, client: ClientInfo) -> None:
    before = {name: _value(user, name) for name in changes}
    for name, value in changes.items():
        if name == "role":
            user.role = find_role(value)
        else:
            setattr(user, name, value)
    if IDENTIFIERS & changes.keys():
        check_identifiers(user)
    if NAMES & changes.keys():
        check_names(user)
    if "email" in changes:
        user.email_verified_at = None
    user.save()
    if "email" in changes:
        refuse_held_address(user)
    if "email" in changes or not changes.get("is_active", True):
        # Whose the account is, is an operator's word now: no older address takes it back. One's own
        # word may be a thief's.
        by_another = actor is None or actor.pk != user.pk
        end_tokens(user.pk, also_undoing="email" in changes and by_another)
    after = {name: _value(user, name) for name in changes}
    _record(user, before, after, actor, client)
    drop_user_after_commit(user.pk)
    if "role" in changes and not user.role.console_access:
        end_sessions(
            DeviceSession.objects.for_user(user.pk).at_console(),
            reason=EndReason.CONSOLE_ACCESS_LOST,
            actor=actor,
            client=client,
        )
    if not changes.get("is_active", True):
        end_sessions(
            DeviceSession.objects.for_user(user.pk),
            reason=EndReason.DEACTIVATED,
            actor=actor,
            client=client,
        )
    _tell(user, before, client)


def _tell(user: User, before: dict[str, Any], client: ClientInfo) -> None:
    """What was changed about an account that its owner did not, or would want to hear of."""
    replaced = before.get("email")
    if replaced and key_of(replaced) != user.email_key:
        notify(user, "email_replaced", client=client, to=replaced)
    if "role" in before:
        roles = {"old_role": before["role"], "new_role": user.role_id}
        notify(user, "role_changed", client=client, **roles)
    if "is_active" in before:
        notify(user, "reactivated" if user.is_active else "deactivated", client=client)


def _record(
    user: User,
    before: dict[str, Any],
    after: dict[str, Any],
    actor: User | None,
    client: ClientInfo,
) -> None:
    by: dict[str, Any] = {"actor": actor, "subject": user, "client": client}
    before = {k: v for k, v in before.items() if k != "is_active"}
    active = after.pop("is_active", None)
    if active is not None:
        audit.record(Kind.USER_ACTIVATED if active else Kind.USER_DEACTIVATED, **by)
    if after:
        audit.record(Kind.USER_CHANGED, **by, before=before, after=after)
