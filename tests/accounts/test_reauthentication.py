"""Guesses of the password in a live session: a stolen access token gives no more than a device."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import cache

from accounts.models import SignInFailures, User, user
from accounts.services.known_devices import device_of_console
from accounts.services.reauthentication import proves_password
from security import streaks
from security.client_info import ClientInfo
from security.errors import LoginCooldown, TooBusy
from security.models import AuditEvent
from security.rates import parse_rates
from security.shared_cache import SharedCache, shared_cache
from security.streaks import LocalStreaks
from tests.accounts.test_budgets import counted_sql
from tests.client import PASSWORD, Client, assert_problem

WRONG = "not the password"
NEW = "tapir under seven moons"
CLIENT = ClientInfo(ip_address="127.0.0.1")
Ask = Callable[[Client, str], Any]
ASKED: dict[str, Ask] = {
    "change of password": lambda client, password: client.post(
        "/users/me/password", {"current_password": password, "new_password": NEW}
    ),
    "second name of it": lambda client, password: client.post(
        "/users/me/change-password", {"current_password": password, "new_password": NEW}
    ),
    "change of address": lambda client, password: client.post(
        "/auth/email/change", {"new_email": "new@example.com", "password": password}
    ),
    "deactivation": lambda client, password: client.delete("/users/me", {"password": password}),
}
everywhere = pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED.keys())
password_change = ASKED["change of password"]


@pytest.fixture(autouse=True, params=["together", "alone"])
def limits_on(
    limits_on: None, settings: Any, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """With limits that the lockout comes before; once more as a process that has lost Redis."""
    names = ("login", "login_device", "login_address", "password", "mailbox")
    wide = {name: parse_rates("1000/m") for name in names}
    settings.AUTH_LIMIT_RATES = settings.AUTH_LIMIT_RATES | wide
    for name in ("_slow", "_away", "_paused_until"):
        monkeypatch.setattr(shared_cache, name, getattr(shared_cache, name))
    if request.param == "alone":
        monkeypatch.setattr(SharedCache, "ask", lambda *_, **__: None)


@pytest.fixture
def thief(alice: User) -> Client:
    """Who has an access token of alice's, and nothing else."""
    owner = Client()
    owner.sign_in("alice")
    return Client(owner.access_token)


def guess(client: Client, times: int, ask: Ask = password_change) -> None:
    for _ in range(times):
        assert ask(client, WRONG).status_code in {403, 422}


def log_in(client: Client | None = None, password: str = PASSWORD) -> int:
    body = {"username": "alice", "password": password}
    return int((client or Client()).post("/auth/login", body).status_code)


@everywhere
def test_a_stolen_token_guesses_no_more_than_a_device(thief: Client, ask: Ask) -> None:
    guess(thief, 5, ask)
    answer = ask(thief, WRONG)
    assert_problem(answer, 429, "login_cooldown")
    assert 55 <= int(answer.headers["Retry-After"]) <= 60
    assert_problem(ask(thief, PASSWORD), 429, "login_cooldown")


def test_all_questions_share_one_allowance_with_signing_in(thief: Client) -> None:
    for ask in ASKED.values():
        guess(thief, 1, ask)
    assert log_in(thief, WRONG) == 401
    assert_problem(password_change(thief, PASSWORD), 429, "login_cooldown")
    assert log_in(thief) == 429


def test_they_count_towards_the_reset_of_the_account(
    thief: Client, alice: User, settings: Any
) -> None:
    settings.AUTH_LOCKOUT_RESET_AFTER = 10  # Two of them on devices.
    guess(thief, 2)
    cache.clear()
    streaks.local_streaks = LocalStreaks()
    assert_problem(password_change(thief, PASSWORD), 429, "login_cooldown")
    row = SignInFailures.objects.get(user=alice)
    assert (row.failures, row.device_failures, row.needs_reset) == (0, 2, True)


def test_another_session_of_the_account_goes_on(thief: Client) -> None:
    guess(thief, 5)
    owner = Client()
    owner.sign_in("alice")
    assert password_change(owner, PASSWORD).status_code == 200


def test_a_right_password_takes_back_its_own_devices_failures_alone(
    thief: Client, alice: User
) -> None:
    guess(thief, 3)
    owner = Client()
    owner.sign_in("alice")
    guess(owner, 2)
    assert ASKED["change of address"](owner, PASSWORD).status_code == 202
    assert SignInFailures.objects.get(user=alice).device_failures == 3
    guess(thief, 2)
    assert_problem(password_change(thief, PASSWORD), 429, "login_cooldown")


def test_strangers_lock_nobody_out_of_their_session(thief: Client, alice: User) -> None:
    for number in range(20):
        body = {"username": "alice", "password": WRONG}
        answer = Client().post("/auth/login", body, REMOTE_ADDR=f"203.0.113.{number}")
        assert answer.status_code == 401
    assert log_in() == 429
    assert password_change(thief, PASSWORD).status_code == 200


@everywhere
def test_each_wrong_one_is_in_the_trail(thief: Client, alice: User, ask: Ask) -> None:
    guess(thief, 5, ask)
    ask(thief, WRONG)
    events = AuditEvent.objects.filter(kind="reauthentication.failed")
    assert {(event.actor_id, event.subject_id) for event in events} == {(alice.pk, alice.pk)}
    assert events.count() == 5
    locked = AuditEvent.objects.get(kind="login.locked")
    assert locked.details == {"scope": "device", "seconds": 60, "until_reset": False}


def test_a_busy_hasher_is_nobodys_failure(thief: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_: Any) -> bool:
        raise TooBusy

    with monkeypatch.context() as patched:
        patched.setattr(user.User, "check_password", busy)
        for _ in range(8):
            assert_problem(password_change(thief, WRONG), 503, "too_busy")
    assert password_change(thief, PASSWORD).status_code == 200


def test_limits_that_are_off_lift_it(thief: Client, settings: Any) -> None:
    settings.AUTH_LIMITS = False
    guess(thief, 8)
    assert not SignInFailures.objects.exists()


def test_a_right_password_costs_one_statement(thief: Client) -> None:
    assert thief.get("/users/me").status_code == 200
    with counted_sql() as statements:
        assert ASKED["change of address"](thief, PASSWORD).status_code == 202
    # The user; then what is wanted, and its audit event.
    verbs = [sql.split(" ")[0] for sql in statements if "devicesession" not in sql]
    assert verbs == ["SELECT", "INSERT", "INSERT"], statements


def test_a_session_of_the_console_is_a_device_of_its_own(alice: User) -> None:
    def right(session: str, password: str) -> bool:
        device = device_of_console(alice, session)
        return proves_password(user=alice, password=password, client=CLIENT, device=device)

    for _ in range(5):
        assert not right("one", WRONG)
    with pytest.raises(LoginCooldown):
        right("one", PASSWORD)
    assert right("two", PASSWORD)
    assert log_in() == 200
