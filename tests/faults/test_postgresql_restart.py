"""PostgreSQL restarts under load: answers of the contract, and no client loses its session."""

import signal
import time
from typing import Any

import psycopg
import pytest

from tests.faults.load import Load, send
from tests.races.racing import Call
from tests.servers import PrivateServers
from tests.service import Service
from tests.waiting import wait_until

pytestmark = pytest.mark.shared
CLIENTS = 4
HEALING_SECONDS = 5
# In order, as an operator does it, and at once, as a machine's end does it.
RESTARTS = [signal.SIGINT, signal.SIGQUIT]


class Refresher:
    """A client that keeps the newest refresh token it was given, and asks again if refused."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.pair = load.sign_in()
        load.add(self.work)

    def work(self) -> None:
        body = {"refresh_token": self.pair["refresh_token"]}
        answer = self.load.ask("refresh", Call("POST", "/auth/refresh", body))
        if answer.status == 200:
            self.pair = answer.body
        time.sleep(0.02)


@pytest.mark.parametrize("how", RESTARTS, ids=lambda how: how.name)
def test_a_restart_costs_no_client_its_session(
    how: signal.Signals, service: Service, servers: PrivateServers
) -> None:
    load = Load(service)
    refreshers = [Refresher(load) for _ in range(CLIENTS)]
    load.add_reader()
    load.add(load.sign_in)
    with load:
        time.sleep(0.5)
        servers.postgresql_process.send_signal(how)
        servers.postgresql_process.wait(20)
        time.sleep(0.5)
        servers.restart_postgresql()
        restarted = time.monotonic()
        until_refreshes_succeed(load)
        assert time.monotonic() - restarted < HEALING_SECONDS
        time.sleep(0.5)

    assert {status for _, status in load.answers} == {200, 503}
    assert load.answers["refresh", 503] > 0
    for refresher in refreshers:
        assert_the_only_successor(service, refresher.pair)


def until_refreshes_succeed(load: Load) -> None:
    """Each client has had an answer since."""
    before = load.answers["refresh", 200]
    wait_until(lambda: load.answers["refresh", 200] >= before + 2 * CLIENTS, load.answers)


def assert_the_only_successor(service: Service, pair: dict[str, Any]) -> None:
    """The token that the client holds is the one that the session's row is about, and works."""
    call = Call("POST", "/auth/refresh", {"refresh_token": pair["refresh_token"]})
    first, retry = send(service, call), send(service, call)
    assert (first.status, retry.status) == (200, 200)
    assert first.body["refresh_token"] == retry.body["refresh_token"]
    with psycopg.connect(service.environment["DATABASE_URL"]) as database:
        query = "SELECT ended_at FROM sessions_app_devicesession WHERE id = %s"
        assert database.execute(query, [pair["session_id"]]).fetchone() == (None,)
