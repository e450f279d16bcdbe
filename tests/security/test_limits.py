"""Limits by name: counted by whom the table says, with a truthful wait and no way around."""

import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.core.cache import cache

from accounts.models import User
from security import limits, meters, streaks
from security.meters import LocalCounters
from security.rates import DEFAULT_RATES, Rate, parse_rates
from security.streaks import LocalStreaks, Streak
from tests.accounts.mailbox import letter
from tests.client import PASSWORD, Client, assert_problem

pytestmark = pytest.mark.usefixtures("limits_on")


@pytest.fixture
def rates(settings: Any) -> Callable[..., None]:
    """Sets some limits, as AUTH_LIMIT_<NAME> would."""

    def set_rates(**texts: str) -> None:
        changed = {name: parse_rates(text) for name, text in texts.items()}
        settings.AUTH_LIMIT_RATES = settings.AUTH_LIMIT_RATES | changed

    return set_rates


def log_in(identifier: str = "alice", password: str = "wrong", **options: Any) -> Any:
    body = {"username": identifier, "password": password}
    return Client().post("/auth/login", body, **options)


def from_address(address: str, **headers: str) -> dict[str, Any]:
    return {"REMOTE_ADDR": address, "headers": headers}


class TestTheTable:
    def test_a_name_is_tried_5_times_a_minute_right_or_wrong(self, alice: User) -> None:
        answers = [log_in(password=PASSWORD), *(log_in() for _ in range(4))]
        assert [answer.status_code for answer in answers] == [200, 401, 401, 401, 401]
        refused = log_in(password=PASSWORD)
        assert_problem(refused, 429, "rate_limited")
        assert 1 <= int(refused.headers["Retry-After"]) <= 60

    def test_an_address_tries_30_times_a_minute_whatever_the_names(self) -> None:
        statuses = [log_in(f"nobody{number}").status_code for number in range(31)]
        assert statuses == [401] * 30 + [429]

    def test_an_address_registers_5_a_minute(self) -> None:
        def register(number: int) -> int:
            body = {"email": f"u{number}@example.com", "password": PASSWORD}
            return int(Client().post("/auth/register", body).status_code)

        assert [register(number) for number in range(6)] == [201] * 5 + [429]

    def test_a_session_is_refreshed_10_times_a_minute(self, alice: User, bob: User) -> None:
        token = Client().sign_in("alice")["refresh_token"]
        for _ in range(10):
            token = Client().refresh(token).json()["refresh_token"]
        assert_problem(Client().refresh(token), 429, "rate_limited")
        other = Client().sign_in("bob")["refresh_token"]
        assert Client().refresh(other).status_code == 200

    def test_a_profile_is_changed_10_times_a_minute_under_both_names(self, alice: User) -> None:
        client = Client()
        client.sign_in("alice")
        paths = ["/users/me", f"/users/{alice.pk}"] * 5
        for path in paths:
            assert client.patch(path, {"first_name": "A"}).status_code == 200
        for path in set(paths):
            assert_problem(client.patch(path, {"first_name": "B"}), 429, "rate_limited")
        assert client.get("/users/me").json()["first_name"] == "A"

    def test_the_own_password_is_tried_5_times_a_minute_wherever(self, alice: User) -> None:
        client = Client()
        client.sign_in("alice")
        body = {"current_password": "wrong", "new_password": "another horse battery"}
        for path in ("/users/me/password", "/users/me/change-password") * 2:
            assert_problem(client.post(path, body), 422, "validation_error")
        assert client.delete("/users/me", {"password": "wrong"}).status_code == 403
        assert_problem(client.post("/users/me/password", body), 429, "rate_limited")
        assert_problem(client.delete("/users/me", {"password": PASSWORD}), 429, "rate_limited")

    def test_all_else_without_a_user_is_limited_by_address(self, rates: Any) -> None:
        rates(anonymous="2/m")
        statuses = [Client().post("/auth/logout").status_code for _ in range(3)]
        assert statuses == [200, 200, 429]

    @pytest.mark.parametrize("token", [None, "nonsense", "ak_0123abcd_forged"])
    def test_so_is_what_is_refused_for_who_asks(self, rates: Any, token: str | None) -> None:
        rates(anonymous="2/m")
        client = Client(token)
        answers = [client.get(path) for path in ("/users/me", "/sessions", "//metrics", "/roles")]
        assert [answer.status_code for answer in answers] == [401, 401, 429, 429]
        assert int(answers[-1].headers["Retry-After"]) >= 1

    def test_a_refused_refresh_counts_once(self, rates: Any) -> None:
        rates(anonymous="1/m", refresh_address="2/m")
        answers = [Client().refresh("nonsense").status_code for _ in range(3)]
        assert answers == [401, 401, 429]

    @pytest.mark.parametrize("path", ["//health/live", "//health", "//.well-known/jwks.json", "//"])
    def test_what_machines_ask_all_the_time_is_free(self, rates: Any, path: str) -> None:
        rates(anonymous="1/m")
        assert {Client().get(path).status_code for _ in range(3)} == {200}

    def test_the_console_counts_with_the_api(self, admin: User) -> None:
        for _ in range(4):
            log_in("root")
        page = Client().django
        sent = {"username": "root", "password": PASSWORD}
        assert page.post("/admin/login/", sent).status_code == 302
        refused = Client().django.post("/admin/login/", sent)
        assert refused.status_code == 200
        assert "Too many requests" in refused.content.decode()
        assert_problem(log_in("root", PASSWORD), 429, "rate_limited")


