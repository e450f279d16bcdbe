"""Failed sign-ins in a row: a growing wait, which hits no owner on a known device."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.db import transaction

from accounts.authentication import DEVICE_COOKIE
from accounts.models import SignInFailures, User, sign_in_failures
from accounts.models.one_time_token import Purpose
from accounts.services import login
from accounts.services.lockout import unlock_user
from accounts.services.one_time_tokens import issue
from accounts.services.password_reset import reset_password
from accounts.services.passwords import set_password
from security import streaks
from security.client_info import ClientInfo
from security.errors import GrantTooWide, TooBusy
from security.models import AuditEvent
from security.rates import parse_rates
from security.shared_cache import SLOW, SharedCache, shared_cache
from security.streaks import LocalStreaks
from tests.client import PASSWORD, Client, assert_problem

WRONG = "not the password"
AWAY = "198.51.100.7"


@pytest.fixture(autouse=True, params=["together", "alone"])
def limits_on(
    limits_on: None, settings: Any, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """With limits that the lockout comes before; once more as a process that has lost Redis."""
    wide = {name: parse_rates("1000/m") for name in ("login", "login_device", "login_address")}
    settings.AUTH_LIMIT_RATES = settings.AUTH_LIMIT_RATES | wide
    # What one test does to the cache's memory of itself is no other's business.
    for name in ("_slow", "_away", "_paused_until"):
        monkeypatch.setattr(shared_cache, name, getattr(shared_cache, name))
    if request.param == "alone":
        monkeypatch.setattr(SharedCache, "ask", lambda *_, **__: None)


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The passwords that are looked at."""
    seen: list[str] = []
    check = login.check_password

    def noting(user: User | None, raw: str, *, name: str) -> bool:
        seen.append(raw)
        return check(user, raw, name=name)

    monkeypatch.setattr(login, "check_password", noting)
    return seen


@pytest.fixture
def owner(alice: User) -> Client:
    """A browser that alice has signed in on, and signed out of again."""
    client = Client()
    pair = client.sign_in("alice")
    client.access_token = None
    client.post("/auth/logout", {"refresh_token": pair["refresh_token"]})
    return client


def attempt(
    name: str = "alice", password: str = WRONG, *, address: str = AWAY, client: Client | None = None
) -> Any:
    body = {"username": name, "password": password}
    return (client or Client()).post("/auth/login", body, REMOTE_ADDR=address)


def fail(times: int, name: str = "alice", *, address: str = AWAY) -> None:
    for _ in range(times):
        assert attempt(name, address=address).status_code == 401


def fail_everywhere(times: int, name: str = "alice") -> None:
    """From a network each, so that no network has to wait."""
    for number in range(times):
        fail(1, name, address=f"203.0.113.{number}")


def assert_locked(answer: Any) -> int:
    assert_problem(answer, 429, "login_cooldown")
    return int(answer.headers["Retry-After"])


