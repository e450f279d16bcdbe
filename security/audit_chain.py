"""The chain of digests over the audit trail: each link covers an event and all links before it.

Requests insert events without a link, so none waits for another. A job links whatever has been
committed since, in order of ids; a transaction that commits late only gets a later link.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from security.append_only import CONTENT, LINK, PERSONAL
from security.audit import Kind
from security.jobs import exclusively, keep_result, last_result
from security.logs import get_logger
from security.models import AuditEvent
from security.personal_data import canonical, personal_digest

logger = get_logger(__name__)

BATCH = 1000
# What one run links at most: it ends long before its lease.
MOST_BATCHES = 100
CHAINING = "chain-audit"
VERIFYING = "verify-audit"
READ = (*CONTENT, *PERSONAL, *LINK)
FIRST_DIGEST = "0" * 64
# One statement for a batch, which the ORM would make a CASE of a thousand branches.
LINKING = (
    "UPDATE security_auditevent SET seq = link.column1, digest = link.column2 "
    "FROM (VALUES {}) AS link WHERE id = link.column3 AND seq IS NULL"
)

Row = dict[str, Any]


class BrokenChain(Exception):
    """The trail is not what was chained; `seq` is the first link that shows it."""

    def __init__(self, seq: int, reason: str) -> None:
        super().__init__(f"The trail is broken at {seq}: {reason}.")
        self.seq = seq
        self.reason = reason


@dataclass
class Verdict:
    """What a verification saw. `head` is the digest of link `seq`, the last one read."""

    seq: int
    head: str
    events: int = 0
    erased: int = 0
    broken_at: int | None = None
    reason: str = ""

    @property
    def ok(self) -> bool:
        return self.broken_at is None

    def as_dict(self) -> dict[str, Any]:
        return {"ok": self.ok, **asdict(self)}


def chain_exclusively() -> int:
    """The job: link what is not linked yet; return how many events."""
    linked = 0
    with exclusively(CHAINING, lease=timedelta(minutes=1)) as mine:
        for _ in range(MOST_BATCHES if mine else 0):
            batch = chain_batch()
            linked += batch
            if batch < BATCH:
                break
    return linked


def chain_batch() -> int:
    """Link the oldest events that have no link, all or none; return how many.

    Raises IntegrityError when another process linked at the same time.
    """
    with transaction.atomic():
        rows = list(AuditEvent.objects.unchained().order_by("pk").values(*CONTENT)[:BATCH])
        if not rows:
            return 0
        seq = AuditEvent.objects.last_seq()
        digest = _digest_at(seq)
        links: list[Any] = []
        for row in rows:
            seq += 1
            digest = link_digest(seq, digest, row)
            pk = AuditEvent._meta.pk.get_db_prep_value(row["id"], connection)
            links += [seq, digest, pk]
        with connection.cursor() as cursor:
            cursor.execute(LINKING.format(", ".join(["(%s, %s, %s)"] * len(rows))), links)
            if cursor.rowcount != len(rows):
                raise IntegrityError("Somebody else linked some of these events.")
    return len(rows)


def link_digest(seq: int, previous: str, row: Row) -> str:
    """SHA-256 in hex over the number of the link, the digest before it and the event."""
    covered = {name: _text(row[name]) for name in CONTENT}
    return hashlib.sha256(canonical(covered | {"seq": seq, "previous": previous})).hexdigest()


def _text(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    return str(value) if isinstance(value, UUID) else value


def _digest_at(seq: int) -> str:
    """The digest of a link; of the one before the first for 0, empty for a missing one."""
    if seq == 0:
        return FIRST_DIGEST
    digests = AuditEvent.objects.filter(seq=seq).values_list("digest", flat=True)
    return digests.first() or ""


def verify(*, since: datetime | None = None, anchor: tuple[int, str] | None = None) -> Verdict:
    """Compute the chain again, in pages of constant size, up to the first broken link.

    With `since`, from about that moment on, trusting the link before. `anchor` is a link that was
    noted outside the database: it must still be there with that digest.
    """
    seq = _first_seq(since) - 1
    verdict = Verdict(seq=seq, head=_digest_at(seq))
    try:
        if anchor is not None and _digest_at(anchor[0]) != anchor[1]:
            raise BrokenChain(anchor[0], "this link is not the one that was noted")
        for page in _pages(seq):
            _check_page(page, verdict)
    except BrokenChain as broken:
        verdict.broken_at, verdict.reason = broken.seq, broken.reason
    return verdict


def verify_exclusively() -> Verdict | None:
    """The job: verify all, keep the result for the metrics, log the head or the break.

    The head in the log lies outside the database: it shows if the trail's end is cut off later.
    """
    with exclusively(VERIFYING, lease=timedelta(hours=1)) as mine:
        if not mine:
            return None
        verdict = verify()
        keep_result(VERIFYING, verdict.as_dict())
        if verdict.ok:
            logger.info("audit.head", seq=verdict.seq, digest=verdict.head)
        else:
            logger.error("audit.broken", seq=verdict.broken_at, reason=verdict.reason)
        return verdict


def last_verdict() -> bool | None:
    """Whether the job last found the chain whole; None before its first run."""
    return last_result(VERIFYING).get("ok")


def oldest_unchained() -> timedelta:
    """How long the oldest event without a link has been waiting for one; zero without any."""
    events = AuditEvent.objects.unchained().order_by("pk")
    created_at = events.values_list("created_at", flat=True).first()
    return timezone.now() - created_at if created_at else timedelta(0)


def _first_seq(since: datetime | None) -> int:
    """The least link among the first events since then; late ones stand a little further on."""
    if since is None:
        return 1
    first = AuditEvent.objects.between(since, None).order_by("pk").values_list("seq", flat=True)
    found = [seq for seq in first[:BATCH] if seq is not None]
    return min(found, default=AuditEvent.objects.last_seq() + 1)


def _pages(seq: int) -> Iterator[list[Row]]:
    """The chained events after `seq`, as a cursor held open would not survive long."""
    events = AuditEvent.objects.order_by("seq").values(*READ)
    while page := list(events.filter(seq__gt=seq)[:BATCH]):
        yield page
        seq = page[-1]["seq"]


def _check_page(page: list[Row], verdict: Verdict) -> None:
    """Raises BrokenChain."""
    on_record = _erased_people(page)
    for row in page:
        seq = verdict.seq + 1
        if row["seq"] != seq:
            raise BrokenChain(seq, "an event is missing")
        if link_digest(seq, verdict.head, row) != row["digest"]:
            raise BrokenChain(seq, "the event or its digest was changed")
        if row["salt"]:
            _check_personal(row)
        elif not _is_erased(row):
            raise BrokenChain(seq, "personal data was written into an erased event")
        elif not {row["subject_id"], row["actor_id"]} & on_record:
            raise BrokenChain(seq, "personal data is gone without an erasure on record")
        else:
            verdict.erased += 1
        verdict.seq, verdict.head = seq, row["digest"]
        verdict.events += 1


def _check_personal(row: Row) -> None:
    names = ("salt", "ip_address", "user_agent", "personal")
    if personal_digest(**{name: row[name] for name in names}) != row["personal_digest"]:
        raise BrokenChain(row["seq"], "personal data of the event was changed")


def _is_erased(row: Row) -> bool:
    return row["ip_address"] is None and not row["user_agent"] and not row["personal"]


def _erased_people(page: list[Row]) -> set[UUID | None]:
    """Of the people in the page's erased events those whose erasure is on record."""
    people = {row[n] for row in page if not row["salt"] for n in ("subject_id", "actor_id")}
    if not people - {None}:
        return set()
    records = AuditEvent.objects.filter(kind=Kind.USER_ERASED, subject_id__in=people - {None})
    return set(records.values_list("subject_id", flat=True))
