"""Changing and deactivating users."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.emails import notify
from accounts.models import Role, User
from accounts.services.live_keys import drop_user_after_commit
from accounts.services.passwords import check_password
from accounts.services.registration import check_identifiers
from security import audit
from security.audit import Kind
from security.client_info import ClientInfo
from security.errors import (
    AlreadyRegistered,
    FieldError,
    GrantTooWide,
    LastAdmin,
    NotOnYourself,
    ReauthenticationRequired,
)
from sessions_app.models import DeviceSession
from sessions_app.services.sessions import end_sessions

PROFILE_FIELDS = ("username", "first_name", "last_name")


def change_profile(
    *, user: User, changes: dict[str, Any], actor: User | None, client: ClientInfo
) -> User:
    """Set some of PROFILE_FIELDS. Raises FieldError or AlreadyRegistered."""
    try:
        with transaction.atomic():
            user = (
                User.objects.select_related("role").select_for_update(of=("self",)).get(pk=user.pk)
            )
            before = {name: getattr(user, name) for name in changes}
            for name, value in changes.items():
                setattr(user, name, value)
            user.username = user.username or None
            if not user.username and not user.email:
                raise FieldError(("username", "required", "A user needs a username or an e-mail."))
            check_identifiers(user)
            user.save()
            after = {name: getattr(user, name) for name in changes}
            audit.record(
                Kind.USER_CHANGED,
                actor=actor,
                subject=user,
                client=client,
                before=before,
                after=after,
            )
            drop_user_after_commit(user.pk)
    except IntegrityError as error:
        raise AlreadyRegistered from error
    return user


def deactivate_self(
    *, user: User, password: str | None, signed_in_for: timedelta, client: ClientInfo
) -> None:
    """Deactivate the caller's own account.

    Raises ReauthenticationRequired unless the password is right or the sign-in is fresh, and
    LastAdmin.
    """
    stored = User.objects.select_related("role").get(pk=user.pk)
    fresh = signed_in_for <= settings.AUTH_REAUTHENTICATION_TTL
    if not (check_password(stored, password) if password else fresh):
        raise ReauthenticationRequired
    _set_active(user=stored, is_active=False, actor=stored, client=client)


def set_active(
    *, user: User, is_active: bool, actor: User | None, client: ClientInfo | None = None
) -> None:
    """Activate, or deactivate and end every session.

    Raises NotOnYourself, GrantTooWide or LastAdmin.
    """
    if actor is not None and actor.pk == user.pk and not is_active:
        raise NotOnYourself
    _refuse_beyond(actor, user.role)
    _set_active(user=user, is_active=is_active, actor=actor, client=client or ClientInfo())


def _set_active(*, user: User, is_active: bool, actor: User | None, client: ClientInfo) -> None:
    with transaction.atomic():
        if not is_active:
            _keep_one_admin(user)
        changed = User.objects.filter(pk=user.pk, is_active=not is_active).update(
            is_active=is_active, updated_at=timezone.now()
        )
        if not changed:
            return
        kind = Kind.USER_ACTIVATED if is_active else Kind.USER_DEACTIVATED
        audit.record(kind, actor=actor, subject=user, client=client)
        drop_user_after_commit(user.pk)
        if not is_active:
            end_sessions(
                DeviceSession.objects.for_user(user.pk),
                reason=DeviceSession.EndReason.DEACTIVATED,
                actor=actor,
                client=client,
            )
            notify(user, "deactivated", client=client)


def change_role(
    *, user: User, role: Role, actor: User | None, client: ClientInfo | None = None
) -> None:
    """Give the user another role, effective for tokens already issued.

    `actor` None is the command line. Raises NotOnYourself, GrantTooWide or LastAdmin.
    """
    if actor is not None:
        if actor.pk == user.pk:
            raise NotOnYourself
        _refuse_beyond(actor, role)
    _change_field("role_id", role.pk, user=user, actor=actor, client=client)


def change_tier(
    *, user: User, tier: str, actor: User | None, client: ClientInfo | None = None
) -> None:
    """Give the user another tier, effective from the next request and token."""
    _change_field("tier", tier, user=user, actor=actor, client=client)


def _change_field(
    name: str, value: str, *, user: User, actor: User | None, client: ClientInfo | None
) -> None:
    """Change one column that live state and tokens are made of. Raises GrantTooWide, LastAdmin."""
    with transaction.atomic():
        stored = User.objects.select_related("role").select_for_update(of=("self",))
        present = stored.get(pk=user.pk)
        _refuse_beyond(actor, present.role)
        before = getattr(present, name)
        if before == value:
            return
        if name == "role_id" and present.role.all_permissions:
            _keep_one_admin(user)
        User.objects.filter(pk=user.pk).update(**{name: value, "updated_at": timezone.now()})
        audit.record(
            Kind.USER_CHANGED,
            actor=actor,
            subject=user,
            client=client,
            before={name.removesuffix("_id"): before},
            after={name.removesuffix("_id"): value},
        )
        drop_user_after_commit(user.pk)


def _refuse_beyond(actor: User | None, role: Role) -> None:
    """Nobody grants, or takes from somebody, what they don't hold themselves."""
    if actor is None or actor.role.all_permissions:
        return
    if role.all_permissions or not role.codes <= actor.role.codes:
        raise GrantTooWide


def _keep_one_admin(user: User) -> None:
    """Lock the active admins, so that two of them can't remove each other at once."""
    admins = User.objects.active_admins().select_for_update(of=("self",)).order_by("pk")
    if {admin.pk for admin in admins} == {user.pk}:
        raise LastAdmin
