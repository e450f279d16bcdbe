"""A web process killed in the middle of refreshes: one live successor, and never none."""

import http.client
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import jwt
import psycopg
import pytest

from tests.faults.load import Load, send
from tests.faults.proxy import Proxy
from tests.races.racing import Call
from tests.servers import PrivateServers
from tests.service import CHEAP_HASH, Service
from tests.waiting import wait_until

pytestmark = pytest.mark.shared
KILLS = 100
AT_ONCE = 2
CLIENTS = 4
WEB_PROCESSES = 4
SESSION = "SELECT generation, ended_at FROM sessions_app_devicesession WHERE id = %s"
# What a client sees of a process that was killed under it.
CUT_OFF = (ConnectionError, http.client.HTTPException)


@pytest.fixture(scope="module")
def service(servers: PrivateServers, proxy: Proxy) -> Iterator[Service]:
    processes = {"WEB_PROCESSES": str(WEB_PROCESSES)}
    with Service.shared(servers.postgresql(), proxy.url, **processes, **CHEAP_HASH) as running:
        yield running


class Client:
    """Refreshes all the time; cut off, it asks again with the token that it has.

    `given` is every refresh token it ever got, by generation.
    """

    def __init__(self, load: Load) -> None:
        self.load = load
        self.pair = load.sign_in()
        self.given: dict[int, set[str]] = {}
        self.cut_off = 0
        self.answered = 0
        load.add(self.work)

    def work(self) -> None:
        call = Call("POST", "/auth/refresh", {"refresh_token": self.pair["refresh_token"]})
        try:
            answer = self.load.ask("refresh", call)
        except CUT_OFF:
            self.cut_off += 1
            return
        if answer.status != 200:
            time.sleep(0.1)
            return
        self.pair = answer.body
        text = self.pair["refresh_token"]
        claims = jwt.decode(text, options={"verify_signature": False})
        self.given.setdefault(claims["gen"], set()).add(text)
        self.answered += 1
        # Leaves the processes time to start.
        time.sleep(0.02)


def test_100_killed_processes_cost_no_session_and_split_none(service: Service) -> None:
    load = Load(service)
    clients = [Client(load) for _ in range(CLIENTS)]
    with load:
        for _ in range(KILLS // AT_ONCE):
            answered = [client.answered for client in clients]
            kill_processes(service)
            # Before the next one every client has got an answer again.
            wait_until(lambda before=answered: all_answered(clients, before), load.answers)

    assert {status for _, status in load.answers} == {200}
    assert sum(client.cut_off for client in clients) >= KILLS / 4
    with psycopg.connect(service.environment["DATABASE_URL"]) as database:
        for client in clients:
            assert {len(texts) for texts in client.given.values()} == {1}
            # The client holds the newest there is: nobody else was given a later one.
            row = database.execute(SESSION, [client.pair["session_id"]]).fetchone()
            assert row == (max(client.given), None)
            last = Call("POST", "/auth/refresh", {"refresh_token": client.pair["refresh_token"]})
            assert send(service, last).status == 200


def all_answered(clients: list[Client], before: list[int]) -> bool:
    return all(client.answered > count for client, count in zip(clients, before, strict=True))


def kill_processes(service: Service) -> None:
    """Kill the oldest web processes, which have had the time to start."""
    master = next(pid for pid in children(service.process.pid) if b"gunicorn" in command(pid))
    oldest = sorted(children(master), key=started)[:AT_ONCE]
    for process in oldest:
        os.kill(process, signal.SIGKILL)
    # They stay in the list, and the oldest, until gunicorn has taken note of their death.
    wait_until(lambda: not {*oldest} & {*children(master)})


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def command(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def started(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