class TestTheWait:
    def test_after_5_failures_no_password_is_looked_at(
        self, alice: User, looked_at: list[str]
    ) -> None:
        fail(5)
        assert 55 <= assert_locked(attempt()) <= 60
        assert_locked(attempt(password=PASSWORD))
        assert looked_at == [WRONG] * 5

    def test_it_ends_by_itself_and_doubles(self, alice: User, settings: Any) -> None:
        settings.AUTH_LOCKOUT_WAIT = timedelta(seconds=1)
        fail(5)
        for expected in (1, 2):
            wait = assert_locked(attempt())
            assert wait == expected
            time.sleep(wait)
            fail(1)
        assert 3 <= assert_locked(attempt()) <= 4

    def test_it_has_a_longest(self, alice: User, settings: Any) -> None:
        settings.AUTH_LOCKOUT_FAILURES = 1
        settings.AUTH_LOCKOUT_WAIT = timedelta(days=1)
        fail(1)
        assert 3590 <= assert_locked(attempt()) <= 3600

    def test_a_right_password_in_time_begins_the_count_anew(self, alice: User) -> None:
        for _ in range(3):
            fail(4)
            assert attempt(password=PASSWORD).status_code == 200
        assert SignInFailures.objects.get(user=alice).failures == 0

    def test_a_refused_attempt_makes_the_wait_no_longer(self, alice: User, settings: Any) -> None:
        settings.AUTH_LOCKOUT_WAIT = timedelta(seconds=1)
        fail(5)
        for _ in range(5):
            assert assert_locked(attempt()) == 1
        time.sleep(1)
        assert attempt(password=PASSWORD).status_code == 200

    def test_an_owner_of_another_network_does_not_wait(self, alice: User) -> None:
        fail(5)
        assert attempt(password=PASSWORD, address="192.0.2.1").status_code == 200

    def test_a_success_elsewhere_resets_nothing(self, alice: User, owner: Client) -> None:
        fail(5)
        assert attempt(password=PASSWORD, address="192.0.2.1").status_code == 200
        assert attempt(password=PASSWORD, client=owner).status_code == 200
        assert_locked(attempt())
        assert SignInFailures.objects.get(user=alice).failures == 5

    def test_a_refresh_or_a_key_in_use_resets_nothing(self, alice: User) -> None:
        app = Client()
        pair = app.sign_in("alice")
        key = app.post("/api-keys", {"name": "x", "scopes": []}).json()["key"]
        fail(5)
        for _ in range(2):
            pair = Client().refresh(pair["refresh_token"]).json()
            assert Client(key).get("/users/me").status_code == 200
        assert_locked(attempt(password=PASSWORD))
        assert SignInFailures.objects.get(user=alice).failures == 5

    def test_ones_own_success_resets_nothing_at_anothers(self, alice: User, bob: User) -> None:
        for _ in range(4):
            fail(1)
            assert attempt("bob", PASSWORD).status_code == 200
        fail(1)
        assert_locked(attempt())

    def test_a_network_of_ipv6_is_one(self, alice: User) -> None:
        for number in range(5):
            fail(1, address=f"2001:db8::{number:x}")
        assert_locked(attempt(address="2001:db8::ffff"))
        assert attempt(address="2001:db8:0:1::1").status_code == 401

    def test_all_networks_together_have_20_failures(self, alice: User) -> None:
        fail_everywhere(20)
        assert 1 <= assert_locked(attempt(password=PASSWORD, address="192.0.2.1")) <= 60

    def test_a_success_takes_back_only_its_own_of_all_networks(self, alice: User) -> None:
        fail_everywhere(17)
        fail(2)
        assert attempt(password=PASSWORD).status_code == 200
        assert SignInFailures.objects.get(user=alice).failures == 17
        fail(3)
        assert_locked(attempt())

    def test_a_busy_hasher_is_nobodys_failure(
        self, alice: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def busy(*_: Any, **__: Any) -> bool:
            raise TooBusy

        with monkeypatch.context() as patched:
            patched.setattr(login, "check_password", busy)
            for _ in range(30):
                assert attempt().status_code == 503
        fail(5)
        assert_locked(attempt())

    def test_a_slow_cache_counts_all_the_same(self, alice: User) -> None:
        fail(4)
        shared_cache._turn_away(SLOW)
        fail(1)
        assert_locked(attempt())

    def test_limits_that_are_off_lift_it(self, alice: User, settings: Any) -> None:
        settings.AUTH_LIMITS = False
        fail(8)
        assert not SignInFailures.objects.exists()


class TestNothingIsTold:
    def test_a_name_that_nobody_has_is_locked_just_so(self, alice: User, settings: Any) -> None:
        settings.AUTH_LOCKOUT_ACCOUNT_FAILURES = 7
        settings.AUTH_LOCKOUT_RESET_AFTER = 10

        def told(name: str) -> list[Any]:
            """What each of 12 failures answers, some from a new network; without its moment."""
            answers = []
            for number in range(12):
                if number == 9:  # All waits are over.
                    cache.clear()
                    streaks.local_streaks = LocalStreaks()
                address = f"203.0.113.{number // 6}"
                answer = attempt(name, address=address)
                body = answer.json()
                del body["request_id"]
                wait = answer.headers.get("Retry-After")
                names = sorted(set(answer.headers) - {"Retry-After"})
                answers.append((answer.status_code, body, wait and int(wait) // 10, names))
            return answers

        known, unknown = told("alice"), told("nobody")
        assert known == unknown
        statuses = [answer[0] for answer in known]
        # A network has 5, both have 7 together, and after 8 in a row no waiting helps.
        assert statuses == [401] * 5 + [429] + [401] * 2 + [429] + [401] + [429] * 2

    def test_a_second_name_of_an_account_is_not_given_away(self, alice: User) -> None:
        fail(5)
        assert attempt("alice@example.com").status_code == 401

    def test_names_that_nobody_has_fill_no_table(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sign_in_failures, "SLOT_DIGITS", 1)
        for number in range(40):
            fail(1, f"nobody{number}", address=f"203.0.113.{number}")
        assert 1 < SignInFailures.objects.count() <= 16
        assert not SignInFailures.objects.exclude(failures=1).exists()

    def test_a_name_is_locked_in_every_spelling(self, alice: User) -> None:
        for spelling in ("alice", "ALICE", " alice", "\uff41lice", "Alice "):
            fail(1, spelling)
        assert_locked(attempt("aLiCe"))

    def test_neither_table_nor_cache_holds_an_unknown_name(self) -> None:
        fail(1, "somebody-secret")
        row = SignInFailures.objects.get()
        assert "secret" not in f"{row.slot}{row.identifier_digest}"
        names = list(streaks.local_streaks._streaks)
        if hasattr(cache, "keys"):
            names += cache.keys("*")
        assert names
        assert not [name for name in names if "secret" in name]


class TestKnownDevices:
    def test_a_stranger_locks_no_owner_out(self, alice: User, owner: Client) -> None:
        fail_everywhere(20)
        assert_locked(attempt(password=PASSWORD))
        for _ in range(3):
            assert attempt(password=PASSWORD, client=owner).status_code == 200
        assert_locked(attempt(password=PASSWORD))

    def test_a_thousand_failures_lock_no_owner_out(
        self, alice: User, owner: Client, settings: Any
    ) -> None:
        rates = dict.fromkeys(("login", "login_address"), parse_rates("5000/m"))
        settings.AUTH_LIMIT_RATES = settings.AUTH_LIMIT_RATES | rates
        for number in range(1000):
            attempt(address=f"203.0.{number % 250}.1")
        assert_locked(attempt(password=PASSWORD, address="192.0.2.1"))
        assert attempt(password=PASSWORD, client=owner).status_code == 200
        row = SignInFailures.objects.get(user=alice)
        assert 20 <= row.failures <= 80

    @pytest.mark.parametrize("name", ["", " ", "\u3000", "\0", "*", "%"])
    def test_an_empty_name_locks_nobody(self, alice: User, name: str) -> None:
        for number in range(40):
            assert attempt(name, address=f"203.0.113.{number}").status_code in {401, 422, 429}
        fields = {"username": name, "password": WRONG}
        for _ in range(10):
            assert Client().django.post("/admin/login/", fields).status_code == 200
        assert attempt(password=PASSWORD).status_code == 200
        assert not SignInFailures.objects.filter(user=alice).exists()

    def test_nor_uses_up_the_limits_of_name_and_address(
        self, alice: User, owner: Client, settings: Any
    ) -> None:
        rates = {name: parse_rates("2/m") for name in ("login", "login_address")}
        settings.AUTH_LIMIT_RATES = settings.AUTH_LIMIT_RATES | rates
        fail(2)
        assert_problem(attempt(), 429, "rate_limited")
        assert attempt(password=PASSWORD, client=owner).status_code == 200

    def test_the_cookie_is_kept_from_scripts_and_other_sites(self, owner: Client) -> None:
        cookie = owner.django.cookies[DEVICE_COOKIE]
        assert cookie["httponly"]
        assert cookie["samesite"] == "Strict"
        assert cookie["path"] == "/api/v1/auth"
        assert cookie["max-age"] == 90 * 24 * 60 * 60

    def test_a_sign_in_of_another_sites_page_leaves_no_cookie(self, alice: User) -> None:
        foreign = {"Origin": "https://evil.example"}
        body = {"username": "alice", "password": PASSWORD}
        answer = Client().post("/auth/login", body, headers=foreign)
        assert answer.status_code == 200
        assert DEVICE_COOKIE not in answer.cookies

    def test_the_cookie_alone_opens_nothing(self, owner: Client) -> None:
        assert set(owner.django.cookies) >= {DEVICE_COOKIE}
        assert owner.get("/users/me").status_code == 401
        assert owner.post("/auth/refresh").status_code == 401
        text = owner.django.cookies[DEVICE_COOKIE].value
        assert (
            owner.get("/users/me", headers={"authorization": f"Bearer {text}"}).status_code == 401
        )
        assert attempt(client=owner).status_code == 401

    def test_it_has_an_allowance_of_its_own_and_no_more(self, alice: User, owner: Client) -> None:
        for _ in range(5):
            assert attempt(client=owner).status_code == 401
        assert_locked(attempt(password=PASSWORD, client=owner))
        assert attempt(password=PASSWORD, address="192.0.2.1").status_code == 200
        row = SignInFailures.objects.get(user=alice)
        assert (row.failures, row.device_failures) == (0, 5)

    def test_a_device_keeps_its_name_so_that_old_cookies_gain_nothing(
        self, alice: User, owner: Client
    ) -> None:
        older = owner.django.cookies[DEVICE_COOKIE].value
        assert attempt(password=PASSWORD, client=owner).status_code == 200
        for number in range(5):
            if number == 3:
                owner.django.cookies[DEVICE_COOKIE] = older
            assert attempt(client=owner).status_code == 401
        assert_locked(attempt(client=owner))

    def test_it_is_useless_for_another_account(
        self, alice: User, bob: User, owner: Client, settings: Any
    ) -> None:
        fail(5, "bob")
        assert_locked(attempt("bob", PASSWORD, client=owner))
        rates = {"login": parse_rates("2/m")}
        settings.AUTH_LIMIT_RATES = settings.AUTH_LIMIT_RATES | rates
        for name in ("nobody", "root"):
            statuses = [attempt(name, client=owner).status_code for _ in range(3)]
            assert statuses == [401, 401, 429]

    def test_it_ends_with_the_password(self, alice: User, owner: Client, admin: User) -> None:
        another = "another horse battery"
        set_password(user=alice, new_password=another, actor=admin)
        fail(5)
        assert_locked(attempt(password=another, client=owner))

    @pytest.mark.parametrize("change", [lambda text: text[:-1] + "~", lambda text: "x:y:z"])
    def test_a_forged_one_is_nobodys(
        self, owner: Client, change: Callable[[str], str], settings: Any
    ) -> None:
        fail(5)
        cookies = owner.django.cookies
        cookies[DEVICE_COOKIE] = change(cookies[DEVICE_COOKIE].value)
        assert_locked(attempt(password=PASSWORD, client=owner))

    def test_an_old_one_is_nobodys(self, owner: Client, settings: Any) -> None:
        fail(5)
        settings.AUTH_LOCKOUT_DEVICE_TTL = timedelta(seconds=-1)
        assert_locked(attempt(password=PASSWORD, client=owner))

    def test_a_token_of_a_live_session_does_as_well(self, alice: User) -> None:
        app = Client()
        pair = app.sign_in("alice")
        app.django.cookies.clear()
        fail(5)
        assert attempt(password=PASSWORD, client=app).status_code == 200
        app.post("/auth/logout", {"refresh_token": pair["refresh_token"]})
        app.django.cookies.clear()
        assert_locked(attempt(password=PASSWORD, client=app))


class TestTheReset:
    """Of 10 failures in a row 8 are strangers'."""

    @pytest.fixture(autouse=True)
    def few(self, settings: Any) -> None:
        settings.AUTH_LOCKOUT_RESET_AFTER = 10

    def test_after_the_last_failure_no_waiting_helps(
        self, alice: User, owner: Client, looked_at: list[str]
    ) -> None:
        fail_everywhere(8)
        cache.clear()
        streaks.local_streaks = LocalStreaks()
        assert assert_locked(attempt(password=PASSWORD)) == 3600
        assert len(looked_at) == 8
        assert attempt(password=PASSWORD, client=owner).status_code == 200
        assert_locked(attempt(password=PASSWORD))

    def test_known_devices_have_the_rest(self, alice: User, owner: Client) -> None:
        statuses = [attempt(client=owner).status_code for _ in range(3)]
        assert statuses == [401, 401, 429]
        assert_locked(attempt(password=PASSWORD, client=owner))

    def test_both_names_of_an_account_count_together(self, alice: User) -> None:
        fail_everywhere(4)
        fail_everywhere(4, "alice@example.com")
        assert_locked(attempt(password=PASSWORD))

    def test_a_new_password_opens_it_again(self, alice: User, admin: User) -> None:
        fail_everywhere(8)
        set_password(user=alice, new_password="another horse battery", actor=admin)
        assert attempt(password="another horse battery").status_code == 200

    def test_unlocking_opens_it_and_takes_every_wait_away(self, alice: User, admin: User) -> None:
        fail(5)
        fail_everywhere(3)
        assert unlock_user(user=alice, actor=admin, client=ClientInfo())
        fail(4)
        assert attempt(password=PASSWORD).status_code == 200
        event = AuditEvent.objects.get(kind="login.unlocked")
        assert (event.actor_id, event.subject_id) == (admin.pk, alice.pk)

    def test_the_trail_tells_of_each_lock(self, alice: User) -> None:
        fail(5)
        fail_everywhere(3)
        events = AuditEvent.objects.filter(kind="login.locked").order_by("pk")
        assert [event.subject_id for event in events] == [alice.pk] * 2
        assert [event.details for event in events] == [
            {"scope": "network", "seconds": 60, "until_reset": False},
            {"scope": "network", "seconds": 0, "until_reset": True},
        ]
        assert events[0].ip_address == AWAY


class TestBeforeTheAccount:
    """Failures of a name that nobody had yet, or has no more."""

    LATER = "another horse battery"

    @pytest.fixture
    def owner(self, make_user: Callable[..., User]) -> User:
        """Whose name strangers had locked before."""
        fail_everywhere(20)
        user = make_user("alice")
        assert_locked(attempt(password=PASSWORD))
        return user

    def test_a_new_password_begins_anew(self, owner: User, admin: User) -> None:
        set_password(user=owner, new_password=self.LATER, actor=admin)
        assert attempt(password=self.LATER).status_code == 200

    def test_a_reset_begins_anew(self, owner: User) -> None:
        with transaction.atomic():
            token = issue(user=owner, purpose=Purpose.RESET_PASSWORD).text
        reset_password(token=token, new_password=self.LATER, client=ClientInfo())
        assert attempt(password=self.LATER).status_code == 200

    def test_unlocking_begins_anew_and_says_so_once(self, owner: User, capsys: Any) -> None:
        for expected in ("true", "false"):
            call_command("unlock_user", "alice", "--json")
            assert f'"unlocked": {expected}' in capsys.readouterr().out
        assert AuditEvent.objects.filter(kind="login.unlocked").count() == 1
        assert attempt(password=PASSWORD).status_code == 200

    def test_who_registers_after_a_deletion_begins_anew_as_well(
        self, owner: User, admin: User, make_user: Callable[..., User]
    ) -> None:
        """Though the one before was locked again after as many resets."""
        set_password(user=owner, new_password=self.LATER, actor=admin)
        fail_everywhere(20)
        owner.delete()
        again = make_user("alice")
        set_password(user=again, new_password=self.LATER, actor=admin)
        assert attempt(password=self.LATER).status_code == 200


class TestUnlockUser:
    def test_the_command_unlocks_and_says_who_did_it(self, alice: User, capsys: Any) -> None:
        fail(5)
        call_command("unlock_user", "alice")
        assert f"unlocked: {alice.pk}, failed sign-ins in a row: 5" in capsys.readouterr().out
        event = AuditEvent.objects.get(kind="login.unlocked")
        assert (event.actor_id, event.subject_id) == (None, alice.pk)
        assert event.details["operator"]
        assert attempt(password=PASSWORD).status_code == 200

    def test_who_is_not_locked_is_left_alone(self, alice: User, capsys: Any) -> None:
        call_command("unlock_user", "alice@example.com", "--json")
        assert '"unlocked": false' in capsys.readouterr().out
        assert not AuditEvent.objects.filter(kind="login.unlocked").exists()

    def test_nobody_unlocks_who_has_more(
        self, alice: User, admin: User, make_user: Callable[..., User]
    ) -> None:
        keeper = make_user("keeper", role="moderator")
        fail(5, "root")
        with pytest.raises(GrantTooWide):
            unlock_user(user=admin, actor=keeper, client=ClientInfo())
        assert_locked(attempt("root", PASSWORD))