class TestNothingIsTold:
    def test_headers_and_waits_are_the_same_for_a_name_that_nobody_has(self, alice: User) -> None:
        def told(name: str) -> list[Any]:
            found = []
            for _ in range(7):
                answer = log_in(name)
                body = answer.json() | {"request_id": ""}
                headers = {k: v for k, v in answer.headers.items() if k != "X-Request-ID"}
                found.append((answer.status_code, body, headers))
            return found

        known = told("alice")
        cache.clear()
        meters.local_counters, streaks.local_streaks = LocalCounters(), LocalStreaks()
        unknown = told("nobody")
        assert [seconds_off(one) for one in known] == [seconds_off(one) for one in unknown]
        assert [status for status, _, _ in known] == [401] * 5 + [429] * 2
        assert "RateLimit" in known[0][2]
        assert "Retry-After" in known[6][2]


def seconds_off(told: tuple[int, Any, dict[str, str]]) -> Any:
    """What was told, with moments in steps that two runs of a test fall into."""
    status, body, headers = told
    rough = {
        name: re.sub(r"(?<=t=)\d+|^\d+$", lambda m: f"{round(int(m[0]) / 30)}x30", value)
        if name in {"RateLimit", "Retry-After"}
        else value
        for name, value in headers.items()
    }
    return status, body, rough


