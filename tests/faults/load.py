"""Clients at work while something breaks, and a ledger of what must never be accepted again."""

import json
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from http.client import HTTPConnection
from threading import Event, Lock, Thread
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from tests.client import API, PASSWORD
from tests.races.racing import Answer, Call
from tests.service import Service

WAITING_SECONDS = 30
# After this long a revoked token must be refused everywhere.
REVOKED_SECONDS = 1.0


def send(service: Service, call: Call) -> Answer:
    """One call on a connection of its own, so that any of the processes may get it."""
    body = None if call.json is None else json.dumps(call.json)
    headers = {"Content-Type": "application/json"} if body else {}
    if call.access_token:
        headers["Authorization"] = f"Bearer {call.access_token}"
    address = urlsplit(service.url).netloc
    with closing(HTTPConnection(address, timeout=WAITING_SECONDS)) as connection:
        connection.request(call.method, f"{API}{call.path}", body, headers)
        response = connection.getresponse()
        text = response.read()
    return Answer(call, response.status, json.loads(text) if text else {})


class Ledger:
    """The access tokens that were taken back, and when the service had confirmed it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._revoked: list[tuple[str, float]] = []
        self.replays = 0
        self.accepted: list[str] = []

    def __len__(self) -> int:
        return len(self._revoked)

    def add(self, token: str) -> None:
        with self._lock:
            self._revoked.append((token, time.monotonic()))

    def replay(self, service: Service) -> None:
        """Present every token that was taken back a second ago or earlier."""
        with self._lock:
            revoked = list(self._revoked)
        for token, at in revoked:
            if (age := time.monotonic() - at) < REVOKED_SECONDS:
                continue
            answer = send(service, Call("GET", "/users/me", access_token=token))
            self.replays += 1
            if (answer.status, answer.body.get("code")) != (401, "session_ended"):
                self.accepted.append(f"{answer.status} {answer.body} {age:.2f} s after its end")


class Load:
    """Threads that work until the block ends; what they were answered is counted.

    `answers` counts (what was asked, status); `seconds` holds how long each answer took.
    """

    def __init__(self, service: Service) -> None:
        self.service = service
        self.ledger = Ledger()
        self.answers: Counter[tuple[str, int]] = Counter()
        self.seconds: list[float] = []
        self.user = {"email": f"{uuid4().hex}@example.com", "password": PASSWORD}
        self._threads: list[Thread] = []
        self._over = Event()
        self._lock = Lock()
        assert send(service, Call("POST", "/auth/register", self.user)).status == 201

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def ask(self, name: str, call: Call) -> Answer:
        started = time.monotonic()
        answer = send(self.service, call)
        with self._lock:
            self.seconds.append(time.monotonic() - started)
            self.answers[name, answer.status] += 1
        return answer

    def sign_in(self) -> dict[str, Any]:
        """A new session; asked again for as long as the service can't."""
        while (answer := self.ask("login", Call("POST", "/auth/login", self.user))).status == 503:
            time.sleep(0.05)
        return answer.body

    def add(self, work: Callable[[], None]) -> None:
        """A thread that does `work` again and again."""

        def run() -> None:
            while not self._over.is_set():
                work()

        self._threads.append(Thread(target=run))

    def add_reader(self) -> None:
        """Somebody who is signed in and stays so."""
        token = self.sign_in()["access_token"]
        self.add(lambda: self._read(token))

    def add_leaver(self) -> None:
        """People who sign in, are known to the processes, and sign out."""
        self.add(self._come_and_go)

    def add_replayer(self) -> None:
        self.add(lambda: self._replay())

    def _read(self, token: str) -> None:
        self.ask("me", Call("GET", "/users/me", access_token=token))
        time.sleep(0.005)

    def _come_and_go(self) -> None:
        pair = self.sign_in()
        for _ in range(6):
            self._read(pair["access_token"])
        logout = Call("POST", "/auth/logout", {"refresh_token": pair["refresh_token"]})
        if self.ask("logout", logout).status == 200:
            self.ledger.add(pair["access_token"])

    def _replay(self) -> None:
        self.ledger.replay(self.service)
        time.sleep(0.02)
