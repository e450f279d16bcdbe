"""Connections to Redis that notice when another server answers than before.

A server that restarted or took over may have lost the last writes, and with them that something
was dropped. Its run id tells (Redis, INFO server), and nothing is read over a new connection
before it was looked at.
"""

import re
import threading
from typing import Any

from redis.connection import ConnectionPool
from redis.exceptions import RedisError

RUN_ID = re.compile(r"run_id:(\w+)")


class ServerWatch:
    """Which server was seen last, and how often it was another one than before."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._run_id: str | None = None
        self.changes = 0

    def see(self, run_id: str) -> None:
        with self._lock:
            if self._run_id is not None and run_id != self._run_id:
                self.changes += 1
            self._run_id = run_id


server_watch = ServerWatch()


class WatchedPool(ConnectionPool):
    """A pool whose connections look at the server's run id before they are used."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, redis_connect_func=_connect, **options)


def _connect(connection: Any) -> None:
    connection.on_connect()
    connection.send_command("INFO", "server")
    answer = connection.read_response()
    found = RUN_ID.search(answer.decode() if isinstance(answer, bytes) else str(answer))
    if found is None:
        raise RedisError("The server does not tell its run id.")
    server_watch.see(found[1])
