"""A sign-in from a device or network that the user has not signed in from before is told."""

from typing import Any

import pytest
from django.utils import timezone

from accounts.models import OutgoingMail, User
from sessions_app.models import DeviceSession
from tests.accounts.test_budgets import counted_sql
from tests.client import PASSWORD, Client

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"
NEWER_FIREFOX = FIREFOX.replace("130", "131")
CHROME = "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/129.0.0.0 Safari/537.36"


def sign_in(address: str = "192.0.2.1", user_agent: str = FIREFOX, name: str = "alice") -> Any:
    login = {"username": name, "password": PASSWORD}
    client = Client(user_agent=user_agent)
    with counted_sql() as statements:
        answer = client.post("/auth/login", login, REMOTE_ADDR=address)
    assert answer.status_code == 200
    if not OutgoingMail.objects.exists():
        assert len(statements) <= 6, statements
    return answer.json()


def mails() -> int:
    return OutgoingMail.objects.filter(subject__endswith="a sign-in from a new device").count()


def test_the_first_sign_in_ever_sends_none(alice: User) -> None:
    sign_in()
    assert not OutgoingMail.objects.exists()


@pytest.mark.parametrize(
    ("address", "user_agent"),
    [("192.0.2.2", FIREFOX), ("192.0.2.1", CHROME), ("2001:db8::1", FIREFOX)],
)
def test_another_device_or_network_is_told_once(alice: User, address: str, user_agent: str) -> None:
    sign_in()
    sign_in(address, user_agent)
    mail = OutgoingMail.objects.get()
    assert mail.recipient == "alice@example.com"
    assert mail.subject == "Authentication: a sign-in from a new device"
    assert address in mail.body
    sign_in(address, user_agent)
    sign_in()
    assert mails() == 1


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (("192.0.2.1", FIREFOX), ("192.0.2.1", FIREFOX)),
        (("192.0.2.1", FIREFOX), ("192.0.2.1", NEWER_FIREFOX)),
        (("192.0.2.1", FIREFOX), ("::ffff:192.0.2.1", FIREFOX)),
        (("2001:db8:1:2::1", FIREFOX), ("2001:db8:1:2:aaaa:bbbb:cccc:dddd", FIREFOX)),
    ],
)
def test_the_same_device_in_the_same_network_is_known(
    alice: User, first: tuple[str, str], then: tuple[str, str]
) -> None:
    sign_in(*first)
    sign_in(*then)
    assert mails() == 0


def test_a_name_of_ones_own_and_a_refresh_elsewhere_make_no_device_new(alice: User) -> None:
    pair = sign_in()
    client = Client(pair["access_token"], user_agent=FIREFOX)
    client.patch(f"/sessions/{pair['session_id']}", {"device": "The big one"})
    token = {"refresh_token": pair["refresh_token"]}
    assert client.post("/auth/refresh", token, REMOTE_ADDR="198.51.100.7").status_code == 200
    sign_in()
    assert mails() == 0
    sign_in("198.51.100.7")
    assert mails() == 1


def test_an_ended_session_still_makes_its_device_known(alice: User) -> None:
    pair = sign_in()
    Client().post("/auth/logout", {"refresh_token": pair["refresh_token"]})
    sign_in()
    assert mails() == 0


def test_somebody_elses_device_is_new_to_me(alice: User, bob: User) -> None:
    sign_in(user_agent=CHROME, name="bob")
    sign_in()
    sign_in(user_agent=CHROME)
    assert mails() == 1


def test_rows_from_before_the_column_tell_nobody(alice: User) -> None:
    sign_in()
    DeviceSession.objects.update(origin="")
    sign_in(user_agent=CHROME)
    assert mails() == 0


def test_with_no_session_left_in_the_table_nothing_is_compared(alice: User) -> None:
    alice.last_login = timezone.now()
    alice.save()
    sign_in()
    assert mails() == 0


def test_it_can_be_switched_off(alice: User, settings: Any) -> None:
    settings.AUTH_NEW_DEVICE_NOTICE = False
    sign_in()
    sign_in(user_agent=CHROME)
    assert mails() == 0


def test_a_user_without_an_address_signs_in_all_the_same(alice: User) -> None:
    alice.email = None
    alice.save()
    sign_in()
    sign_in(user_agent=CHROME)
    assert mails() == 0
    assert DeviceSession.objects.count() == 2


def test_a_wrong_password_tells_nobody(alice: User) -> None:
    sign_in()
    wrong = {"username": "alice", "password": "wrong"}
    assert Client(user_agent=CHROME).post("/auth/login", wrong).status_code == 401
    assert mails() == 0
