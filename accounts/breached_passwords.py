"""Asks a range service whether a password was in a breach, as Have I Been Pwned offers it.

Only five of the forty hex characters of the password's SHA-1 leave the house. Without an answer
within a second the password counts as not breached, and nobody asks again for a while.
"""

import hashlib
import http.client
import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Lock
from urllib.parse import urlsplit

import structlog
from django.conf import settings

from security.metrics import BREACH_CHECKS

# For all of it, name resolution included.
TIMEOUT_SECONDS = 1.0
PAUSE_SECONDS = 30.0
# The public service answers with less than 100 kB.
LARGEST = 1024 * 1024
CHUNK = 16_384
LINE = re.compile(r"([0-9A-F]{35}):([0-9]{1,12})", re.I | re.ASCII)
HEADERS = {"Add-Padding": "true", "User-Agent": "authsite"}

logger = structlog.get_logger(__name__)


class NoAnswer(Exception):
    """The service said nothing that can be used."""


class RangeService:
    """What we know of the service: whether it answers."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._away = False
        self._paused_until = 0.0
        # A thread is the only way to stop waiting for a name or a handshake.
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="breached-passwords")

    def has(self, password: str) -> bool:
        """Whether the service knows the password; False without an answer."""
        url = settings.AUTH_BREACHED_PASSWORDS_URL
        if not url:
            return False
        if time.monotonic() < self._paused_until:
            BREACH_CHECKS.labels("skipped").inc()
            return False
        digest = hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper()
        try:
            found = digest[5:] in self._suffixes(f"{url}/{digest[:5]}")
        except (NoAnswer, OSError, http.client.HTTPException, ValueError) as error:
            self._failed(type(error).__name__, str(error))
            return False
        self._answered()
        BREACH_CHECKS.labels("breached" if found else "clean").inc()
        return found

    def _suffixes(self, url: str) -> set[str]:
        opened: list[socket.socket] = []
        answer = self._threads.submit(_fetch, url, opened, time.monotonic() + TIMEOUT_SECONDS)
        try:
            return _parse(answer.result(TIMEOUT_SECONDS))
        finally:
            answer.cancel()
            for connected in opened:
                # Wakes a thread that still waits for more.
                with suppress(OSError):
                    connected.shutdown(socket.SHUT_RDWR)

    def _failed(self, error: str, reason: str) -> None:
        BREACH_CHECKS.labels("failed").inc()
        with self._lock:
            self._paused_until = time.monotonic() + PAUSE_SECONDS
            first, self._away = not self._away, True
        if first:
            logger.warning("breached_passwords.unavailable", error=error, reason=reason)

    def _answered(self) -> None:
        with self._lock:
            again, self._away = self._away, False
        if again:
            logger.info("breached_passwords.available")


def _fetch(url: str, opened: list[socket.socket], deadline: float) -> bytes:
    """The body of a 200; a redirect is none. Leaves its socket in `opened`."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.netloc, timeout=TIMEOUT_SECONDS)
    try:
        connection.connect()
        opened.append(connection.sock)
        if time.monotonic() > deadline:
            raise NoAnswer("not connected in time")
        connection.request("GET", parts.path, headers=HEADERS)
        with connection.getresponse() as response:
            return _read(response, deadline)
    finally:
        connection.close()


def _read(response: http.client.HTTPResponse, deadline: float) -> bytes:
    if response.status != 200:
        raise NoAnswer(f"status {response.status}")
    body = b""
    while chunk := response.read1(CHUNK):
        body += chunk
        if len(body) > LARGEST:
            raise NoAnswer(f"longer than {LARGEST} bytes")
        if time.monotonic() > deadline:
            raise NoAnswer("not done in time")
    if response.length:
        raise NoAnswer("cut short")
    return body


def _parse(body: bytes) -> set[str]:
    """The suffixes that were in a breach; those with the count 0 are padding."""
    found = set()
    for line in body.decode("ascii").splitlines():
        match = LINE.fullmatch(line)
        if match is None:
            raise NoAnswer("a line is not SUFFIX:COUNT")
        if int(match[2]):
            found.add(match[1].upper())
    return found


range_service = RangeService()
