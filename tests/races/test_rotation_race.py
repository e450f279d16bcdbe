"""Keys change, start and are looked after at once, and nobody notices."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import Any

import httpx
import jwt
import psycopg
import pytest

from tests.databases import drop_database
from tests.races.racing import run_at_once
from tests.service import ADMIN_EMAIL, ADMIN_PASSWORD, Service
from tests.waiting import wait_until

pytestmark = pytest.mark.shared

ADMIN = {"email": ADMIN_EMAIL, "password": ADMIN_PASSWORD}
# Each process has looked at the keys, and makes a new one, before any of them writes.
MEET_BEFORE_WRITING = """
from django.core.management import call_command
from security import key_rotation
generate = key_rotation.generate
first = iter([True])
def meet_once(algorithm):
    if next(first, False):
        meet()
    return generate(algorithm)
key_rotation.generate = meet_once
"""
ROTATE = f"{MEET_BEFORE_WRITING}\ncall_command('rotate_keys')"


@contextmanager
def unstarted_service(**settings: str) -> Iterator[Service]:
    """A migrated database, and nothing in it."""
    service = Service.shared(
        os.environ["TEST_DATABASE_URL"], os.environ["TEST_REDIS_URL"], **settings
    )
    assert service.created is not None
    try:
        yield service
    finally:
        drop_database(*service.created)
        shutil.rmtree(service.data)


@pytest.fixture(scope="module")
def unstarted() -> Iterator[Service]:
    with unstarted_service(ALGORITHM="ES256") as service:
        yield service


def keys(service: Service) -> dict[str, str]:
    """The states by kid."""
    with psycopg.connect(service.environment["DATABASE_URL"]) as connection:
        return dict(connection.execute("SELECT kid, state FROM security_signingkey").fetchall())


def current(service: Service) -> str:
    return next(kid for kid, state in keys(service).items() if state == "current")


def execute(service: Service, statement: str) -> None:
    with psycopg.connect(service.environment["DATABASE_URL"]) as connection:
        connection.execute(statement)


def age_keys(service: Service, interval: str) -> None:
    """As if every key were this much older."""
    moments = ("created_at", "activated_at", "verifies_until")
    changes = ", ".join(f"{name} = {name} - interval '{interval}'" for name in moments)
    execute(service, f"UPDATE security_signingkey SET {changes}")


def states(service: Service) -> list[str]:
    return sorted(keys(service).values())


# --- While requests run


def sign_in(client: httpx.Client) -> dict[str, Any]:
    answer = client.post("/auth/login", json=ADMIN)
    assert answer.status_code == 200, answer.text
    pair: dict[str, Any] = answer.json()
    return pair


def use(service: Service, stop: Event, seen: list[str]) -> None:
    """Sign in, read and refresh until told to stop, and add the access tokens to `seen`."""
    with service.client() as client:
        while not stop.is_set():
            pair = sign_in(client)
            for _ in range(4):
                bearer = {"Authorization": f"Bearer {pair['access_token']}"}
                me = client.get("/users/me", headers=bearer)
                assert me.status_code == 200, me.text
                seen.append(pair["access_token"])
                answer = client.post("/auth/refresh", json={"refresh_token": pair["refresh_token"]})
                assert answer.status_code == 200, answer.text
                pair = answer.json()


def used_meanwhile(service: Service, action: Callable[[list[str]], None]) -> list[str]:
    """Run `action` while six clients work; every access token that they got, which it sees too."""
    stop = Event()
    seen: list[str] = []
    with ThreadPoolExecutor(6) as pool:
        running = [pool.submit(use, service, stop, seen) for _ in range(6)]
        try:
            action(seen)
        finally:
            stop.set()
        for work in running:
            work.result()
    return seen


def kids_of(tokens: list[str]) -> set[str]:
    return {jwt.get_unverified_header(token)["kid"] for token in tokens}


def test_a_rotation_costs_no_running_request_anything(shared_service: Service) -> None:
    with shared_service.client() as client:
        before = sign_in(client)
        old = current(shared_service)

        def rotate(seen: list[str]) -> None:
            age_keys(shared_service, "1 hour")
            wait_until(lambda: seen)
            shared_service.manage("rotate_keys")
            # A process signs with the old key for up to a second.
            wait_until(lambda: current(shared_service) in kids_of(seen))

        seen = used_meanwhile(shared_service, rotate)

        new = current(shared_service)
        assert new != old
        assert kids_of(seen) == {old, new}
        bearer = {"Authorization": f"Bearer {before['access_token']}"}
        assert client.get("/users/me", headers=bearer).status_code == 200
        body = {"refresh_token": before["refresh_token"]}
        assert client.post("/auth/refresh", json=body).status_code == 200
        jwks = httpx.get(f"{shared_service.url}/.well-known/jwks.json").json()["keys"]
        by_kid = {jwk["kid"]: jwk for jwk in jwks}
        assert {old, new} <= set(by_kid)
        for token in {before["access_token"], seen[0], seen[-1]}:
            key = jwt.PyJWK(by_kid[jwt.get_unverified_header(token)["kid"]])
            assert jwt.decode(token, key, algorithms=["RS256"], audience="api")["role"] == "admin"


def test_a_revocation_reaches_both_processes(shared_service: Service) -> None:
    with shared_service.client() as client:
        pair = sign_in(client)
        shared_service.manage("rotate_keys", "--revoke", current(shared_service))
        # A process that takes a busy machine's cache for a slow one reads the keys each second.
        time.sleep(1)
        bearer = {"Authorization": f"Bearer {pair['access_token']}"}
        for _ in range(20):
            answer = httpx.get(f"{shared_service.url}/api/v1/users/me", headers=bearer)
            assert (answer.status_code, answer.json()["code"]) == (401, "token_invalid")
        bearer = {"Authorization": f"Bearer {sign_in(client)['access_token']}"}
        for _ in range(20):
            answer = httpx.get(f"{shared_service.url}/api/v1/users/me", headers=bearer)
            assert answer.status_code == 200


# --- Several at once, in processes of their own


def test_two_first_starts_make_one_pair_of_keys_and_one_admin(unstarted: Service) -> None:
    execute(unstarted, "TRUNCATE security_signingkey")
    run_at_once(
        unstarted,
        f"{MEET_BEFORE_WRITING}\ncall_command('ensure_keys')\ncall_command('bootstrap_admin')",
        times=3,
    )
    assert states(unstarted) == ["current", "next"]
    with psycopg.connect(unstarted.environment["DATABASE_URL"]) as connection:
        admins = connection.execute("SELECT email FROM accounts_user").fetchall()
    assert admins == [(ADMIN_EMAIL,)]


def test_two_rotations_at_once_make_one_new_key(unstarted: Service) -> None:
    """The first rotation there is, one soon after, and one much later."""
    execute(unstarted, "TRUNCATE security_signingkey")
    unstarted.manage("ensure_keys")
    first = keys(unstarted)

    run_at_once(unstarted, ROTATE)
    second = keys(unstarted)
    assert states(unstarted) == ["current", "next", "retiring"]
    assert len(second) == len(first) + 1
    assert first[current(unstarted)] == "next"

    unstarted.manage("rotate_keys")
    assert keys(unstarted) == second

    age_keys(unstarted, "1 hour")
    run_at_once(unstarted, ROTATE)
    third = keys(unstarted)
    assert states(unstarted) == ["current", "next", "retiring", "retiring"]
    assert second[current(unstarted)] == "next"
    assert len(third) == len(second) + 1


def test_two_rotations_at_once_replace_one_lost_next_key(unstarted: Service) -> None:
    unstarted.manage("ensure_keys")
    execute(unstarted, "DELETE FROM security_signingkey WHERE state = 'next'")
    before = keys(unstarted)
    run_at_once(unstarted, ROTATE)
    after = keys(unstarted)
    assert len(after) == len(before) + 1
    assert list(after.values()).count("next") == 1


ROTATE_AND_REVOKE = """
from threading import Barrier
from concurrent.futures import ThreadPoolExecutor
from django.db import connection
from django.utils import timezone
from security.key_rotation import ensure_first_keys, revoke, rotate
from security.models import SigningKey

