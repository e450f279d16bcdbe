"""Worker and beat really run, on the file broker and on Redis."""

import httpx

from tests.service import Service
from tests.waiting import wait_until


def wait_for_the_worker(service: Service) -> None:
    wait_until(lambda: httpx.get(f"{service.url}/health").json()["checks"]["worker"] == "ok")
    assert httpx.get(f"{service.url}/health/ready").json()["status"] == "healthy"


def test_the_embedded_worker_beats_through_files(embedded_service: Service) -> None:
    wait_for_the_worker(embedded_service)
    assert (embedded_service.data / "broker").stat().st_mode & 0o777 == 0o700


def test_the_worker_beats_through_redis(shared_service: Service) -> None:
    wait_for_the_worker(shared_service)


def test_a_reused_token_is_told_to_its_owner_by_mail(embedded_service: Service) -> None:
    """From the refresh through outbox, beat and worker to the (printed) message."""
    user = {"email": "told@example.com", "password": "poetical science 1843"}
    with embedded_service.client() as client:
        client.post("/auth/register", json=user)
        first = client.post("/auth/login", json=user).json()["refresh_token"]
        second = client.post("/auth/refresh", json={"refresh_token": first}).json()
        client.post("/auth/refresh", json={"refresh_token": second["refresh_token"]})
        assert client.post("/auth/refresh", json={"refresh_token": first}).status_code == 401
    wait_until(lambda: "To: told@example.com" in embedded_service.log.read_text())
