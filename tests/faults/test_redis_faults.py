"""Whatever Redis does, who is signed in stays so, and what was taken back stays taken back."""

import signal
import time
from collections.abc import Callable

import httpx
import pytest
from redis import Redis

from tests.faults.load import REVOKED_SECONDS, Load, send
from tests.faults.proxy import Proxy
from tests.races.racing import Call
from tests.servers import PrivateServers
from tests.service import Service
from tests.waiting import wait_until

pytestmark = pytest.mark.shared
WEB_PROCESSES = 2
# Longer than it takes to notice, and the second in which a token may still be accepted.
FAULT_SECONDS = 2.0
# What a fault may add to a request.
PATIENCE_SECONDS = 0.3


class Spoiler:
    """Does to Redis for FAULT_SECONDS what operators and machines do to it."""

    def __init__(self, servers: PrivateServers, proxy: Proxy) -> None:
        self.process = servers.valkey_process
        self.proxy = proxy
        self.redis = Redis.from_url(proxy.target_url)

    def slow(self) -> None:
        self.proxy.delay = 0.4
        time.sleep(FAULT_SECONDS)
        self.proxy.delay = 0

    def sluggish(self) -> None:
        """Each answer comes in time, but a request may need several."""
        self.proxy.delay = 0.1
        time.sleep(FAULT_SECONDS)
        self.proxy.delay = 0

    def frozen(self) -> None:
        self.process.send_signal(signal.SIGSTOP)
        time.sleep(FAULT_SECONDS)
        self.process.send_signal(signal.SIGCONT)

    def flushed(self) -> None:
        for _ in range(10):
            self.redis.flushall()
            time.sleep(FAULT_SECONDS / 10)

    def full(self) -> None:
        self.redis.config_set("maxmemory", 1)
        time.sleep(FAULT_SECONDS)
        self.redis.config_set("maxmemory", 0)

    def nearly_full(self) -> None:
        """Now and then a write finds room."""
        for _ in range(10):
            self.redis.config_set("maxmemory", self.redis.info("memory")["used_memory"])
            time.sleep(FAULT_SECONDS / 10)
        self.redis.config_set("maxmemory", 0)

    def replica(self) -> None:
        """Of a primary that is gone: it answers with what it has and takes no change."""
        self.redis.replicaof("127.0.0.1", "1")
        time.sleep(FAULT_SECONDS)
        self.redis.replicaof("NO", "ONE")

    def now_and_then_read_only(self) -> None:
        """For moments that are over before every process has seen them."""
        for _ in range(8):
            self.redis.config_set("min-replicas-to-write", 1)
            time.sleep(FAULT_SECONDS / 16)
            self.redis.config_set("min-replicas-to-write", 0)
            time.sleep(FAULT_SECONDS / 16)


# And how often Redis goes away in it.
FAULTS: list[tuple[Callable[[Spoiler], None], int]] = [
    (Spoiler.slow, 1),
    (Spoiler.sluggish, 1),
    (Spoiler.frozen, 1),
    (Spoiler.flushed, 0),
    (Spoiler.full, 1),
    (Spoiler.nearly_full, 4),
    (Spoiler.replica, 1),
    (Spoiler.now_and_then_read_only, 4),
]


@pytest.mark.parametrize(("fault", "outages"), FAULTS, ids=[fault.__name__ for fault, _ in FAULTS])
def test_a_fault_of_redis_ends_no_session_and_revives_none(
    fault: Callable[[Spoiler], None],
    outages: int,
    service: Service,
    servers: PrivateServers,
    proxy: Proxy,
) -> None:
    logged = said(service)
    load = Load(service)
    load.add_reader()
    load.add_leaver()
    load.add_leaver()
    load.add_replayer()
    with load:
        time.sleep(0.5)
        load.seconds.clear()
        fault(Spoiler(servers, proxy))
        seconds = sorted(load.seconds)
        until_the_cache_is_fine(service)
        time.sleep(REVOKED_SECONDS)
    time.sleep(REVOKED_SECONDS)
    load.ledger.replay(service)
    load.ledger.replay(service)

    assert load.ledger.accepted == []
    assert load.ledger.replays > 2 * len(load.ledger) > 0
    assert {status for _, status in load.answers} == {200}
    # Nearly nobody waited; a few noticed for all.
    assert seconds[len(seconds) * 9 // 10] < PATIENCE_SECONDS
    # Once an outage in each web process, not once a request; a busy machine may look like one more.
    assert said(service) - logged <= (outages + 1) * WEB_PROCESSES


# What makes Redis refuse changes while it answers, and what ends that.
NO_CHANGE = {
    "full": ("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0"),
    "replica": ("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE"),
    "alone": ("CONFIG SET min-replicas-to-write 1", "CONFIG SET min-replicas-to-write 0"),
}


@pytest.mark.parametrize("state", NO_CHANGE)
def test_a_logout_reaches_processes_that_only_read_a_cache_that_takes_no_change(
    state: str, service: Service, proxy: Proxy
) -> None:
    """One process can't drop there what the other goes on reading."""
    redis = Redis.from_url(proxy.target_url)
    begin, end = NO_CHANGE[state]
    load = Load(service)
    pair = load.sign_in()
    me = Call("GET", "/users/me", access_token=pair["access_token"])
    # Both processes know it, and store nothing from here on.
    assert {send(service, me).status for _ in range(20)} == {200}
    redis.execute_command(*begin.split())
    try:
        logout = Call("POST", "/auth/logout", {"refresh_token": pair["refresh_token"]})
        assert send(service, logout).status == 200
        load.ledger.add(pair["access_token"])
        time.sleep(REVOKED_SECONDS)
        for _ in range(20):
            load.ledger.replay(service)
    finally:
        redis.execute_command(*end.split())
    until_the_cache_is_fine(service)
    for _ in range(20):
        load.ledger.replay(service)
    assert load.ledger.accepted == []
    assert load.ledger.replays == 40


def said(service: Service) -> int:
    return service.log.read_text().count("cache.unavailable")


def until_the_cache_is_fine(service: Service) -> None:
    wait_until(lambda: httpx.get(f"{service.url}/health").json()["checks"]["cache"] == "ok")
