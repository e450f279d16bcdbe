"""Who a token's bearer is and what they may do now: from the cache, else from the database."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Model

from accounts.models import Role, User
from accounts.tokens import AccessToken
from security.errors import TokenInvalid
from security.keyring import keyring
from security.meters import Meter, count
from sessions_app import live_state
from sessions_app.last_seen import last_seen
from sessions_app.models import DeviceSession

# The columns an authenticated request may read without a query; the password hash is not one.
USER_FIELDS = (
    "id",
    "last_login",
    "email",
    "username",
    "first_name",
    "last_name",
    "role_id",
    "tier",
    "is_active",
    "email_verified_at",
    "created_at",
    "updated_at",
)
TIMES = ("last_login", "email_verified_at", "created_at", "updated_at")
ROLE_FIELDS = ("name", "all_permissions", "console_access", "quota", "quota_seconds")


def live_user(token: AccessToken, *, counting: bool = False) -> User | None:
    """The user of the token's session, or None if the session is over or the user inactive.

    One round trip to the shared cache and no SQL when warm. With `counting` it is a request of the
    user's: it counts against their quota, as `usages` tell, and for when they were last seen.
    Raises TokenInvalid if the key that signed the token was revoked meanwhile.
    """
    counting = counting and settings.AUTH_LIMITS
    state, epoch, counted = live_state.read(token.sid, counting=counting)
    if not keyring.still_verifies(token.kid, epoch=epoch):
        raise TokenInvalid
    user = restore_user(state) if state is not None else _load(token, epoch)
    if user is None or str(user.pk) != token["sub"]:
        return None
    last_seen.note(token.sid)
    if counting:
        user.usages = count([quota_of(user)], counted=counted)
    return user


def quota_of(user: User) -> Meter:
    """What the user's role lets them do."""
    return Meter("quota", str(user.pk), user.role.quota, user.role.quota_seconds)


def _load(token: AccessToken, epoch: str | None) -> User | None:
    session = DeviceSession.objects.live().select_related("user__role").filter(pk=token.sid).first()
    if session is None or not session.user.is_active:
        return None
    user: User = session.user
    quota = quota_of(user)
    counters = [(quota.key, quota.seconds)]
    live_state.store(session, snapshot_user(user), epoch=epoch, counters=counters)
    return user


def snapshot_user(user: User) -> dict[str, Any]:
    values = {name: getattr(user, name) for name in USER_FIELDS} | {"id": str(user.pk)}
    for name in TIMES:
        values[name] = values[name] and values[name].isoformat()
    role = {name: getattr(user.role, name) for name in ROLE_FIELDS}
    return {"user": values, "role": role, "codes": sorted(user.role.codes)}


def restore_user(state: dict[str, Any]) -> User:
    """The user of a snapshot as an instance whose other columns are deferred, not empty."""
    values = dict(state["user"])
    for name in TIMES:
        values[name] = values[name] and datetime.fromisoformat(values[name])
    values["id"] = User._meta.pk.to_python(values["id"])
    user: User = _instance(User, values)
    role = _instance(Role, state["role"])
    role.codes = frozenset(state["codes"])
    user.role = role
    return user


def _instance(model: type[Model], values: dict[str, Any]) -> Any:
    """from_db() takes the values in the order of the model's columns, whatever the names say."""
    names = [column.attname for column in model._meta.concrete_fields if column.attname in values]
    return model.from_db("default", names, [values[name] for name in names])
