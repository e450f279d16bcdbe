"""Every secret that a request can guess at is limited: found in the OpenAPI document, tried."""

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from django.core.cache import cache
from django.urls import URLPattern, get_resolver
from django.utils.http import urlencode

from accounts.models import User
from accounts.models.role import Role
from authsite.account_urls import urlpatterns as account_pages
from security import meters, streaks
from security.meters import LocalCounters
from security.rates import parse_rates
from security.streaks import LocalStreaks
from sessions_app.models import DeviceSession
from tests.accounts.mailbox import letter, other_code
from tests.client import PASSWORD, Client, assert_problem

SECRET = re.compile(r"pass|token|secret|code|otp|pin$|key$|recover|answer|assert|credential", re.I)
NEW = "tapir under seven moons"
QUOTA = 20
JSON, FORM = "application/json", "application/x-www-form-urlencoded"

Body = dict[str, Any]
Operation = tuple[str, str, str, dict[str, Any]]


@dataclass(frozen=True)
class Guess:
    """So many tries of `body` are refused with `status`, one more with 429.

    `{}` in it is another text each time, `token` stands for a bent one that was ours.
    """

    body: Body
    tries: int
    status: int = 422
    signed_in: str = ""


SIGN_IN = Guess({"username": "alice", "password": "wrong {}"}, 5, 401)
OWN_PASSWORD = Guess({"current_password": "wrong {}", "new_password": NEW}, 5, signed_in="alice")
GUESSES: dict[str, list[Guess]] = {
    "auth_login_create": [SIGN_IN, Guess({"username": "n{}", "password": "wrong"}, 30, 401)],
    "auth_login_form_create": [SIGN_IN],
    "auth_access_token_create": [SIGN_IN],
    "auth_refresh": [Guess({"refresh_token": "token{}"}, 600, 401)],
    # They tell nobody whether the token was right.
    "auth_logout": [Guess({"refresh_token": "token{}"}, 100, 200)],
    "auth_revoke": [Guess({"token": "token{}"}, 100, 200)],
    "auth_introspect": [Guess({"token": "token{}"}, QUOTA, 200, signed_in="root")],
    "auth_password_reset": [Guess({"token": "wrong{}", "new_password": NEW}, 10)],
    "auth_email_verify": [
        Guess({"token": "wrong{}"}, 10),
        Guess({"email": "alice@example.com", "code": "00000{}"}, 10),
        Guess({"email": "n{}@example.com", "code": "000000"}, 10),
    ],
    "auth_email_change": [
        Guess({"new_email": "n{}@example.com", "password": "wrong"}, 5, signed_in="alice")
    ],
    "users_me_password_create": [OWN_PASSWORD],
    "users_me_change_password_create": [OWN_PASSWORD],
    "users_me_deactivate": [Guess({"password": "wrong {}"}, 5, 403, signed_in="alice")],
}
# What stands there is stored, and compared with nothing.
STORED = {"auth_register", "users_create", "users_add_user", "users_update_password"}
# OpenAPI 3.0 describes no body of a DELETE.
UNDESCRIBED = {"users_me_deactivate"}


@pytest.fixture(autouse=True)
def limits_on(limits_on: None) -> None:
    Role.objects.filter(pk="admin").update(quota=QUOTA)


def anew(monkeypatch: pytest.MonkeyPatch) -> None:
    cache.clear()
    monkeypatch.setattr(meters, "local_counters", LocalCounters())


def document() -> dict[str, Any]:
    found: dict[str, Any] = Client().get("//openapi.json").json()
    return found


def operations() -> Iterator[Operation]:
    """Each as (id, method, path, what the document says)."""
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            yield operation["operationId"], method, path, operation


def secret_fields(operation: dict[str, Any], schemas: dict[str, Any]) -> set[str]:
    """Names in any body, at any depth, and of parameters that look like a secret's."""
    found: set[str] = set()

    def look(schema: dict[str, Any]) -> None:
        if name := schema.get("$ref"):
            schema = schemas[name.rpartition("/")[2]]
        for field, inner in schema.get("properties", {}).items():
            if SECRET.search(field) or inner.get("format") == "password":
                found.add(field)
            look(inner)
        for inner in (*schema.get("allOf", ()), *schema.get("oneOf", ()), schema.get("items", {})):
            if inner:
                look(inner)

    for content in operation.get("requestBody", {}).get("content", {}).values():
        look(content["schema"])
    found |= {p["name"] for p in operation.get("parameters", ()) if SECRET.search(p["name"])}
    return found


