"""However many use a mailed token at once, one of them succeeds."""

import os
import re
from collections import Counter
from collections.abc import Iterator

import httpx
import psycopg
import pytest

from accounts.models.one_time_token import Purpose
from tests.client import API, PASSWORD
from tests.races.racing import Call, release_together, run_at_once
from tests.service import CHEAP_HASH, Service

pytestmark = pytest.mark.shared

CALLERS = 50
ROUNDS = 20
# With cheap hashes, so that a slot to hash in is free for everybody at once.
NEW = "tapir under seven moons"
# What each use of a token must be in the trail, once.
TOLD = {
    Purpose.RESET_PASSWORD: "password.reset",
    Purpose.SET_PASSWORD: "password.reset",
    Purpose.VERIFY_EMAIL: "email.verified",
    Purpose.CHANGE_EMAIL: "email.changed",
    Purpose.UNDO_EMAIL_CHANGE: "email.change_undone",
}
ISSUE = """
from django.db import transaction
from accounts.services.one_time_tokens import issue
from accounts.services.registration import create_user
for number in range({rounds}):
    with transaction.atomic():
        user = create_user(
            email=f"{name}{{number}}@example.com", username=None, password={password!r}, actor=None
        )
        token = issue(user=user, purpose={purpose!r}, email=f"{name}-new{{number}}@example.com")
    print(user.email, token.text, token.code or "-")
"""


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    urls = os.environ["TEST_DATABASE_URL"], os.environ["TEST_REDIS_URL"]
    with Service.shared(*urls, **CHEAP_HASH) as running:
        yield running


def issued(service: Service, name: str, purpose: Purpose) -> list[list[str]]:
    """For somebody new in each round: the address, a token and its code, as mail holds them."""
    code = ISSUE.format(name=name, purpose=purpose.value, password=PASSWORD, rounds=ROUNDS)
    (printed,) = run_at_once(service, code, times=1)
    found = [line.split() for line in printed.splitlines()]
    assert len(found) == ROUNDS
    return found


def race(service: Service, calls: list[Call]) -> Counter[int]:
    return Counter(answer.status for answer in release_together(service.url, calls))


def posted(path: str, body: dict[str, str]) -> Call:
    return Call("POST", f"{API}{path}", body)


def events(service: Service, kind: str) -> Counter[int]:
    """How many users have how many such events."""
    with psycopg.connect(service.environment["DATABASE_URL"]) as connection:
        found = connection.execute(
            "SELECT count(*) FROM security_auditevent WHERE kind = %s GROUP BY subject_id", (kind,)
        ).fetchall()
    return Counter(count for (count,) in found)


@pytest.mark.parametrize("purpose", [Purpose.RESET_PASSWORD, Purpose.SET_PASSWORD])
def test_a_link_sets_one_password(service: Service, purpose: Purpose) -> None:
    before = events(service, TOLD[purpose])
    for email, token, _ in issued(service, purpose.replace("_", ""), purpose):
        passwords = [f"{NEW} {caller}" for caller in range(CALLERS)]
        calls = [
            posted("/auth/password/reset", {"token": token, "new_password": password})
            for password in passwords
        ]
        answers = release_together(service.url, calls)
        assert Counter(answer.status for answer in answers) == {200: 1, 422: CALLERS - 1}
        [won] = [answer.call.json["new_password"] for answer in answers if answer.status == 200]
        sign_ins = [posted("/auth/login", {"email": email, "password": won})]
        assert race(service, sign_ins) == {200: 1}
        assert race(service, calls[:1]) == {422: 1}
    assert events(service, TOLD[purpose]) - before == {1: ROUNDS}


@pytest.mark.parametrize("purpose", [Purpose.VERIFY_EMAIL, Purpose.CHANGE_EMAIL])
def test_a_link_confirms_once(service: Service, purpose: Purpose) -> None:
    before = events(service, TOLD[purpose])
    for _, token, _ in issued(service, purpose.replace("_", ""), purpose):
        statuses = race(service, [posted("/auth/email/verify", {"token": token})] * CALLERS)
        assert statuses == {200: 1, 422: CALLERS - 1}
    assert events(service, TOLD[purpose]) - before == {1: ROUNDS}


def test_a_code_verifies_once(service: Service) -> None:
    before = events(service, TOLD[Purpose.VERIFY_EMAIL])
    for email, _, code in issued(service, "code", Purpose.VERIFY_EMAIL):
        right = posted("/auth/email/verify", {"email": email, "code": code})
        assert race(service, [right] * CALLERS) == {200: 1, 422: CALLERS - 1}
    assert events(service, TOLD[Purpose.VERIFY_EMAIL]) - before == {1: ROUNDS}


def test_a_link_takes_a_change_back_once(service: Service) -> None:
    with httpx.Client(base_url=service.url) as browser:
        page = browser.get("/account/email/undo")
        secret = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
        cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    assert secret
    for _, token, _ in issued(service, "undo", Purpose.UNDO_EMAIL_CHANGE):
        form = {"token": token, "csrfmiddlewaretoken": secret[1]}
        call = Call("POST", "/account/email/undo", headers={"Cookie": cookie}, form=form)
        assert race(service, [call] * CALLERS) == {200: 1, 422: CALLERS - 1}
    assert events(service, TOLD[Purpose.UNDO_EMAIL_CHANGE]) == {1: ROUNDS}


def test_a_burst_has_no_more_than_five_tries_of_a_code(service: Service) -> None:
    for email, _, code in issued(service, "wrong", Purpose.VERIFY_EMAIL):
        wrong = posted(
            "/auth/email/verify", {"email": email, "code": f"{(int(code) + 1) % 10**6:06}"}
        )
        assert race(service, [wrong] * CALLERS) == {422: CALLERS}
        with psycopg.connect(service.environment["DATABASE_URL"]) as connection:
            row = connection.execute(
                "SELECT t.tries FROM accounts_onetimetoken t JOIN accounts_user u ON"
                " u.id = t.user_id WHERE u.email = %s",
                (email,),
            ).fetchone()
        assert row == (5,)
        right = posted("/auth/email/verify", {"email": email, "code": code})
        assert race(service, [right]) == {422: 1}


def test_workers_at_once_answer_each_wish_once(service: Service) -> None:
    people = [f"asker{number}@example.com" for number in range(10)]
    with service.client() as client:
        for email in people:
            body = {"email": email, "password": PASSWORD}
            assert client.post("/auth/register", json=body).status_code == 201
    code = "from accounts.services.mail_answers import answer_requests; answer_requests()"
    run_at_once(service, code, times=4)
    with psycopg.connect(service.environment["DATABASE_URL"]) as connection:
        found = connection.execute(
            "SELECT recipient, count(*) FROM accounts_outgoingmail WHERE recipient LIKE 'asker%'"
            " GROUP BY recipient"
        ).fetchall()
    assert dict(found) == dict.fromkeys(people, 1)
