"""Making, changing and deleting roles."""

from typing import Any

from django.contrib.auth.models import Permission
from django.db import IntegrityError, transaction

from accounts.models import Role, User
from accounts.models.role import code_of, grantable_permissions
from accounts.services.guards import refuse_beyond
from security import audit
from security.audit import Kind
from security.client_info import ClientInfo
from security.dropping import disown_after_commit
from security.errors import FieldError, NotFound, RoleExists, RoleProtected
from sessions_app.models import DeviceSession
from sessions_app.models.device_session import EndReason
from sessions_app.services.sessions import end_sessions

ROLE_FIELDS = ("description", "permissions", "console_access", "quota", "quota_seconds")
# The admin role holds every permission, and its people must not lose the console.
ADMIN_FIELDS = {"description", "quota", "quota_seconds"}


def create_role(
    *, name: str, fields: dict[str, Any], actor: User | None, client: ClientInfo | None = None
) -> Role:
    """A role with some of ROLE_FIELDS; permissions are named by their codes.

    Raises FieldError, GrantTooWide or RoleExists.
    """
    granted = _permissions(fields.get("permissions", []))
    columns = {k: v for k, v in fields.items() if k != "permissions"}
    try:
        with transaction.atomic():
            role = Role.objects.create(name=name, **columns)
            role.permissions.set(granted)
            refuse_beyond(actor, role)
            audit.record(
                Kind.ROLE_CREATED, actor=actor, client=client, role=name, after=_snapshot(role)
            )
    except IntegrityError as error:
        raise RoleExists from error
    return role


def change_role(
    *,
    role: Role,
    changes: dict[str, Any],
    actor: User | None,
    client: ClientInfo | None = None,
) -> Role:
    """Set some of ROLE_FIELDS, effective at once for everybody who has the role.

    Raises FieldError, GrantTooWide, RoleProtected or NotFound.
    """
    with transaction.atomic():
        role = _locked(role)
        refuse_beyond(actor, role)
        before = _snapshot(role)
        differing = {k: v for k, v in changes.items() if v != before[k]}
        if not differing:
            return role
        if role.all_permissions and differing.keys() - ADMIN_FIELDS:
            raise RoleProtected("Of this role only description and quota can be changed.")
        for name, value in differing.items():
            if name == "permissions":
                role.permissions.set(_permissions(value))
            else:
                setattr(role, name, value)
        role.save()
        changed = Role.objects.get(pk=role.pk)
        refuse_beyond(actor, changed)
        after = _snapshot(changed)
        audit.record(
            Kind.ROLE_CHANGED,
            actor=actor,
            client=client,
            role=role.name,
            before={name: before[name] for name in differing},
            after={name: after[name] for name in differing},
        )
        disown_after_commit()
        if "console_access" in differing and not changed.console_access:
            end_sessions(
                DeviceSession.objects.live().at_console().filter(user__role=changed),
                reason=EndReason.CONSOLE_ACCESS_LOST,
                actor=actor,
                client=client,
            )
    return changed


def delete_role(*, role: Role, actor: User | None, client: ClientInfo | None = None) -> None:
    """Raises RoleProtected for a built-in role or one that somebody has, GrantTooWide, NotFound."""
    with transaction.atomic():
        role = _locked(role)
        refuse_beyond(actor, role)
        if role.is_builtin:
            raise RoleProtected("A built-in role can't be deleted.")
        # Deleting would find out, too, by loading everybody who has it.
        if User.objects.filter(role=role).exists():
            raise RoleProtected("Somebody has this role.")
        audit.record(
            Kind.ROLE_DELETED, actor=actor, client=client, role=role.name, before=_snapshot(role)
        )
        role.delete()


def _locked(role: Role) -> Role:
    """The role as stored; nobody is given it until the transaction ends."""
    present = Role.objects.select_for_update().filter(pk=role.pk).first()
    if present is None:
        raise NotFound
    return present


def _snapshot(role: Role) -> dict[str, Any]:
    columns = {name: getattr(role, name) for name in ROLE_FIELDS if name != "permissions"}
    return {**columns, "permissions": sorted(role.codes)}


def _permissions(codes: list[str]) -> list[Permission]:
    """Raises FieldError for a code that is none, or not ours to grant."""
    known = {code_of(permission): permission for permission in grantable_permissions()}
    if unknown := sorted(set(codes) - known.keys()):
        names = ", ".join(unknown)
        raise FieldError(("permissions", "invalid_choice", f"There is no permission {names}."))
    return [known[code] for code in set(codes)]
