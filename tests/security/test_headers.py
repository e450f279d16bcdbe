"""Every answer of every route carries the security headers, refusals and failures too."""

import re
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client as DjangoClient
from pytest_django import Settings

from security.rates import parse_rates
from tests.client import PASSWORD, Client
from tests.security.routes import EVERY_ROUTE

STRICT = [
    "default-src 'self'",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
]
# A mailed link's page tells nobody at all where it is.
REFERRER_POLICIES = {"same-origin", "no-referrer"}


def assert_guarded(answer: Any) -> None:
    headers = answer.headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] in REFERRER_POLICIES
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]
    assert re.fullmatch(r"[A-Za-z0-9._-]{8,128}", headers["X-Request-ID"])
    assert not {"Server", "X-Powered-By"} & set(headers)
    policy = headers["Content-Security-Policy"]
    assert [part for part in STRICT if part not in policy] == []
    assert "unsafe" not in policy
    assert "*" not in policy
    assert "http" not in policy
    if "public" in headers["Cache-Control"]:
        assert not answer.cookies
    else:
        assert "no-store" in headers["Cache-Control"]
        vary = {name.strip() for name in headers["Vary"].split(",")}
        assert {"Authorization", "Cookie"} <= vary


@pytest.mark.parametrize("route", EVERY_ROUTE)
@pytest.mark.parametrize("method", ["get", "post", "options"])
def test_every_route_is_guarded(client: Client, route: str, method: str) -> None:
    assert_guarded(client.call(method, route, {} if method == "post" else None))


@pytest.mark.parametrize("route", EVERY_ROUTE)
def test_every_route_is_guarded_for_who_may_see_it(operator: Client, route: str) -> None:
    if route.startswith("//admin"):
        signed_in = {"username": "root", "password": PASSWORD, "next": "/admin/"}
        assert operator.django.post("/admin/login/", signed_in).status_code == 302
    assert_guarded(operator.get(route))


@pytest.mark.parametrize(
    ("method", "route", "status"),
    [
        ("get", "/no/such/thing", 404),
        ("get", "//no/such/thing", 404),
        ("get", "//static/no-such.css", 404),
        ("get", "//%00", 404),
        ("delete", "//docs", 405),
        ("get", "/users/me", 401),
        ("post", "//account/verify", 403),
        ("head", "/health", 200),
        ("head", "//no/such/thing", 404),
    ],
)
def test_a_refusal_is_guarded(client: Client, method: str, route: str, status: int) -> None:
    client.django = DjangoClient(enforce_csrf_checks=True, raise_request_exception=False)
    answer = client.call(method, route)
    assert answer.status_code == status
    assert_guarded(answer)


def test_so_is_one_for_its_host_its_size_or_its_body(client: Client) -> None:
    body = {"username": "x" * 2_000_000, "password": "x"}
    answers = [
        client.get("/health", headers={"host": "evil.example"}),
        client.get("//admin/", headers={"host": "evil.example"}),
        client.post("/auth/login", body),
        client.django.generic("POST", "/api/v1/auth/login", "[", "application/json"),
    ]
    assert [answer.status_code for answer in answers] == [400, 400, 413, 400]
    for answer in answers:
        assert_guarded(answer)


def test_so_is_one_for_its_number(limits_on: None, client: Client, settings: Settings) -> None:
    rates = {"login": parse_rates("1/h"), "verify": parse_rates("1/h")}
    settings.AUTH_LIMIT_RATES = settings.AUTH_LIMIT_RATES | rates
    body = {"username": "never-seen-before", "password": PASSWORD}
    answers = [client.post("/auth/login", body) for _ in range(2)]
    assert answers[-1].status_code == 429
    assert_guarded(answers[-1])


@pytest.mark.parametrize(
    ("failure", "status"), [(RuntimeError("inner"), 500), (OperationalError("gone"), 503)]
)
@pytest.mark.parametrize(
    ("route", "broken"),
    [
        ("/auth/login", "accounts.api.login.log_in"),
        ("//account/verify", "authsite.account_pages.enforce"),
        ("//admin/login/", "authsite.console.enforce"),
    ],
)
def test_so_is_a_failure(
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
    route: str,
    broken: str,
    failure: Exception,
    status: int,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise failure

    monkeypatch.setattr(broken, fail)
    if route.startswith("//"):
        sent = {"username": "x", "password": "x", "token": "x"}
        answer = client.django.post(route[1:], sent)
    else:
        answer = client.post(route, {"username": "x", "password": "x"})
    assert answer.status_code == status
    assert_guarded(answer)


def test_so_is_a_redirect_to_https(client: Client, settings: Settings) -> None:
    settings.HTTPS_ONLY = settings.SECURE_SSL_REDIRECT = True
    for route, status in (("//admin/", 301), ("/auth/login", 403)):
        answer = client.get(route)
        assert answer.status_code == status
        assert_guarded(answer)


@pytest.mark.parametrize("route", EVERY_ROUTE)
def test_only_https_carries_hsts(client: Client, route: str) -> None:
    assert "Strict-Transport-Security" not in client.get(route).headers
    answer = client.get(route, secure=True)
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"