def below_the_api(path: str) -> str:
    short = path.removeprefix("/api/v1")
    return short if short != path else f"/{path}"


def filled(body: Body, number: int, token: str) -> Body:
    bent = token[:-4] + f"{number:04}"
    return {
        name: text.replace("token{}", bent).replace("{}", str(number))
        for name, text in body.items()
    }


def send(client: Client, method: str, path: str, body: Body, kind: str) -> Any:
    if kind == FORM:
        return client.form(path, urlencode(body))
    return getattr(client, method)(path, body)


def test_every_secret_of_the_document_is_in_the_table() -> None:
    schemas = document()["components"]["schemas"]
    found = {name for name, _, _, said in operations() if secret_fields(said, schemas)}
    assert found | UNDESCRIBED == set(GUESSES) | STORED


def test_no_other_deletion_reads_a_body() -> None:
    """For those the document can't tell."""

    def routes(patterns: Any) -> Iterator[URLPattern]:
        for pattern in patterns:
            if isinstance(pattern, URLPattern):
                yield pattern
            else:
                yield from routes(pattern.url_patterns)

    views = {getattr(route.callback, "cls", None) for route in routes(get_resolver().url_patterns)}
    reading = {
        view.__name__
        for view in views
        for name in ("delete", "destroy")
        if view is not None and "request.data" in source_of(getattr(view, name, None))
    }
    assert reading == {"MeView"}


def source_of(method: Any) -> str:
    return inspect.getsource(method) if method else ""


@pytest.mark.parametrize(
    ("name", "guess"),
    [(name, guess) for name, guesses in GUESSES.items() for guess in guesses],
    ids=lambda given: given if isinstance(given, str) else "-".join(given.body),
)
def test_wrong_values_are_refused_and_then_too_many(
    name: str,
    guess: Guess,
    alice: User,
    admin: User,
    monkeypatch: pytest.MonkeyPatch,
    subtests: pytest.Subtests,
) -> None:
    owner = Client()
    pair = owner.sign_in("alice")
    before = set(DeviceSession.objects.live().values_list("pk", "generation"))
    [(_, method, path, said)] = [found for found in operations() if found[0] == name]
    kinds = list(said.get("requestBody", {}).get("content", {})) or [JSON]
    for kind in kinds:
        with subtests.test(kind):
            anew(monkeypatch)
            streaks.local_streaks = LocalStreaks()
            client = Client()
            if guess.signed_in:
                signed_in = Client()
                signed_in.sign_in(guess.signed_in)
                client.access_token = signed_in.access_token
                before = set(DeviceSession.objects.live().values_list("pk", "generation"))
                anew(monkeypatch)
            answers = [
                send(
                    client,
                    method,
                    below_the_api(path),
                    filled(guess.body, number, pair["refresh_token"]),
                    kind,
                )
                for number in range(guess.tries + 1)
            ]
            assert {answer.status_code for answer in answers[:-1]} == {guess.status}
            assert answers[-1].status_code == 429
            assert int(answers[-1].headers["Retry-After"]) >= 1
            if name == "auth_introspect":
                assert [answer.json() for answer in answers[:-1]] == [{"active": False}] * QUOTA
    assert set(DeviceSession.objects.live().values_list("pk", "generation")) == before
    assert User.objects.get(pk=alice.pk).is_active
    assert User.objects.get(pk=alice.pk).check_password(PASSWORD)