class TestNoWayAround:
    @pytest.mark.parametrize(
        "spelling", ["ALICE", " alice ", "\uff41\uff4c\uff49\uff43\uff45", "Alice\t"]
    )
    def test_a_name_counts_in_every_spelling(self, alice: User, rates: Any, spelling: str) -> None:
        rates(login="1/m")
        log_in("alice")
        assert_problem(log_in(spelling), 429, "rate_limited")

    @pytest.mark.parametrize(
        "spelling",
        [
            "ALICE.FISK",
            "\uff21lice.fisk",
            "alice.\ufb01sk",
            "ALICE.FIS\u212a",
            "alice.f\u0131sk",
            "al\u0131ce.fisk",
            "alice.fi\u017fk",
            "\u00a0alice.fisk\u3000",
            "\u1d41alice.fisk",
            "a\u200blice.fisk",
            "ALICE.FISK@EXAMPLE.COM",
            "\uff21LICE.fisk@example.com",
            "alice.fisk@example.com.",
        ],
        ids=ascii,
    )
    def test_what_signs_in_to_one_account_has_one_counter(
        self, make_user: Callable[..., User], rates: Any, spelling: str
    ) -> None:
        """And what doesn't is no way to guess at its password."""
        make_user("alice.fisk")
        name = "alice.fisk@example.com" if "@" in spelling.lower() else "alice.fisk"
        rates(login="2/m", login_address="100/m")
        signs_in = log_in(spelling, PASSWORD).status_code == 200
        log_in(name)
        third = log_in(spelling, PASSWORD).status_code
        assert third == (429 if signs_in else 401)
        assert log_in(name).status_code == (429 if signs_in else 401)

    @pytest.mark.parametrize(
        "spelling", ["ALICE@example.com", " alice@example.com ", "\uff21lice@\uff45xample.com"]
    )
    @pytest.mark.parametrize("path", ["/auth/password/forgot", "/auth/email/resend"])
    def test_a_mailbox_counts_in_every_spelling(self, rates: Any, path: str, spelling: str) -> None:
        rates(mailbox="1/h")
        assert Client().post(path, {"email": "alice@example.com"}).status_code == 202
        assert_problem(Client().post(path, {"email": spelling}), 429, "rate_limited")

    def test_no_wish_of_a_mailbox_uses_up_another(
        self, alice: User, rates: Any, settings: Any
    ) -> None:
        owner, email = Client(), {"email": "new@example.com"}
        owner.sign_in("alice")
        settings.AUTH_CONCEAL_ACCOUNTS = True
        rates(mailbox="1/h")
        change = {"new_email": "new@example.com", "password": PASSWORD}
        wishes: list[tuple[Client, str, dict[str, str]]] = [
            (Client(), "/auth/email/resend", email),
            (Client(), "/auth/password/forgot", email),
            (Client(), "/auth/register", email | {"password": "eleven tapirs under moons"}),
            (owner, "/auth/email/change", change),
        ]
        for client, path, body in wishes:
            assert client.post(path, body).status_code == 202, path
        for client, path, body in wishes:
            assert_problem(client.post(path, body), 429, "rate_limited")

    def test_the_name_counts_in_either_field_and_form(self, alice: User, rates: Any) -> None:
        rates(login="1/m")
        log_in("alice")
        body = {"email": "alice", "password": "wrong"}
        assert_problem(Client().post("/auth/login", body), 429, "rate_limited")
        form = "username=alice&password=wrong"
        for path in ("/auth/login", "/auth/login-form", "/auth/access-token"):
            assert_problem(Client().form(path, form), 429, "rate_limited")

    @pytest.mark.parametrize("blank", ["", " ", "\u3000", "\t\n", None, 0, []])
    def test_a_blank_name_beside_the_address_hides_nobody(
        self, alice: User, rates: Any, blank: Any
    ) -> None:
        rates(login="1/m")
        log_in("alice@example.com")
        body = {"username": blank, "email": "alice@example.com", "password": PASSWORD}
        assert_problem(Client().post("/auth/login", body), 429, "rate_limited")

    @pytest.mark.parametrize(
        "header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "X_Forwarded_For", "Client-IP"]
    )
    @pytest.mark.parametrize("value", ["198.51.100.{}", "for=198.51.100.{}", "garbage\t{}", ""])
    def test_a_stranger_is_not_believed_about_the_address(
        self, rates: Any, header: str, value: str
    ) -> None:
        rates(login_address="2/m")
        statuses = [
            log_in(f"n{number}", headers={header: value.format(number)}).status_code
            for number in range(3)
        ]
        assert statuses == [401, 401, 429]

    def test_a_mapped_address_is_the_address(self, rates: Any) -> None:
        rates(login_address="1/m")
        log_in("a", **from_address("192.0.2.1"))
        mapped = log_in("b", **from_address("::ffff:192.0.2.1"))
        assert_problem(mapped, 429, "rate_limited")
        assert log_in("c", **from_address("::ffff:192.0.2.9")).status_code == 401

    def test_a_network_of_ipv6_is_one_client(self, rates: Any) -> None:
        rates(login_address="1/m")
        log_in("a", **from_address("2001:db8::1"))
        assert_problem(log_in("b", **from_address("2001:db8::ffff")), 429, "rate_limited")
        assert log_in("c", **from_address("2001:db8:0:1::1")).status_code == 401

    def test_behind_a_proxy_its_word_counts(self, rates: Any, settings: Any) -> None:
        settings.TRUSTED_PROXIES = ["10.0.0.0/8"]
        rates(login_address="1/m")

        def through(address: str) -> int:
            options = from_address("10.0.0.1", **{"X-Forwarded-For": f"6.6.6.6, {address}"})
            return int(log_in(f"n{address}", **options).status_code)

        assert [through("192.0.2.1"), through("192.0.2.2"), through("192.0.2.1")] == [401, 401, 429]

    @pytest.mark.parametrize("hop", ["192.0.2.1:443", "[2001:db8::1]:443", "[2001:db8::1]"])
    def test_a_proxy_may_append_the_port(self, rates: Any, settings: Any, hop: str) -> None:
        settings.TRUSTED_PROXIES = ["10.0.0.0/8"]
        rates(login_address="1/m")
        for other, status in (("192.0.2.77:1", 401), (hop, 401), (hop, 429)):
            options = from_address("10.0.0.1", **{"X-Forwarded-For": other})
            assert log_in(f"n{other}", **options).status_code == status

    def test_forged_tokens_use_up_no_session(self, alice: User, rates: Any) -> None:
        rates(refresh="1/m")
        token = Client().sign_in("alice")["refresh_token"]
        for _ in range(3):
            forged = token[:-8] + "AAAAAAAA"
            assert_problem(Client().refresh(forged), 401, "token_invalid")
        assert Client().refresh(token).status_code == 200

    def test_a_refused_attempt_counts_in_every_window(self, alice: User, rates: Any) -> None:
        rates(login="1/s,3/h")
        statuses = [log_in().status_code for _ in range(3)]
        assert statuses[0] == 401
        assert 429 in statuses
        policies = log_in().headers["RateLimit-Policy"]
        assert '"login-1";q=1;w=1, "login-3600";q=3;w=3600' in policies
        assert int(log_in().headers["Retry-After"]) > 1000


