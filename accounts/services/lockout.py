"""Failed sign-ins in a row: waits that strangers can't outrun, and that don't hit the owner.

Two counters grow with each failure of a stranger, that of their network and that of the account;
on a device that the user has signed in on, that device's alone. They live in the cache, by
identifier: an account tells nobody that it is another's second name, or that it exists. A row of
the database holds what is never forgotten: how many it were since the last reset.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, Value
from django.db.models.functions import Greatest
from django.utils import timezone

from accounts.identifiers import key_of
from accounts.models import SignInFailures, User
from accounts.models.sign_in_failures import digest_of
from accounts.services.guards import refuse_beyond
from accounts.services.known_devices import KnownDevice
from security import audit, limits, streaks
from security.audit import Kind
from security.client_info import ClientInfo, network_of
from security.errors import LoginCooldown, TooBusy
from security.limits import enforce
from security.metrics import SIGN_INS
from security.streaks import Place, Streak

# More than any streak holds.
ALL_OF_THEM = 1_000_000_000


@dataclass
class Attempt:
    """A password that may be looked at; it counts as a failure until it proves right."""

    user: User | None
    identifier_key: str
    client: ClientInfo
    device: KnownDevice | None = None
    places: list[Place] = field(default_factory=list)
    # Whether the database has a row, what it counted before, and whether it counts this one, too.
    has_row: bool = False
    before: int = 0
    in_row: bool = False

    @property
    def rows(self) -> Any:
        return SignInFailures.objects.counting_for(self.user, self.identifier_key)

    @property
    def column(self) -> str:
        return "device_failures" if self.device else "failures"

    @property
    def bound(self) -> int:
        return SignInFailures.bounds()[1 if self.device else 0]

    @property
    def cooldown(self) -> int:
        """Seconds of waiting that its failure brings."""
        return max(place.cooldown for place in self.places)


def reserve(
    *, user: User | None, identifier: str, client: ClientInfo, device: KnownDevice | None
) -> Attempt:
    """Count an attempt to sign in before its password is looked at.

    `user` is whom the identifier names, read with `sign_in_failures`. A device spared the caller
    the limits of strangers; if it is not this user's, they are made up for here. Raises
    LoginCooldown and RateLimited, for names that nobody has as well.
    """
    attempt = Attempt(user, key_of(identifier), client)
    if not settings.AUTH_LIMITS:
        return attempt
    if device is not None and device.belongs_to(user):
        attempt.device = device
    elif device is not None:
        enforce(strangers_limits(identifier, client))
    row = _row(attempt)
    attempt.has_row = row is not None
    attempt.before = getattr(row, attempt.column) if row else 0
    if attempt.before >= attempt.bound:
        raise _refused(attempt, None)
    wait, attempt.places = streaks.reserve(_streaks(attempt, row))
    if wait:
        raise _refused(attempt, wait)
    # Further from the bound the cache alone keeps those that come at once from passing it, even
    # in two processes that count alone; a success then writes nothing.
    if attempt.before + 2 * attempt.places[-1].streak.free >= attempt.bound:
        _reserve_in_row(attempt)
    return attempt


def strangers_limits(identifier: str, client: ClientInfo) -> dict[str, str]:
    """Whom a stranger's sign-in counts for, by the name of the limit."""
    return {"login": key_of(identifier), "login_address": network_of(client.ip_address)}


def is_right(attempt: Attempt, check: Callable[[], bool]) -> bool:
    """Look at the reserved attempt's password, by `check`; a failure is still to be told by fail().

    A right one forgets the failures of this network or device, no others. Raises TooBusy, which is
    nobody's failure.
    """
    try:
        right = check()
    except TooBusy:
        if attempt.places:
            streaks.release(attempt.places, 1)
            _release_in_row(attempt, 1 if attempt.in_row else 0)
        raise
    if right and attempt.places:
        taken = streaks.release(attempt.places, attempt.places[0].count)
        _release_in_row(attempt, max(1, taken) - (0 if attempt.in_row else 1))
    return right


def fail(attempt: Attempt) -> None:
    """The password was wrong; the caller's transaction says so in the trail, too."""
    if not attempt.places:
        return
    _look_as_often(attempt)
    now = timezone.now()
    noted: dict[str, Any] = {"last_failed_at": now}
    if attempt.cooldown:
        noted["locked_until"] = now + timedelta(seconds=attempt.cooldown)
    if not attempt.in_row:
        noted[attempt.column] = F(attempt.column) + 1
    if not attempt.rows.update(**noted):
        _make_row(attempt)
        attempt.rows.update(**noted)
    failures = attempt.rows.values_list(attempt.column, flat=True).first() or 0
    if attempt.cooldown or failures >= attempt.bound:
        audit.record(
            Kind.LOGIN_LOCKED,
            subject=attempt.user,
            client=attempt.client,
            scope=_scope(attempt),
            seconds=attempt.cooldown,
            until_reset=failures >= attempt.bound,
        )


