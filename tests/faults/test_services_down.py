"""Redis or PostgreSQL away: the answers stay those of the contract, and all heals by itself."""

import signal
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.client import assert_problem
from tests.servers import PrivateServers
from tests.service import Service
from tests.waiting import wait_until

pytestmark = pytest.mark.shared
USER = {"email": "ada@example.com", "password": "poetical science 1843"}


@pytest.fixture(scope="module")
def service(servers: PrivateServers) -> Iterator[Service]:
    with Service.shared(servers.postgresql(), servers.valkey()) as running:
        with running.client() as client:
            assert client.post("/auth/register", json=USER).status_code == 201
        yield running


def sign_in(service: Service) -> dict[str, Any]:
    with service.client() as client:
        pair: dict[str, Any] = client.post("/auth/login", json=USER).json()
        return pair


def me(service: Service, pair: dict[str, Any]) -> httpx.Response:
    headers = {"Authorization": f"Bearer {pair['access_token']}"}
    return httpx.get(f"{service.url}/api/v1/users/me", headers=headers, timeout=30)


def test_without_redis_the_database_answers(service: Service, servers: PrivateServers) -> None:
    pair = sign_in(service)
    assert me(service, pair).status_code == 200
    port = int(service.environment["REDIS_URL"].rpartition(":")[2].partition("/")[0])
    servers.valkey_process.kill()
    servers.valkey_process.wait()

    health = httpx.get(f"{service.url}/health")
    assert (health.status_code, health.json()["status"]) == (200, "degraded")
    assert me(service, pair).status_code == 200
    with service.client() as client:
        renewed = client.post("/auth/refresh", json={"refresh_token": pair["refresh_token"]})
        assert renewed.status_code == 200
        assert client.post("/auth/logout", json={"refresh_token": pair["refresh_token"]}).is_success
    for _ in range(4):
        assert me(service, pair).json()["code"] == "session_ended"

    servers.valkey(port)
    wait_until(lambda: httpx.get(f"{service.url}/health").json()["checks"]["cache"] == "ok")
    for _ in range(4):
        assert me(service, pair).json()["code"] == "session_ended"
    # Each web process said so once, or twice if a connection from before the outage was left.
    assert 2 <= service.log.read_text().count("cache.unavailable") <= 4


def test_a_frozen_redis_delays_nobody_for_long(service: Service, servers: PrivateServers) -> None:
    pair = sign_in(service)
    servers.valkey_process.send_signal(signal.SIGSTOP)
    try:
        for _ in range(4):
            assert me(service, pair).status_code == 200
        with service.client() as client:
            assert client.post("/auth/logout", json={}, headers=_bearer(pair)).is_success
    finally:
        servers.valkey_process.send_signal(signal.SIGCONT)
    # When the cache is believed again.
    time.sleep(1.5)
    for _ in range(6):
        assert me(service, pair).json()["code"] == "session_ended"


def test_without_postgresql_it_says_so_and_heals(service: Service, servers: PrivateServers) -> None:
    pair = sign_in(service)
    servers.postgresql_process.send_signal(signal.SIGINT)
    servers.postgresql_process.wait(20)
    try:
        with service.client() as client:
            for path in ("/auth/login", "/auth/register"):
                refused = client.post(path, json=USER)
                assert_problem(refused, 503, "temporarily_unavailable")
                assert int(refused.headers["Retry-After"]) >= 1
            refresh = {"refresh_token": pair["refresh_token"]}
            assert_problem(
                client.post("/auth/refresh", json=refresh), 503, "temporarily_unavailable"
            )
        assert httpx.get(f"{service.url}/.well-known/jwks.json").status_code == 200
        assert httpx.get(f"{service.url}/health/live").status_code == 200
        ready = httpx.get(f"{service.url}/health/ready")
        assert (ready.status_code, ready.json()["database"]) == (503, "disconnected")
    finally:
        servers.restart_postgresql()
    wait_until(lambda: httpx.get(f"{service.url}/health/ready").status_code == 200)
    with service.client() as client:
        spent = client.post("/auth/refresh", json={"refresh_token": pair["refresh_token"]})
        assert spent.status_code == 200, "an unanswered refresh must not have spent the token"


def _bearer(pair: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {pair['access_token']}"}
