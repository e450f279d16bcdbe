"""How gunicorn serves: one file for `quickstart`, containers and hosts."""

import os
import socket
import struct
from typing import Any

from django.conf import settings
from gunicorn.glogging import Logger
from prometheus_client.multiprocess import mark_process_dead

from accounts.key_use import key_use
from sessions_app.last_seen import last_seen

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "authsite.settings")

wsgi_app = "authsite.wsgi:application"
bind = f"{settings.BIND_ADDRESS}:{settings.PORT}"
workers = settings.WEB_PROCESSES
worker_class = "gthread"
threads = settings.WEB_THREADS
timeout = 60
# So that an oversized token gets our answer, not the server's page.
limit_request_field_size = 65_536
graceful_timeout = 15
keepalive = 5
READ_SECONDS = 5
# Proxies are trusted by TRUSTED_PROXIES alone, in security.client_info.
forwarded_allow_ips = ""
secure_scheme_headers: dict[str, str] = {}
control_socket_disable = True
logconfig_dict = settings.LOGGING


class ServerLogger(Logger):  # type: ignore[misc]
    """Without lines of its own about requests, which it would else make up for each and throw away.

    `logconfig_dict` alone turns them on; the application writes the line that is kept.
    """

    access_log_enabled = False


logger_class = ServerLogger


def post_worker_init(_worker: Any) -> None:
    """Each web process writes down by itself which sessions and keys it has seen."""
    last_seen.start()
    key_use.start()


def worker_exit(_server: Any, _worker: Any) -> None:
    """The last sightings of a process that ends in order."""
    last_seen.stop()
    key_use.stop()


def when_ready(server: Any) -> None:
    """Give up on a client that stops in the middle of a request; its thread serves others again.

    Accepted sockets inherit the listener's deadline for each read. Against many such clients at
    once put a proxy in front that reads whole requests first. A client that sends nothing at all
    is not even accepted, where the system can wait with that (Linux can).
    """
    deadline = struct.pack("ll", READ_SECONDS, 0)
    for listener in server.LISTENERS:
        listener.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, deadline)
        if hasattr(socket, "TCP_DEFER_ACCEPT"):
            listener.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, READ_SECONDS)


def child_exit(_server: Any, worker: Any) -> None:
    """Keep the counts of a web process that ended, drop its gauges."""
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
