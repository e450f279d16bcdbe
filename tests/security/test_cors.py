"""Pages of other origins read only what the allow-list lets them."""

import pytest
from pytest_django import Settings

from tests.client import Client
from tests.security.routes import EVERY_ROUTE

ALLOWED = "https://app.example.org"
PREFLIGHT = {
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization,content-type",
}


@pytest.fixture(autouse=True)
def allow_list(settings: Settings) -> None:
    settings.CORS_ALLOWED_ORIGINS = [ALLOWED]


def granted(answer: object) -> dict[str, str]:
    headers: dict[str, str] = answer.headers  # type: ignore[attr-defined]
    return {k: v for k, v in headers.items() if k.lower().startswith("access-control-")}


def test_a_listed_origin_is_let_in_with_credentials(client: Client) -> None:
    asked = PREFLIGHT | {"origin": ALLOWED}
    preflight = client.call("options", "/auth/login", headers=asked)
    assert preflight.status_code == 200
    found = granted(preflight)
    assert found["access-control-allow-origin"] == ALLOWED
    assert found["access-control-allow-credentials"] == "true"
    assert "authorization" in found["access-control-allow-headers"]
    assert "Origin" in preflight.headers["Vary"].title()
    answer = client.get("/users/me", headers={"origin": ALLOWED})
    assert answer.status_code == 401
    assert granted(answer)["access-control-allow-origin"] == ALLOWED
    assert "RateLimit" in granted(answer)["access-control-expose-headers"]


def test_without_the_cookie_there_are_no_credentials(client: Client, settings: Settings) -> None:
    settings.CORS_ALLOW_CREDENTIALS = False
    asked = PREFLIGHT | {"origin": ALLOWED}
    found = granted(client.call("options", "/auth/login", headers=asked))
    assert found["access-control-allow-origin"] == ALLOWED
    assert "access-control-allow-credentials" not in found


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "",
        "*",
        "http://app.example.org",
        "https://app.example.org.evil.org",
        "https://app.example.org:8443",
        "https://appXexample.org",
        "https://evil-app.example.org",
        "https://sub.app.example.org",
        "https://app.example.org@evil.org",
        "https://evil.org#https://app.example.org",
        "https://app.example.or",
        "https://[::1",
        "https://app.example.org\\.evil.org",
        "https://app.example.org%00.evil.org",
    ],
)
@pytest.mark.parametrize("method", ["get", "post", "options"])
def test_no_other_origin_reads_anything(client: Client, origin: str, method: str) -> None:
    for route in ("/auth/login", "/users/me", "//.well-known/jwks.json"):
        asked = {"origin": origin} | (PREFLIGHT if method == "options" else {})
        assert granted(client.call(method, route, headers=asked)) == {}


PAGES = [r for r in EVERY_ROUTE if r.startswith(("//admin", "//account", "//docs", "//redoc"))]


@pytest.mark.parametrize("route", PAGES)
def test_pages_for_people_are_read_by_no_origin(client: Client, route: str) -> None:
    """A page of an allowed origin on the same site would be sent the operator's cookie."""
    assert granted(client.get(route, headers={"origin": ALLOWED})) == {}
    asked = PREFLIGHT | {"origin": ALLOWED}
    assert granted(client.call("options", route, headers=asked)) == {}
