"""Taking over users with their password hashes, a batch at a time."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.identifiers import key_of
from accounts.models import OneTimeToken, Role, User
from accounts.services.decoys import sample_hashes
from accounts.services.import_rows import Candidate, Row, Rules, candidate
from accounts.services.seen_keys import SeenKeys
from security import audit
from security.audit import Kind
from security.errors import AlreadyRegistered, FieldError

# Users written in one transaction, and named in one event of the trail.
BATCH = 500
TRIES = 5


@dataclass
class Summary:
    """How many rows were read, and what became of them."""

    read: int = 0
    imported: int = 0
    exists: int = 0
    refused: int = 0
    ids_kept: int = 0


@dataclass(frozen=True)
class Left:
    """A row that was not imported, and why; never holds what the row held."""

    line: int
    result: Literal["refused", "exists"]
    field: str
    code: str
    reason: str


@dataclass(frozen=True)
class _Import:
    rules: Rules
    operator: str
    dry_run: bool
    report: Callable[[Left], None]
    seen: SeenKeys
    roles: dict[str, bool]
    summary: Summary


def import_users(
    rows: Iterable[Row],
    *,
    rules: Rules,
    operator: str,
    dry_run: bool,
    report: Callable[[Left], None],
    on_batch: Callable[[Summary], None],
) -> Summary:
    """Make a user of each row that is sound and whose e-mail address and username are free.

    Each batch is a transaction of its own with its event, so what a killed import had written is
    found to exist by the next one. `report` gets every row that was left, `on_batch` the numbers
    so far; `operator` is who does it, for the trail.
    """
    roles = dict(Role.objects.values_list("name", "all_permissions"))
    with SeenKeys() as seen:
        run = _Import(rules, operator, dry_run, report, seen, roles, Summary())
        source = iter(rows)
        while batch := list(islice(source, BATCH)):
            _import_batch(run, batch)
            on_batch(run.summary)
    if run.summary.imported and not dry_run:
        sample_hashes()
    return run.summary


def _import_batch(run: _Import, batch: list[Row]) -> None:
    run.summary.read += len(batch)
    free = _write(run, list(_sound(run, batch)))
    run.summary.imported += len(free)
    run.summary.ids_kept += sum(found.keeps_id for found in free)


def _sound(run: _Import, batch: list[Row]) -> Iterator[Candidate]:
    for row in batch:
        try:
            found = candidate(row, run.rules, run.roles)
        except FieldError as error:
            _leave(run, row.line, "refused", *error.errors[0])
            continue
        user = found.user
        user.email_key = key_of(user.email) if user.email else None
        user.username_key = key_of(user.username) if user.username else None
        first = run.seen.first_line_of(user, row.line)
        if first == row.line:
            yield found
        else:
            reason = f"Line {first} has the same e-mail address or username."
            _leave(run, row.line, "refused", "row", "duplicate", reason)


def _write(run: _Import, sound: list[Candidate]) -> list[Candidate]:
    """Those who are in the database now. Raises IntegrityError for what is no lost race."""
    free = list(_free(run, sound))
    for tries_left in reversed(range(TRIES)):
        if run.dry_run or not free:
            break
        try:
            with transaction.atomic():
                User.objects.bulk_create([found.user for found in free])
                _record(run, free)
            break
        except IntegrityError:
            # A registration or another import took a name since it was looked for: look again.
            if not tries_left:
                raise
            free = list(_free(run, free))
    return free


def _free(run: _Import, sound: list[Candidate]) -> Iterator[Candidate]:
    """Those whose names are free, asked once for all; who can't keep their id gets a new one."""
    email_keys = [found.user.email_key for found in sound if found.user.email_key]
    present = User.objects.with_any(
        ids=[found.user.pk for found in sound],
        email_keys=email_keys,
        username_keys=[found.user.username_key for found in sound if found.user.username_key],
    )
    # An id of somebody who was deleted stays theirs: the trail names them by it.
    wanted = [found.user.pk for found in sound if found.keeps_id]
    taken: set[object] = (
        set(audit.subjects_of(Kind.USER_DELETED, among=wanted)) if wanted else set()
    )
    for keys in present.values_list("pk", "email_key", "username_key"):
        taken.update(key for key in keys if key)
    # Looked for after the users: an address is freed together with the way back to it.
    held = OneTimeToken.objects.giving_back(email_keys, timezone.now())
    held_keys = set(held.values_list("email_key", flat=True))
    for found in sound:
        user = found.user
        if {user.email_key, user.username_key} & taken:
            reason = "A user with this e-mail address or username exists."
            _leave(run, found.line, "exists", "row", "exists", reason)
            continue
        if user.email_key in held_keys:
            reason = "Somebody else may still take this e-mail address back."
            _leave(run, found.line, "refused", "email", AlreadyRegistered.code, reason)
            continue
        if user.pk in taken:
            user.pk = User._meta.pk.get_default()
            found = Candidate(found.line, user, keeps_id=False)
        taken.add(user.pk)
        yield found


def _record(run: _Import, free: list[Candidate]) -> None:
    audit.record(
        Kind.USERS_IMPORTED,
        count=len(free),
        first_line=free[0].line,
        last_line=free[-1].line,
        operator=run.operator,
        unlogged={"users": [str(found.user.pk) for found in free]},
    )


def _leave(
    run: _Import,
    line: int,
    result: Literal["refused", "exists"],
    field: str,
    code: str,
    reason: str,
) -> None:
    if result == "exists":
        run.summary.exists += 1
    else:
        run.summary.refused += 1
    run.report(Left(line, result, field, code, reason))
