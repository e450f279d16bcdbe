"""A thread of each web process that keeps the shared cache honest while no request looks."""

import threading

from django.db import Error, connection

from security.dropping import work_off
from security.logs import get_logger
from security.shared_cache import shared_cache

logger = get_logger(__name__)

SECONDS = 0.25


class CacheWatch:
    """Four times a second: does the cache take changes, and is anything left to be dropped?"""

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._failing = False

    def start(self) -> None:
        """Watch from now on in a thread that ends with the process."""
        self._stopping.clear()
        threading.Thread(target=self._run, name="cache-watch", daemon=True).start()

    def stop(self) -> None:
        self._stopping.set()

    def look(self) -> None:
        """Without the database nothing can have been changed; one log event says so."""
        shared_cache.tend()
        try:
            work_off()
        except Error as error:
            if not self._failing:
                logger.warning("cache.watch_failed", error=type(error).__name__)
            self._failing = True
            connection.close()
        else:
            self._failing = False

    def _run(self) -> None:
        while not self._stopping.wait(SECONDS):
            self.look()


cache_watch = CacheWatch()
