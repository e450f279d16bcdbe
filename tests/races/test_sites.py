"""Whoever makes, fills and deletes sites at once: every answer is one of the contract's."""

from typing import Any
from uuid import uuid4

import psycopg
import pytest

from tests.client import API
from tests.races.racing import Call, release_together
from tests.service import ADMIN_EMAIL, ADMIN_PASSWORD, Service

pytestmark = pytest.mark.shared

CALLERS = 20


@pytest.fixture(scope="module")
def token(shared_service: Service) -> str:
    with shared_service.client() as client:
        sent = {"username": ADMIN_EMAIL, "password": ADMIN_PASSWORD}
        answer = client.post("/auth/login", json=sent)
        assert answer.status_code == 200
        return str(answer.json()["access_token"])


def make_site(service: Service, token: str) -> str:
    headers = {"Authorization": f"Bearer {token}"}
    with service.client(headers=headers) as client:
        answer = client.post("/sites", json={"name": f"Site {uuid4()}"})
        assert answer.status_code == 201
        return str(answer.json()["id"])


def count(service: Service, query: str, **parameters: Any) -> int:
    with psycopg.connect(service.environment["DATABASE_URL"]) as connection:
        found = connection.execute(query, parameters).fetchone()
    assert found is not None
    return int(found[0])


def test_one_name_is_one_site(shared_service: Service, token: str) -> None:
    name = f"Site {uuid4()}"
    call = Call("POST", f"{API}/sites", {"name": name}, token)
    answers = release_together(shared_service.url, [call] * CALLERS)
    assert sorted(a.status for a in answers) == [201] + [409] * (CALLERS - 1)
    assert {a.body["code"] for a in answers if a.status == 409} == {"site_exists"}


def test_renaming_to_one_name_lets_one_through(shared_service: Service, token: str) -> None:
    name = f"Site {uuid4()}"
    calls = [
        Call("PATCH", f"{API}/sites/{make_site(shared_service, token)}", {"name": name}, token)
        for _ in range(CALLERS)
    ]
    answers = release_together(shared_service.url, calls)
    assert sorted(a.status for a in answers) == [200] + [409] * (CALLERS - 1)


def test_a_member_added_by_many_is_added_once(shared_service: Service, token: str) -> None:
    site = make_site(shared_service, token)
    with shared_service.client(headers={"Authorization": f"Bearer {token}"}) as client:
        user = client.get("/users/me").json()["id"]
    call = Call("PUT", f"{API}/sites/{site}/members/{user}", None, token)
    answers = release_together(shared_service.url, [call] * CALLERS)
    assert {a.status for a in answers} == {204}
    added = "SELECT count(*) FROM security_auditevent WHERE kind = 'site.member_added'"
    assert count(shared_service, f"{added} AND details->>'site' = %(site)s", site=site) == 1


@pytest.mark.parametrize("number", range(3))
def test_a_site_deleted_while_it_is_written_to_leaves_nothing(
    shared_service: Service, token: str, number: int
) -> None:
    site = make_site(shared_service, token)
    path = f"{API}/sites/{site}"
    record = Call("POST", f"{path}/violations", {"stream_name": "Gate"}, token)
    rename = Call("PATCH", path, {"name": f"Site {uuid4()}"}, token)
    delete = Call("DELETE", path, None, token)
    calls = [record] * 8 + [delete] * 2 + [record] * 8 + [rename] * 2
    answers = release_together(shared_service.url, calls)
    recorded = {a.status for a in answers if a.call is record}
    renamed = {a.status for a in answers if a.call is rename}
    assert recorded <= {201, 404}
    assert renamed <= {200, 404}
    assert sorted(a.status for a in answers if a.call is delete) == [204, 404]
    left = "SELECT count(*) FROM accounts_violation WHERE site_id = %(site)s"
    assert count(shared_service, left, site=site) == 0
