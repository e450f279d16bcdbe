"""However many people register one name at once, one of them gets it."""

import unicodedata
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from typing import Any

import psycopg
import pytest

from accounts.identifiers import key_of
from tests.client import API, PASSWORD
from tests.races.racing import Answer, Call, release_together
from tests.service import Service

pytestmark = pytest.mark.shared

CALLERS = 20


def full_width(text: str) -> str:
    """ASCII letters and digits in the forms that East Asian keyboards write."""
    return "".join(chr(ord(c) + 0xFEE0) if c.isalnum() and c.isascii() else c for c in text)


SPELLINGS: tuple[Callable[[str], str], ...] = (
    str,
    str.upper,
    str.title,
    str.swapcase,
    full_width,
    lambda text: full_width(text.upper()),
    lambda text: unicodedata.normalize("NFD", text),
    lambda text: unicodedata.normalize("NFC", text),
    lambda text: f" {text} ",
)


def spelled(text: str) -> Iterator[str]:
    """CALLERS spellings of one name, all one to a reader."""
    found = [spell(text) for spell in islice(cycle(SPELLINGS), CALLERS)]
    assert {key_of(spelling) for spelling in found} == {key_of(text)}
    return iter(found)


def register_together(service: Service, people: list[dict[str, Any]]) -> list[Answer]:
    calls = [
        Call("POST", f"{API}/auth/register", person | {"password": PASSWORD}) for person in people
    ]
    return release_together(service.url, calls)


def users_like(service: Service, pattern: str) -> int:
    with psycopg.connect(service.environment["DATABASE_URL"]) as connection:
        found = connection.execute(
            "SELECT count(*) FROM accounts_user WHERE email_key LIKE %(p)s OR username_key LIKE"
            " %(p)s",
            {"p": pattern},
        ).fetchone()
    assert found is not None
    return int(found[0])


def assert_one_won(answers: list[Answer]) -> None:
    assert sorted(a.status for a in answers) == [201] + [409] * (len(answers) - 1)
    assert {a.body["code"] for a in answers if a.status == 409} == {"already_registered"}


@pytest.mark.parametrize("number", range(4))
def test_one_address_is_one_user(shared_service: Service, number: int) -> None:
    address = f"racer{number}@books.example"
    answers = register_together(shared_service, [{"email": email} for email in spelled(address)])

    assert_one_won(answers)

    assert users_like(shared_service, f"racer{number}@%") == 1
    with shared_service.client() as client:
        for email in spelled(address):
            answer = client.post("/auth/login", json={"email": email, "password": PASSWORD})
            assert answer.status_code == 200


@pytest.mark.parametrize("number", range(4))
def test_one_username_is_one_user(shared_service: Service, number: int) -> None:
    """With different addresses; the losers leave nothing behind."""
    people = [
        {"username": username.strip(), "email": f"namesake{number}-{index}@example.com"}
        for index, username in enumerate(spelled(f"ren\u00e9e{number}"))
    ]

    assert_one_won(register_together(shared_service, people))

    assert users_like(shared_service, f"namesake{number}-%") == 1
    assert users_like(shared_service, f"ren\u00e9e{number}") == 1
