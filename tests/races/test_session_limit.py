"""However many sign-ins race, a user never has more live sessions than the limit."""

import os
from collections.abc import Iterator
from threading import Event, Thread
from uuid import uuid4

import psycopg
import pytest

from tests.client import API, PASSWORD
from tests.races.racing import Answer, Call, release_together
from tests.service import Service

pytestmark = pytest.mark.shared

LIMIT = 3
CALLERS = 20
ROUNDS = 5
LIVE = """
SELECT coalesce(max(n), 0) FROM (
    SELECT count(*) AS n FROM sessions_app_devicesession WHERE ended_at IS NULL GROUP BY user_id
) AS counts
"""


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    urls = os.environ["TEST_DATABASE_URL"], os.environ["TEST_REDIS_URL"]
    with Service.shared(*urls, AUTH_SESSION_LIMIT=str(LIMIT)) as running:
        yield running


class Watcher:
    """Asks the database all the time for the most live sessions that any user has."""

    def __init__(self, service: Service) -> None:
        self.url = service.environment["DATABASE_URL"]
        self.most = 0
        self.looks = 0
        self._over = Event()
        self._thread = Thread(target=self._watch)

    def __enter__(self) -> "Watcher":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        with psycopg.connect(self.url, autocommit=True) as database:
            while not self._over.is_set():
                (count,) = database.execute(LIVE).fetchone() or (0,)
                self.most = max(self.most, count)
                self.looks += 1


def sign_in_together(service: Service, email: str) -> list[Answer]:
    """All at once; who is told that the service is too busy tries again, as a client would."""
    login = Call("POST", f"{API}/auth/login", {"email": email, "password": PASSWORD})
    done: list[Answer] = []
    while len(done) < CALLERS:
        answers = release_together(service.url, [login] * (CALLERS - len(done)))
        done += [answer for answer in answers if answer.status != 503]
    return done


def register(service: Service) -> str:
    email = f"{uuid4().hex}@example.com"
    with service.client() as http:
        user = {"email": email, "password": PASSWORD}
        assert http.post("/auth/register", json=user).status_code == 201
    return email


def test_parallel_sign_ins_never_exceed_the_limit(service: Service) -> None:
    email = register(service)
    for _ in range(ROUNDS):
        with Watcher(service) as watcher:
            answers = sign_in_together(service, email)

        assert [a.status for a in answers] == [200] * CALLERS
        assert watcher.looks > 1
        assert watcher.most <= LIMIT
        tokens = [a.body["access_token"] for a in answers]
        lookups = [Call("GET", f"{API}/users/me", access_token=token) for token in tokens]
        statuses = sorted(a.status for a in release_together(service.url, lookups))
        assert statuses == [200] * LIMIT + [401] * (CALLERS - LIMIT)

    with psycopg.connect(service.environment["DATABASE_URL"]) as database:
        kinds = dict(
            database.execute(
                "SELECT kind, count(*) FROM security_auditevent"
                " WHERE kind LIKE 'login.%' OR kind = 'session.ended' GROUP BY kind"
            ).fetchall()
        )
    assert kinds == {
        "login.succeeded": CALLERS * ROUNDS,
        "session.ended": CALLERS * ROUNDS - LIMIT,
    }


def test_parallel_sign_ins_from_a_new_device_are_told_once(service: Service) -> None:
    email = register(service)

    def notices() -> int:
        with psycopg.connect(service.environment["DATABASE_URL"]) as database:
            table = "accounts_outgoingmail"
            query = f"SELECT count(*) FROM {table} WHERE recipient = %s AND subject LIKE %s"
            (count,) = database.execute(query, [email, "%new device%"]).fetchone() or (0,)
        return int(count)

    sign_in_together(service, email)
    assert notices() == 0
    with psycopg.connect(service.environment["DATABASE_URL"]) as database:
        database.execute("UPDATE sessions_app_devicesession SET origin = 'elsewhere'")
    assert {a.status for a in sign_in_together(service, email)} == {200}
    assert notices() == 1
