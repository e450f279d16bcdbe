"""When something was last used: noted in memory by requests, written by a thread of its own."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from django.db import Error, connection
from django.utils import timezone

from security.logs import get_logger

logger = get_logger(__name__)

# At most this often is a row written, by however many processes.
PRECISION = timedelta(seconds=60)
FLUSH_SECONDS = 30.0
# Small enough that a row is locked for a few milliseconds.
SLICE = 500
# Rows remembered between two flushes; those beyond are noted again by a later request.
MOST_NOTED = 10_000

# Takes ids and the time, and writes it to those rows that nobody holds; how many it wrote.
Write = Callable[[list[UUID], datetime], int]


class LastUse:
    """The rows of one table that this process has seen used since it last wrote them down."""

    def __init__(self, name: str, write: Write) -> None:
        self._name = name
        self._write = write
        self._lock = threading.Lock()
        self._noted: set[UUID] = set()
        self._stopping = threading.Event()
        self._failing = False

    def note(self, pk: UUID) -> None:
        """Remember that the row was used; costs a request no query and no round trip."""
        with self._lock:
            if len(self._noted) < MOST_NOTED:
                self._noted.add(pk)

    def flush(self) -> int:
        """Write what was noted, one UPDATE a slice; how many rows moved.

        Without the database what was noted is forgotten, and one log event says so.
        """
        with self._lock:
            noted, self._noted = self._noted, set()
        pks = sorted(noted)
        written = 0
        try:
            for start in range(0, len(pks), SLICE):
                written += self._write(pks[start : start + SLICE], timezone.now())
        except Error as error:
            if not self._failing:
                logger.warning(f"{self._name}.not_written", error=type(error).__name__)
            self._failing = True
            return written
        # With nothing to write nothing was proven.
        self._failing = self._failing and not pks
        return written

    def start(self) -> None:
        """Flush from now on in a thread that ends with the process."""
        self._stopping.clear()
        threading.Thread(target=self._run, name=self._name, daemon=True).start()

    def stop(self) -> None:
        """End the thread and write what is left; for a process that is about to end."""
        self._stopping.set()
        self.flush()

    def _run(self) -> None:
        while not self._stopping.wait(FLUSH_SECONDS):
            self.flush()
            # The next flush is far away; a connection kept until then would be one less for others.
            connection.close()