@pytest.mark.parametrize("credential", ["access token", "key", "scheme"])
def test_no_operation_lets_a_credential_be_guessed_without_end(
    credential: str, alice: User, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The Bearer of every operation that takes one."""
    settings.AUTH_LIMIT_RATES = settings.AUTH_LIMIT_RATES | {"anonymous": parse_rates("3/m")}
    owner = Client()
    owner.sign_in("alice")
    key = owner.post("/api-keys", {"name": "x", "scopes": []}).json()["key"]
    guessed = {
        "access token": str(owner.access_token)[:-4] + "AAAA",
        "key": f"{key[:-4]}AAAA",
        "scheme": "x",
    }[credential]
    asked = 0
    for name, method, path, said in list(operations()):
        if {"bearer": []} not in said.get("security", []):
            continue
        path = re.sub(
            r"\{(\w+)\}", lambda m: "x" if m[1] in {"name", "kid"} else str(uuid4()), path
        )
        anew(monkeypatch)
        statuses = [
            getattr(Client(guessed), method)(below_the_api(path)).status_code for _ in range(4)
        ]
        assert statuses == [401, 401, 401, 429], name
        asked += 1
    assert asked > 40


@pytest.mark.parametrize("page", account_pages, ids=lambda page: page.name)
def test_the_pages_behind_links_are_limited_as_the_api_is(page: URLPattern) -> None:
    browser = Client().django
    wrong = {"token": "wrong", "new_password": NEW}
    statuses = [browser.post(f"/account/{page.pattern}", wrong).status_code for _ in range(11)]
    assert statuses == [422] * 10 + [429]
    answer = Client().post("/auth/email/verify", {"token": "wrong"})
    assert_problem(answer, 429, "rate_limited")


def test_the_consoles_sign_in_is_limited_as_the_api_is(admin: User) -> None:
    def told(password: str) -> str:
        sent = {"username": "root", "password": password}
        answer = Client().django.post("/admin/login/", sent)
        assert answer.status_code == 200
        return " ".join(answer.context["form"].non_field_errors())

    assert {told("wrong") for _ in range(5)} == {
        "This e-mail or username and password don't open the console."
    }
    assert "Too many requests" in told(PASSWORD)
    body = {"username": "root", "password": PASSWORD}
    assert_problem(Client().post("/auth/login", body), 429, "rate_limited")


def test_a_million_codes_take_years_from_any_addresses(make_user: Callable[..., User]) -> None:
    """What one hour of asking and guessing gets, with a new address for every request."""
    make_user("target")
    looked_at = hour = 0
    for number in range(200):
        away = {"REMOTE_ADDR": f"203.0.{number}.1"}
        asked = Client().post("/auth/email/resend", {"email": "target@example.com"}, **away)
        if asked.status_code == 429:
            hour = int(asked.headers["Retry-After"])
            break
        code = letter("verify your").code
        for guess in range(20):
            body = {"email": "target@example.com", "code": other_code(code)}
            away = {"REMOTE_ADDR": f"198.51.{number}.{guess}"}
            assert Client().post("/auth/email/verify", body, **away).status_code == 422
        row = User.objects.get(username="target").one_time_tokens.get()
        looked_at += row.tries
    assert 3500 < hour <= 3600
    assert looked_at == 15
    assert 10**6 / looked_at / 24 / 365 > 7


def test_signing_in_anew_gives_no_more_tries_of_a_code(make_user: Callable[..., User]) -> None:
    make_user("target")
    Client().post("/auth/email/resend", {"email": "target@example.com"})
    code = letter("verify your").code
    for number in range(6):
        Client().sign_in("target") if number < 4 else None
        body = {"email": "target@example.com", "code": other_code(code)}
        away = {"REMOTE_ADDR": f"198.51.100.{number}"}
        assert Client().post("/auth/email/verify", body, **away).status_code == 422
    body = {"email": "target@example.com", "code": code}
    assert_problem(Client().post("/auth/email/verify", body), 422, "validation_error")
    assert not User.objects.get(username="target").email_verified


def test_wrong_codes_and_passwords_have_counters_of_their_own(alice: User) -> None:
    """Guessing the one uses up nothing of the other."""
    Client().post("/auth/email/resend", {"email": "alice@example.com"})
    code = letter("verify your").code
    for number in range(9):
        wrong = {"email": "alice@example.com", "code": other_code(code)}
        assert Client().post("/auth/email/verify", wrong).status_code == 422, number
    for _ in range(3):
        wrong = {"username": "alice", "password": "wrong"}
        assert Client().post("/auth/login", wrong).status_code == 401
    assert Client().sign_in("alice")