def unlock_user(*, user: User, actor: User | None, client: ClientInfo) -> bool:
    """Forget all failures of an account; whether there were any. Raises GrantTooWide.

    Those of its names count, too, from before somebody had them.
    """
    refuse_beyond(actor, user.role)
    with transaction.atomic():
        row = SignInFailures.objects.counting_for(user, "").first()
        named = [_of_account(key_of(name), row) for name in _names(user)]
        taken = [streaks.release([Place(streak, 0, 0)], ALL_OF_THEM) for streak in named]
        unlocked = any(taken) or bool(row and row.last_failed_at)
        forget_failures(user)
        if unlocked:
            audit.record(Kind.LOGIN_UNLOCKED, actor=actor, subject=user, client=client)
    return unlocked


def forget_failures(user: User) -> None:
    """The same inside the caller's transaction and trail, as a new password does it.

    Strangers who used up the limit of the user's names must not keep them out either.
    """
    for name in _names(user):
        transaction.on_commit(partial(limits.forget, {"login": key_of(name)}))
    # Without a row they have the counters that their names had when they were nobody's.
    _add_row(user, "")
    SignInFailures.objects.counting_for(user, "").update(
        failures=0,
        device_failures=0,
        last_failed_at=None,
        locked_until=None,
        generation=F("generation") + 1,
    )


def _names(user: User) -> list[str]:
    return [name for name in (user.email, user.username) if name]


def _row(attempt: Attempt) -> SignInFailures | None:
    if attempt.user is not None:
        return getattr(attempt.user, "sign_in_failures", None)
    row: SignInFailures | None = attempt.rows.first()
    return row


def _streaks(attempt: Attempt, row: SignInFailures | None) -> list[Streak]:
    """The caller's own first; the others hold what it holds."""
    free = settings.AUTH_LOCKOUT_FAILURES
    if attempt.device is not None:
        return [Streak(f"failures:device:{attempt.device.name}:{_era(row)}", free)]
    network = network_of(attempt.client.ip_address)
    account = _account(attempt.identifier_key, row)
    return [
        Streak(f"failures:network:{network}:{account}", free),
        _of_account(attempt.identifier_key, row),
    ]


def _of_account(identifier_key: str, row: SignInFailures | None) -> Streak:
    account = _account(identifier_key, row)
    return Streak(f"failures:account:{account}", settings.AUTH_LOCKOUT_ACCOUNT_FAILURES)


def _account(identifier_key: str, row: SignInFailures | None) -> str:
    return f"{digest_of(identifier_key)[:32]}:{_era(row)}"


def _era(row: SignInFailures | None) -> str:
    """What a reset changes; not what it was for another user of the same name before."""
    return f"{row.slot}:{row.generation}" if row and row.generation else "0"


def _reserve_in_row(attempt: Attempt) -> None:
    """Raises LoginCooldown if others have used up what was left."""
    if not attempt.has_row:
        _make_row(attempt)
    below = attempt.rows.filter(**{f"{attempt.column}__lt": attempt.bound})
    if not below.update(**{attempt.column: F(attempt.column) + 1}):
        streaks.release(attempt.places, 1)
        raise _refused(attempt, None)
    attempt.in_row = True


def _release_in_row(attempt: Attempt, count: int) -> None:
    if count:
        # Never below zero: what the cache counted, an unlocking may have forgotten here.
        least = Greatest(F(attempt.column), Value(count))
        attempt.rows.update(**{attempt.column: least - count})


def _make_row(attempt: Attempt) -> None:
    """A row that counts nothing yet, in place of another identifier's of nobody."""
    place = SignInFailures.place_of(attempt.user, attempt.identifier_key)
    others = SignInFailures.objects.filter(slot=place["slot"])
    others.exclude(identifier_digest=place["identifier_digest"]).delete()
    _add_row(attempt.user, attempt.identifier_key)


def _add_row(user: User | None, identifier_key: str) -> None:
    place = SignInFailures.place_of(user, identifier_key)
    SignInFailures.objects.bulk_create([SignInFailures(user=user, **place)], ignore_conflicts=True)


def _scope(attempt: Attempt) -> str:
    if attempt.device is not None:
        return "device"
    return "account" if attempt.places[1].cooldown else "network"


def _look_as_often(attempt: Attempt) -> None:
    """A refusal takes as many looks for somebody's name as for nobody's, whose row `_row` read."""
    if attempt.user is not None:
        attempt.rows.first()


def _refused(attempt: Attempt, wait: int | None) -> LoginCooldown:
    """The refusal; without a known wait, the longest there is."""
    _look_as_often(attempt)
    SIGN_INS.labels(LoginCooldown.code).inc()
    return LoginCooldown(wait or int(settings.AUTH_LOCKOUT_LONGEST_WAIT.total_seconds()))