def test_who_resets_the_password_is_not_kept_out_by_what_strangers_used_up(alice: User) -> None:
    for _ in range(40):
        log_in()
    right = {"username": "alice", "password": PASSWORD}
    home = {"REMOTE_ADDR": "198.51.100.7"}
    assert_problem(Client().post("/auth/login", right, **home), 429, "rate_limited")
    Client().post("/auth/password/forgot", {"email": "alice@example.com"})
    body = {"token": letter("reset").token, "new_password": "eleven tapirs under moons"}
    assert Client().post("/auth/password/reset", body).status_code == 200
    right["password"] = body["new_password"]
    assert Client().post("/auth/login", right, **home).status_code == 200


class TestWindows:
    def test_the_shorter_and_the_longer_both_hold(self, rates: Any) -> None:
        rates(login="2/4s,5/h", login_address="1000/m")
        rounds = []
        for _ in range(3):
            rounds.append([log_in().status_code for _ in range(3)])
            time.sleep(4.05)
        # Each attempt counts in both, the refused ones too: of the second three the last is the
        # third in its seconds and the sixth in its hour.
        assert rounds == [[401, 401, 429], [401, 401, 429], [429, 429, 429]]
        assert int(log_in().headers["Retry-After"]) > 3500

    def test_across_the_end_of_one_no_more_than_twice_the_number_pass(self, rates: Any) -> None:
        """The slack of a fixed window, as docs/operations.md has it."""
        quota, seconds = 5, 2
        rates(login_address=f"{quota}/{seconds}s", login="1000/m")
        passed: list[float] = []
        begin = time.monotonic()
        number = 0
        while time.monotonic() < begin + 3 * seconds:
            number += 1
            if log_in(f"nobody{number}").status_code == 401:
                passed.append(time.monotonic())
        # A little less than a window, because an answer comes later than the count.
        span = seconds - 0.3
        for start in passed:
            within = [moment for moment in passed if start <= moment < start + span]
            assert len(within) <= 2 * quota
        assert quota < len(passed) <= 4 * quota

    def test_no_two_limits_share_a_counter(self, settings: Any) -> None:
        """Whatever their names, rates and people run together to."""
        whos = ["1", "11", "a", "a:1", "a:1/60", "", "x" * 500, "\u0131", "i"]
        names = sorted(DEFAULT_RATES)
        texts = ["5/m", "15/m", "5/h", "1/5s,15/m", "51/5s"]
        keys = []
        for text in texts:
            settings.AUTH_LIMIT_RATES = dict.fromkeys(names, parse_rates(text))
            for name in names:
                for who in whos:
                    keys += [usage.meter.key for usage in limits.spend({name: who})]
        assert len(keys) == len(set(keys))


