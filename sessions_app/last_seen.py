"""When a session was last used: noted in memory by requests, written by a thread of its own."""

import threading
from datetime import timedelta
from uuid import UUID

from django.apps import apps
from django.db import Error, connection, transaction
from django.utils import timezone

from security.logs import get_logger

logger = get_logger(__name__)

# At most this often is a row written, by however many processes.
PRECISION = timedelta(seconds=60)
FLUSH_SECONDS = 30.0
# Small enough that a row is locked for a few milliseconds.
SLICE = 500
# Sessions remembered between two flushes; those beyond are noted again by a later request.
MOST_NOTED = 10_000


class LastSeen:
    """The sessions that this process has seen since it last wrote them down."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._noted: set[UUID] = set()
        self._stopping = threading.Event()
        self._failing = False

    def note(self, sid: UUID) -> None:
        """Remember that the session was used; costs a request no query and no round trip."""
        with self._lock:
            if len(self._noted) < MOST_NOTED:
                self._noted.add(sid)

    def flush(self) -> int:
        """Write what was noted, one UPDATE a slice; how many rows moved.

        Without the database what was noted is forgotten, and one log event says so.
        """
        with self._lock:
            noted, self._noted = self._noted, set()
        sids = sorted(noted)
        written = 0
        try:
            for start in range(0, len(sids), SLICE):
                written += _write(sids[start : start + SLICE])
        except Error as error:
            if not self._failing:
                logger.warning("last_seen.not_written", error=type(error).__name__)
            self._failing = True
            return written
        # With nothing to write nothing was proven.
        self._failing = self._failing and not sids
        return written

    def start(self) -> None:
        """Flush from now on in a thread that ends with the process."""
        self._stopping.clear()
        threading.Thread(target=self._run, name="last-seen", daemon=True).start()

    def stop(self) -> None:
        """End the thread and write what is left; for a process that is about to end."""
        self._stopping.set()
        self.flush()

    def _run(self) -> None:
        while not self._stopping.wait(FLUSH_SECONDS):
            self.flush()
            # The next flush is far away; a connection kept until then would be one less for others.
            connection.close()


def _write(sids: list[UUID]) -> int:
    """Rows that somebody holds are left out: they are being changed, and nobody should wait."""
    # Looked up late: gunicorn's configuration imports this module before the models are loaded.
    sessions = apps.get_model("sessions_app", "DeviceSession").objects
    now = timezone.now()
    due = sessions.filter(pk__in=sids, ended_at=None, last_seen_at__lt=now - PRECISION)
    with transaction.atomic():
        free = due.select_for_update(skip_locked=True).values("pk")
        written: int = sessions.filter(pk__in=free).update(last_seen_at=now)
    return written


last_seen = LastSeen()
