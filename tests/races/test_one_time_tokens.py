"""However many use a mailed token at once, one of them succeeds."""

from collections import Counter

import psycopg
import pytest

from tests.client import API, PASSWORD
from tests.races.racing import Call, release_together, run_at_once
from tests.service import Service

pytestmark = pytest.mark.shared

CALLERS = 50
ROUNDS = 4
NEW = "tapir under seven moons"


def issued(service: Service, email: str, purpose: str) -> tuple[str, str]:
    """Register somebody; a token and its code for them, as only a message holds them."""
    with service.client() as client:
        body = {"email": email, "password": PASSWORD}
        assert client.post("/auth/register", json=body).status_code == 201
    code = f"""
from accounts.models import MailRequest, User
from accounts.services.one_time_tokens import issue
MailRequest.objects.filter(email={email!r}).delete()
token = issue(user=User.objects.get(email={email!r}), purpose={purpose!r})
print(token.text, token.code or "-")
"""
    (printed,) = run_at_once(service, code, times=1)
    text, mailed_code = printed.split()
    return text, mailed_code


def race(service: Service, path: str, bodies: list[dict[str, str]]) -> Counter[int]:
    calls = [Call("POST", f"{API}{path}", body) for body in bodies]
    return Counter(answer.status for answer in release_together(service.url, calls))


def events(service: Service, kind: str, email: str) -> int:
    with psycopg.connect(service.environment["DATABASE_URL"]) as connection:
        found = connection.execute(
            "SELECT count(*) FROM security_auditevent e JOIN accounts_user u"
            " ON u.id = e.subject_id WHERE e.kind = %s AND u.email = %s",
            (kind, email),
        ).fetchone()
    assert found is not None
    return int(found[0])


@pytest.mark.parametrize("number", range(ROUNDS))
def test_a_reset_link_sets_one_password(shared_service: Service, number: int) -> None:
    email = f"reset{number}@example.com"
    token, _ = issued(shared_service, email, "reset_password")
    passwords = [f"{NEW} {caller}" for caller in range(CALLERS)]
    bodies = [{"token": token, "new_password": password} for password in passwords]

    statuses = race(shared_service, "/auth/password/reset", bodies)

    # Those for whom no slot to hash in was free in time are told to come again.
    assert statuses[200] == 1
    assert set(statuses) <= {200, 422, 503}
    assert events(shared_service, "password.reset", email) == 1
    assert race(shared_service, "/auth/password/reset", bodies[:1]) == {422: 1}


@pytest.mark.parametrize("number", range(ROUNDS))
def test_a_link_verifies_once(shared_service: Service, number: int) -> None:
    email = f"verify{number}@example.com"
    token, _ = issued(shared_service, email, "verify_email")

    statuses = race(shared_service, "/auth/email/verify", [{"token": token}] * CALLERS)

    assert statuses == {200: 1, 422: CALLERS - 1}
    assert events(shared_service, "email.verified", email) == 1


@pytest.mark.parametrize("number", range(ROUNDS))
def test_a_burst_has_no_more_than_five_tries_of_a_code(
    shared_service: Service, number: int
) -> None:
    email = f"code{number}@example.com"
    _, code = issued(shared_service, email, "verify_email")
    wrong = {"email": email, "code": f"{(int(code) + 1) % 10**6:06}"}

    assert race(shared_service, "/auth/email/verify", [wrong] * CALLERS) == {422: CALLERS}

    with psycopg.connect(shared_service.environment["DATABASE_URL"]) as connection:
        row = connection.execute(
            "SELECT t.tries FROM accounts_onetimetoken t JOIN accounts_user u ON u.id = t.user_id"
            " WHERE u.email = %s",
            (email,),
        ).fetchone()
    assert row == (5,)
    right = {"email": email, "code": code}
    assert race(shared_service, "/auth/email/verify", [right]) == {422: 1}


def test_workers_at_once_answer_each_wish_once(shared_service: Service) -> None:
    people = [f"asker{number}@example.com" for number in range(10)]
    with shared_service.client() as client:
        for email in people:
            body = {"email": email, "password": PASSWORD}
            assert client.post("/auth/register", json=body).status_code == 201
    code = "from accounts.services.mail_answers import answer_requests; answer_requests()"
    run_at_once(shared_service, code, times=4)
    with psycopg.connect(shared_service.environment["DATABASE_URL"]) as connection:
        found = connection.execute(
            "SELECT recipient, count(*) FROM accounts_outgoingmail WHERE recipient LIKE 'asker%'"
            " GROUP BY recipient"
        ).fetchall()
    assert dict(found) == dict.fromkeys(people, 1)