@pytest.mark.shared
def test_no_counter_is_kept_for_ever(alice: User, rates: Any) -> None:
    """After 10,000 mixed attempts, many at once, each key has an end."""
    rates(**dict.fromkeys(("refresh", "profile", "verify", "forgot", "mailbox"), "5/s,1000/h"))

    def work(worker: int) -> None:
        for number in range(1_200):
            who = f"{worker}-{number % 97}"
            limits.spend({"login": who, "login_address": who, "verify": f"{number % 7}"})
            _, places = streaks.reserve([Streak(f"failures:{who}", 5), Streak("failures:all", 20)])
            if places and number % 3 == 0:
                streaks.release(places, 1)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    client = Client()
    pair = client.sign_in("alice")
    for number in range(100):
        log_in(f"nobody{number % 10}")
        Client().refresh(pair["refresh_token"] + "x" * (number % 2))
        Client().post("/auth/password/forgot", {"email": f"n{number}@example.com"})
        Client().post("/auth/email/verify", {"token": "x"})
        client.patch("/users/me", {"first_name": f"A{number}"})
        client.delete("/users/me", {"password": "wrong"})
    connection = cache.client.get_client()
    keys = list(connection.scan_iter(match="*", count=1000))
    counters = [key for key in keys if b"meter:" in key or b"failures:" in key]
    assert len(counters) > 500
    # -1 is a key without an end, -2 one that has ended since.
    assert [key for key in counters if connection.pttl(key) == -1] == []


def test_after_the_wait_it_goes_on(alice: User, rates: Any) -> None:
    rates(login="1/s", login_address="100/m")
    assert log_in(password=PASSWORD).status_code == 200
    refused = log_in(password=PASSWORD)
    assert refused.status_code == 429
    time.sleep(int(refused.headers["Retry-After"]))
    assert log_in(password=PASSWORD).status_code == 200


def test_the_cache_holds_no_ones_name(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    log_in("alice")
    names = [*meters.local_counters._windows, *streaks.local_streaks._streaks]
    if hasattr(cache, "keys"):
        names += cache.keys("*")
    assert names
    assert not [name for name in names if "alice" in name]


class TestRates:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("5/m", [Rate(5, 60)]),
            ("5/m,30/h", [Rate(5, 60), Rate(30, 3600)]),
            ("1/s", [Rate(1, 1)]),
            ("24/d", [Rate(24, 86400)]),
            ("100/10s", [Rate(100, 10)]),
        ],
    )
    def test_what_is_understood(self, text: str, expected: list[Rate]) -> None:
        assert list(parse_rates(text)) == expected

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "5",
            "5/",
            "5/M",
            "5/min",
            "0/m",
            "-1/m",
            "5/0m",
            "5/m;30/h",
            "5/m,",
            "5/m,6/60s",
            "x/m",
            "\u0665/m",
        ],
    )
    def test_all_else_is_refused(self, text: str) -> None:
        with pytest.raises(ValueError, match="rate"):
            parse_rates(text)

    def test_the_defaults_are_understood(self) -> None:
        assert all(parse_rates(text) for text in DEFAULT_RATES.values())