def run(gate, work):
    gate.wait()
    try:
        return work()
    finally:
        connection.close()

for _ in range(40):
    SigningKey.objects.all().delete()
    ensure_first_keys()
    stolen = SigningKey.objects.get(state="current").kid
    with ThreadPoolExecutor(2) as pool:
        gate = Barrier(2, timeout=30)
        running = [pool.submit(run, gate, work) for work in (rotate, lambda: revoke(stolen))]
        [work.result() for work in running]
    states = sorted(SigningKey.objects.exclude(state="retiring").values_list("state", flat=True))
    assert states == ["current", "next", "retired"], states
    assert SigningKey.objects.get(kid=stolen).revoked_at
"""


def test_a_rotation_and_a_revocation_at_once_both_happen(unstarted: Service) -> None:
    run_at_once(unstarted, ROTATE_AND_REVOKE, times=1)


def test_two_beats_rotate_once(unstarted: Service) -> None:
    execute(unstarted, "TRUNCATE security_signingkey")
    unstarted.manage("ensure_keys")
    age_keys(unstarted, "31 days")
    due = current(unstarted)
    task = "from security.tasks import rotate_keys_when_due; rotate_keys_when_due()"

    run_at_once(unstarted, task, times=3)

    assert keys(unstarted)[due] == "retiring"
    assert states(unstarted) == ["current", "next", "retiring"]


def test_one_of_two_beats_holds_a_job(unstarted: Service) -> None:
    printed = run_at_once(
        unstarted,
        "from datetime import timedelta\n"
        "from security.jobs import exclusively\n"
        "with exclusively('race', lease=timedelta(minutes=5)) as mine:\n"
        "    print(mine)\n"
        "    meet()",
        times=3,
    )
    assert sorted(line.strip() for line in printed) == ["False", "False", "True"]
    again = run_at_once(
        unstarted,
        "from datetime import timedelta\n"
        "from security.jobs import exclusively\n"
        "with exclusively('race', lease=timedelta(minutes=5)) as mine:\n"
        "    print(mine)",
        times=1,
    )
    assert again == ["True\n"]
