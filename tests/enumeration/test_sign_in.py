"""Nobody learns from a refused sign-in whose name it was, nor what became of them."""

from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import User
from accounts.services.decoys import decoys, sample_hashes
from security.rates import parse_rates
from tests.client import PASSWORD, Client
from tests.enumeration.seeing import BCRYPT, WHO, counted_hashes, seen

WRONG = "not the password"
LOGIN = "/auth/login"
# Their hash takes another time, which the second half of this file is about.
ALIKE = [name for name in WHO if name != "foreign"]


def without_work(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "hashes"}


@pytest.fixture(params=["limited", "locked"])
def limits_on(limits_on: None, settings: Any, request: Any) -> None:
    """What comes first: the limit of the name, or the waits after failures."""
    if request.param == "locked":
        wide = {name: parse_rates("1000/m") for name in ("login", "login_address")}
        settings.AUTH_LIMIT_RATES = settings.AUTH_LIMIT_RATES | wide


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize("conceal", ["concealed", "open"])
@pytest.mark.parametrize("by", ["username", "email"])
def test_the_refusal_and_its_work_are_the_same_for_everybody(
    by: str, conceal: str, request: pytest.FixtureRequest
) -> None:
    if conceal == "concealed":
        request.getfixturevalue("concealed")
    ending = "@example.com" if by == "email" else ""
    answers = [seen(LOGIN, {by: f"{name}{ending}", "password": WRONG}) for name in WHO]
    assert [without_work(one) for one in answers] == [without_work(answers[0])] * len(WHO)
    assert answers[0]["status"] == 401
    assert "SELECT" in answers[0]["statements"]
    work = {name: one["hashes"] for name, one in zip(WHO, answers, strict=True)}
    assert [work[name] for name in ALIKE] == [["argon2"]] * len(ALIKE)
    foreign = ["bcrypt", "argon2"] if by == "username" else work["foreign"]
    assert work["foreign"] == foreign


@pytest.mark.usefixtures("people", "limits_on")
def test_neither_limits_nor_waits_tell_whom_they_are_about() -> None:
    """Twelve tries each, in the same order, from networks of their own."""
    told = {}
    for number, name in enumerate(WHO):
        told[name] = [
            without_work(
                seen(
                    LOGIN,
                    {"username": name, "password": WRONG},
                    REMOTE_ADDR=f"192.0.{number}.{attempt % 2}",
                )
            )
            for attempt in range(12)
        ]
    statuses = [one["status"] for one in told["known"]]
    assert statuses[0] == 401
    assert statuses[-1] == 429
    for name in WHO:
        assert told[name] == told["known"], name


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize("name", ["known", "unverified", "inactive"])
def test_only_the_right_password_tells_what_became_of_an_account(name: str) -> None:
    expected = {"known": 200, "unverified": 200, "inactive": 403}
    answer = Client().post(LOGIN, {"username": name, "password": PASSWORD})
    assert answer.status_code == expected[name]


@pytest.mark.usefixtures("people", "concealed", "limits_on")
def test_a_concealed_account_opens_to_nobody_before_its_mailbox_is_proven() -> None:
    """Else who registers somebody's address with a password would see whether it was free."""
    own, unknown = (
        [
            seen(LOGIN, {"username": name, "password": PASSWORD}, REMOTE_ADDR=address)
            for _ in range(8)
        ]
        for name, address in (("unverified", "192.0.2.1"), ("unknown", "192.0.3.1"))
    )
    assert own == unknown
    assert own[0]["status"] == 401
    assert own[-1]["status"] == 429


@pytest.fixture
def imported(make_user: Callable[..., User]) -> None:
    """Three in four have another system's hash."""
    for number in range(4):
        user = make_user(f"user{number}")
        if number:
            User.objects.filter(pk=user.pk).update(password=BCRYPT)
    sample_hashes()
    decoys.forget()


def work_of(name: str) -> tuple[str, ...]:
    with counted_hashes() as hashes:
        assert Client().post(LOGIN, {"username": name, "password": WRONG}).status_code == 401
    return tuple(hashes)


@pytest.mark.usefixtures("imported")
def test_names_of_nobody_cost_what_accounts_with_foreign_hashes_do_as_often() -> None:
    foreign, ours = ("bcrypt", "argon2"), ("argon2",)
    assert [work_of(f"user{number}") for number in range(4)] == [ours, *[foreign] * 3]
    works = [work_of(f"nobody{number}") for number in range(120)]
    assert set(works) == {foreign, ours}
    # Ninety is meant; a standard deviation is five.
    assert 60 <= works.count(foreign) <= 115
    # Always the same for the same name, also after the next look.
    sample_hashes()
    decoys.forget()
    assert [work_of(f"nobody{number}") for number in range(40)] == works[:40]


@pytest.mark.usefixtures("imported")
def test_who_has_no_password_is_drawn_like_nobody(make_user: Callable[..., User]) -> None:
    """With names that cost both kinds of work while nobody has them."""
    names = [f"later{number}" for number in range(60)]
    before = [work_of(name) for name in names]
    for name in names:
        user = make_user(name)
        user.set_unusable_password()
        user.save()
    assert [work_of(name) for name in names] == before
    assert len(set(before)) == 2
