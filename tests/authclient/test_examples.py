"""The two example services of docs/, beside a running authentication service."""

import importlib.util
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Event
from typing import Any
from uuid import uuid4

import httpx
import jwt
import pytest
from fastapi.testclient import TestClient

from tests.client import PASSWORD
from tests.servers import free_port
from tests.service import ADMIN_EMAIL, ADMIN_PASSWORD, ROOT, Service
from tests.waiting import wait_until

EXAMPLES = ROOT / "docs" / "examples"
Get = Callable[..., Any]


def issuer_of(service: Service) -> str:
    """Its public URL, whatever address it is reached at."""
    return f"http://localhost:{service.port}"


@pytest.fixture
def fastapi_service(
    embedded_service: Service, monkeypatch: pytest.MonkeyPatch
) -> Iterator[TestClient]:
    monkeypatch.setenv("AUTH_ISSUER", issuer_of(embedded_service))
    monkeypatch.delenv("AUTH_AUDIENCE", raising=False)
    spec = importlib.util.spec_from_file_location("example", EXAMPLES / "fastapi_service.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with TestClient(module.app) as client:
        yield client


@pytest.fixture
def django_service(embedded_service: Service) -> Iterator[httpx.Client]:
    port = free_port()
    path = str(EXAMPLES / "django_service.py")
    left_out = ("DJANGO_SETTINGS_MODULE", "AUTH_AUDIENCE")
    environment = {k: v for k, v in os.environ.items() if k not in left_out}
    environment |= {"AUTH_ISSUER": issuer_of(embedded_service), "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, path, "runserver", "--noreload", str(port)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            wait_until_served(client, process)
            yield client
    finally:
        process.terminate()
        process.wait(20)


def wait_until_served(client: httpx.Client, process: "subprocess.Popen[bytes]") -> None:
    def served() -> bool:
        assert process.poll() is None
        try:
            return client.get("/public").is_success
        except httpx.TransportError:
            return False

    wait_until(served)


@pytest.fixture(params=["fastapi", "django"])
def get(request: pytest.FixtureRequest) -> Get:
    """GET from one of the examples, with a token or none."""
    client = request.getfixturevalue(f"{request.param}_service")

    def get(path: str, token: str | None = None) -> Any:
        return client.get(path, headers={"Authorization": f"Bearer {token}"} if token else {})

    return get


def sign_in(service: Service, email: str = ADMIN_EMAIL, password: str = ADMIN_PASSWORD) -> Any:
    with service.client() as client:
        answer = client.post("/auth/login", json={"email": email, "password": password})
        assert answer.status_code == 200, answer.text
        return answer.json()


def register(service: Service) -> Any:
    """The tokens of a new ordinary user."""
    email = f"{uuid4().hex}@example.com"
    with service.client() as client:
        answer = client.post("/auth/register", json={"email": email, "password": PASSWORD})
        assert answer.status_code == 201, answer.text
    return sign_in(service, email, PASSWORD)


def test_each_route_admits_whom_it_should(embedded_service: Service, get: Get) -> None:
    user, admin = register(embedded_service), sign_in(embedded_service)
    #            nobody, user, admin
    expected = {
        "/public": (200, 200, 200),
        "/me": (401, 200, 200),
        "/live": (401, 200, 200),
        "/admin": (401, 403, 200),
        "/reports": (401, 403, 200),
    }
    tokens = (None, user["access_token"], admin["access_token"])
    for path, statuses in expected.items():
        assert tuple(get(path, token).status_code for token in tokens) == statuses, path
    assert get("/me").headers["WWW-Authenticate"].startswith("Bearer")
    me = get("/me", user["access_token"]).json()
    assert me == {"user_id": user["user_id"], "role": "user"}


def test_no_other_token_is_taken(embedded_service: Service, get: Get) -> None:
    pair = sign_in(embedded_service)
    head, payload, signature = pair["access_token"].split(".")
    claims = jwt.decode(pair["access_token"], options={"verify_signature": False})
    header = {"kid": jwt.get_unverified_header(pair["access_token"])["kid"], "typ": "at+jwt"}
    forged = [
        pair["refresh_token"],
        f"{head}.{payload}.",
        f"{head}.{payload}.{signature[:-8]}AAAAAAAA",
        f"{pair['access_token']}=",
        jwt.encode(claims, None, "none", header),
        jwt.encode(claims, "a secret that is long enough for it", "HS256", header),
    ]
    for token in forged:
        for path in ("/me", "/live", "/admin", "/reports"):
            assert get(path, token).status_code == 401
    assert get("/me", pair["access_token"]).status_code == 200


def age_keys(service: Service) -> None:
    """As if every key were an hour older, so that the next one may sign."""
    with sqlite3.connect(service.data / "db.sqlite3", timeout=30) as connection:
        for name in ("created_at", "activated_at"):
            rows = connection.execute(f"SELECT kid, {name} FROM security_signingkey").fetchall()
            for kid, moment in rows:
                if moment:
                    older = str(datetime.fromisoformat(moment) - timedelta(hours=1))
                    connection.execute(
                        f"UPDATE security_signingkey SET {name} = ? WHERE kid = ?", (older, kid)
                    )
    connection.close()


def kid_of(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


def test_a_rotation_refuses_no_good_token(embedded_service: Service, get: Get) -> None:
    """Twice: the second new key was not there when the example fetched the keys."""
    old = sign_in(embedded_service)["access_token"]
    assert get("/me", old).status_code == 200
    stop = Event()
    statuses: list[int] = []
    kids: set[str] = set()

    def use() -> None:
        while not stop.is_set():
            token = sign_in(embedded_service)["access_token"]
            kids.add(kid_of(token))
            statuses.extend(get("/me", each).status_code for each in (token, old))

    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(use) for _ in range(2)]
        try:
            for rotations in (1, 2):
                age_keys(embedded_service)
                assert "current" in embedded_service.manage("rotate_keys")
                wait_until(lambda least=rotations: len(kids) > least)
                assert not any(work.done() for work in running)
        finally:
            stop.set()
        for work in running:
            work.result()
    new = sign_in(embedded_service)["access_token"]
    assert kid_of(new) != kid_of(old)
    assert [get("/me", token).status_code for token in (old, new)] == [200, 200]
    assert len(statuses) > 10
    assert set(statuses) == {200}


def test_a_live_check_sees_a_logout_within_its_time(embedded_service: Service, get: Get) -> None:
    token = register(embedded_service)["access_token"]
    assert get("/live", token).status_code == 200
    with embedded_service.client(headers={"Authorization": f"Bearer {token}"}) as client:
        assert client.post("/auth/logout").status_code == 200
    time.sleep(1)
    assert get("/live", token).status_code == 401
    assert get("/me", token).status_code == 200, "offline, it is good until it expires"
