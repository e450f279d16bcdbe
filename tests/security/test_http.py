"""What every answer carries, whatever its route."""

from typing import Any
from uuid import UUID

import pytest
from django.db import InternalError
from pytest_django import Settings

from accounts.models import User
from security.models import AuditEvent
from tests.client import PASSWORD, Client, assert_problem
from tests.security.routes import API_ROUTES, ROUTES

METRICS_TOKEN = "a-metrics-token-of-the-tests-0123456789"
PAGES = {
    "API": "/health",
    "API error": "/users/me",
    "API 404": "/no/such/thing",
    "404": "//no/such/thing",
    "docs": "//docs",
    "redoc": "//redoc",
    "errors": "//docs/errors",
    "schema": "//openapi.json",
    "root": "//",
    "JWKS": "//.well-known/jwks.json",
    "console": "//admin/",
    "console sign-in": "//admin/login/",
    "console 404": "//admin/no/such/thing/",
    "too large": "/auth/login",
}


def page(client: Client, name: str) -> Any:
    if name == "too large":
        return client.post(PAGES[name], "x" * 2_000_000)
    return client.get(PAGES[name])


every_page = pytest.mark.parametrize("name", PAGES)


def test_routes_are_found() -> None:
    assert {"/auth/login", "/users/me", "/metrics"} <= set(API_ROUTES)
    assert {"//", "//health/live", "//docs", "//.well-known/jwks.json"} <= set(ROUTES)


@pytest.mark.parametrize("route", [route for route in ROUTES if route != "//"])
@pytest.mark.parametrize("method", ["get", "post", "put", "delete", "options"])
def test_a_trailing_slash_is_optional_and_never_a_redirect(
    client: Client, route: str, method: str
) -> None:
    plain = client.call(method, route, {} if method != "get" else None)
    slashed = client.call(method, f"{route}/", {} if method != "get" else None)
    assert slashed.status_code == plain.status_code
    assert slashed.headers["Content-Type"] == plain.headers["Content-Type"]
    if route != "//favicon.ico":
        assert plain.status_code not in (301, 302, 307, 308)


def test_a_body_survives_the_trailing_slash(client: Client, alice: User) -> None:
    answer = client.post("/auth/login/", {"username": "alice", "password": PASSWORD})
    assert answer.status_code == 200


# --- X-Request-ID


@pytest.mark.parametrize("given", ["abcdefgh", "A-b_c.1234", "x" * 128])
def test_a_safe_request_id_is_kept(client: Client, given: str) -> None:
    answer = client.get("/users/me", headers={"x-request-id": given})
    assert answer.headers["X-Request-ID"] == given
    assert answer.json()["request_id"] == given


@pytest.mark.parametrize(
    "given",
    ["", "short", "x" * 129, "with space", "a;b:c=defgh", "<script>", "ünsafe-id", "a\nbcdefgh"],
)
def test_an_unsafe_request_id_is_replaced(client: Client, given: str) -> None:
    answer = client.get("/users/me", headers={"x-request-id": given})
    assert UUID(answer.headers["X-Request-ID"]).version == 7


@every_page
def test_every_answer_has_a_request_id_of_its_own(client: Client, name: str) -> None:
    first, second = page(client, name), page(client, name)
    assert first.headers["X-Request-ID"]
    assert first.headers["X-Request-ID"] != second.headers["X-Request-ID"]


# --- Storing


@pytest.mark.parametrize("route", API_ROUTES)
def test_the_api_is_never_stored(client: Client, route: str) -> None:
    for answer in (client.get(route), client.post(route, {})):
        assert "no-store" in answer.headers["Cache-Control"]
        vary = {name.strip() for name in answer.headers["Vary"].split(",")}
        assert {"Authorization", "Cookie"} <= vary


@pytest.mark.parametrize("route", ["//metrics", "//health", "//admin/login/"])
def test_personal_and_live_answers_are_not_stored(client: Client, route: str) -> None:
    client.access_token = "nonsense"
    assert "no-store" in client.get(route).headers["Cache-Control"]


@every_page
def test_only_what_a_view_calls_cacheable_is_stored(client: Client, name: str) -> None:
    policy = client.get(PAGES[name]).headers["Cache-Control"]
    assert "no-store" in policy or "public" in policy


def test_the_public_keys_may_be_stored_and_asked_for_again(client: Client) -> None:
    answer = client.get("//.well-known/jwks.json")
    assert answer.headers["Cache-Control"] == "public, max-age=300"
    again = client.get("//.well-known/jwks.json", headers={"if-none-match": answer.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    for key in answer.json()["keys"]:
        assert not {"d", "p", "q", "dp", "dq", "qi"} & set(key)


# --- Errors outside the API


@pytest.mark.parametrize(
    "path",
    [
        "//nothing",
        "//health/nothing",
        "//.well-known/nothing",
        "//docs/nothing",
        "//%00",
        "//%ff",
        "//index.php",
        "//static/nothing.css",
    ],
)
def test_a_404_outside_the_api_is_a_problem(client: Client, path: str) -> None:
    assert_problem(client.get(path), 404, "not_found")


@pytest.mark.parametrize(
    "path",
    [
        "//",
        "//health",
        "//health/live",
        "//metrics",
        "//openapi.json",
        "//docs",
        "//redoc",
        "//docs/errors",
        "//.well-known/jwks.json",
    ],
)
@pytest.mark.parametrize("method", ["post", "delete", "put"])
def test_a_405_outside_the_api_is_a_problem(client: Client, path: str, method: str) -> None:
    answer = client.call(method, path, {})
    assert_problem(answer, 405, "method_not_allowed")
    assert "GET" in answer.headers["Allow"]


@pytest.mark.parametrize(
    ("method", "path", "content_type"),
    [
        ("get", "/auth/login", "application/json"),
        ("get", "/nothing", "application/json"),
        ("get", "/users/me", "application/json"),
        ("post", "/auth/login", "text/plain"),
        ("post", "/auth/login", "application/json"),
    ],
)
def test_the_type_of_a_problem_leads_to_its_explanation(
    client: Client, method: str, path: str, content_type: str
) -> None:
    answer = client.django.generic(method.upper(), f"/api/v1{path}", "[", content_type)
    address, _, anchor = answer.json()["type"].partition("#")
    assert address.endswith("/docs/errors")
    assert f'id="{anchor}"' in client.get("//docs/errors").content.decode()


def test_a_host_that_is_not_ours_is_400(client: Client) -> None:
    answer = client.get("/health", headers={"host": "evil.example"})
    assert_problem(answer, 400, "malformed_request")


def test_a_500_is_a_problem_that_tells_nothing(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("the inner workings")

    monkeypatch.setattr("accounts.api.login.log_in", fail)
    answer = client.post("/auth/login", {"username": "alice", "password": PASSWORD})
    assert_problem(answer, 500, "internal_error")
    assert b"inner workings" not in answer.content


# --- Health


def test_live_touches_nothing(client: Client, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        answer = client.get("//health/live")
    assert (answer.status_code, answer.json()) == (200, {"status": "alive"})


@pytest.mark.parametrize("path", ["//health", "/health", "//health/ready"])
def test_health_names_each_part(client: Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    body = answer.json()
    assert body["database"] == "connected"
    assert body["version"]
    assert body["uptime_seconds"] >= 0
    assert body["timestamp"].endswith("Z")
    # No worker runs beside this test.
    assert body["status"] == "degraded"
    parts = dict.fromkeys(("database", "cache", "migrations", "signing_key"), "ok")
    assert body["checks"] == parts | {"worker": "failing"}


def test_health_tells_no_secret_and_no_address(client: Client, settings: Settings) -> None:
    text = client.get("//health").content.decode()
    for secret in (settings.SECRET_KEY, *settings.KEY_ENCRYPTION_KEYS):
        assert secret not in text
    assert str(settings.DATABASES["default"]["NAME"]) not in text


# --- Metrics

both_metrics = pytest.mark.parametrize("path", ["/metrics", "//metrics"])


@both_metrics
def test_an_admin_reads_the_metrics(client: Client, admin: User, path: str) -> None:
    client.sign_in("root")
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert b"auth_requests_total" in answer.content
    assert b"auth_sign_ins_total" in answer.content


@both_metrics
@pytest.mark.parametrize("role", ["user", "guest", "moderator", "model_manager"])
def test_no_other_role_reads_the_metrics(
    client: Client, make_user: Any, path: str, role: str
) -> None:
    make_user("somebody", role=role)
    client.sign_in("somebody")
    assert_problem(client.get(path), 403, "permission_denied")


@both_metrics
def test_nobody_without_a_token_reads_the_metrics(client: Client, path: str) -> None:
    answer = client.get(path)
    assert_problem(answer, 401, "not_authenticated")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@both_metrics
def test_the_metrics_token_reads_the_metrics_and_nothing_else(
    client: Client, settings: Settings, path: str
) -> None:
    settings.AUTH_METRICS_TOKEN = METRICS_TOKEN
    client.access_token = METRICS_TOKEN
    assert client.get(path).status_code == 200
    assert_problem(client.get("/users/me"), 401, "token_invalid")


@both_metrics
@pytest.mark.parametrize("wrong", [METRICS_TOKEN[:-1], METRICS_TOKEN + "0", "ünknown", "x"])
def test_a_wrong_metrics_token_is_401(
    client: Client, settings: Settings, path: str, wrong: str
) -> None:
    settings.AUTH_METRICS_TOKEN = METRICS_TOKEN
    client.access_token = wrong
    assert_problem(client.get(path), 401, "token_invalid")


def test_without_a_configured_token_none_fits(client: Client, settings: Settings) -> None:
    settings.AUTH_METRICS_TOKEN = ""
    for header in ("Bearer ", "Bearer", ""):
        answer = client.get("/metrics", headers={"authorization": header})
        assert answer.status_code == 401


def test_metrics_have_no_label_that_a_client_chooses(client: Client, admin: User) -> None:
    client.get("/no/such/canary-path")
    client.django.generic("CANARY", "/api/v1/users/me")
    client.sign_in("root")
    assert b"canary" not in client.get("/metrics").content.lower()


# --- The client's address


def seen_address(client: Client, peer: str, forwarded_for: str | None, **others: str) -> str | None:
    """The address that the trail keeps of a failed sign-in."""
    headers = {name.replace("_", "-"): value for name, value in others.items()}
    if forwarded_for is not None:
        headers["x-forwarded-for"] = forwarded_for
    answer = client.post(
        "/auth/login",
        {"username": "nobody", "password": "nothing"},
        headers=headers,
        REMOTE_ADDR=peer,
    )
    assert answer.status_code == 401
    event = AuditEvent.objects.filter(kind="login.failed").latest("pk")
    return event.ip_address


@pytest.mark.parametrize("peer", ["203.0.113.9", "10.0.0.1", "2001:db8::9"])
def test_without_a_proxy_the_peer_is_the_client(
    client: Client, settings: Settings, peer: str
) -> None:
    settings.TRUSTED_PROXIES = []
    assert seen_address(client, peer, "198.51.100.7") == peer
    assert seen_address(client, peer, None, x_real_ip="198.51.100.7") == peer
    assert seen_address(client, peer, None, forwarded="for=198.51.100.7") == peer


@pytest.mark.parametrize(
    ("peer", "forwarded", "seen"),
    [
        ("203.0.113.9", "198.51.100.7", "203.0.113.9"),
        ("10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "1.1.1.1, 198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "1.1.1.1, 198.51.100.7, 10.0.0.2", "198.51.100.7"),
        ("10.0.0.1", "198.51.100.7, 10.0.0.3, 10.0.0.2", "198.51.100.7"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "1.1.1.1, nonsense", "10.0.0.1"),
        ("10.0.0.1", "1.1.1.1, nonsense, 10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "198.51.100.7:1234", "198.51.100.7"),
        ("10.0.0.1", "2001:db8::7", "2001:db8::7"),
        ("10.0.0.1", "::ffff:198.51.100.7", "198.51.100.7"),
        ("::ffff:10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("::ffff:203.0.113.9", "198.51.100.7", "203.0.113.9"),
        ("fd00::1", "198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "fe80::1%eth0", "fe80::1"),
        ("10.0.0.1", " 198.51.100.7 ", "198.51.100.7"),
        ("10.0.0.1", ",".join(["1.1.1.1"] * 1000) + ",198.51.100.7", "198.51.100.7"),
    ],
)
def test_behind_a_proxy_the_nearest_stranger_is_the_client(
    client: Client, settings: Settings, peer: str, forwarded: str | None, seen: str
) -> None:
    settings.TRUSTED_PROXIES = ["10.0.0.0/8", "fd00::/8"]
    assert seen_address(client, peer, forwarded) == seen


@pytest.mark.parametrize(
    "garbage",
    [
        "\x00",
        "999.1.1.1",
        "::::",
        "1.1.1.1%",
        "unknown",
        "_hidden",
        "\xff",
        "," * 5000,
        "1" * 5000,
        "0x7f.1",
        "127.1",
        "<script>",
        "1.1.1.1\t,\t",
    ],
    ids=lambda garbage: repr(garbage[:12]),
)
def test_garbage_from_a_proxy_is_never_a_failure(
    client: Client, settings: Settings, garbage: str
) -> None:
    settings.TRUSTED_PROXIES = ["10.0.0.0/8"]
    assert seen_address(client, "10.0.0.1", garbage) == "10.0.0.1"


@pytest.mark.parametrize("peer", ["", "nonsense", "unix:"])
def test_a_peer_without_an_address_is_unknown(
    client: Client, settings: Settings, peer: str
) -> None:
    settings.TRUSTED_PROXIES = ["10.0.0.0/8"]
    assert seen_address(client, peer, "198.51.100.7") is None


def test_a_stranger_can_not_claim_https(client: Client, alice: User, settings: Settings) -> None:
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    settings.TRUSTED_PROXIES = ["10.0.0.0/8"]
    body = {"username": "alice", "password": PASSWORD}
    for peer, secure in (("203.0.113.9", False), ("10.0.0.1", True)):
        headers = {"x-forwarded-proto": "https"}
        answer = client.post("/auth/login", body, headers=headers, REMOTE_ADDR=peer)
        assert bool(answer.cookies["refresh_token"]["secure"]) is secure


def test_an_answer_is_json_whatever_the_client_would_like(client: Client) -> None:
    for accept in ("text/html", "application/xml", "garbage", "*/*;q=0"):
        answer = client.get("//health/live", headers={"accept": accept})
        assert answer.status_code == 200
        assert answer.json() == {"status": "alive"}


def test_a_database_that_only_reads_is_a_503(
    client: Client, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise InternalError("cannot execute INSERT in a read-only transaction")

    monkeypatch.setattr("accounts.services.login.open_session", refuse)
    answer = client.post("/auth/login", {"username": "alice", "password": PASSWORD})
    assert_problem(answer, 503, "temporarily_unavailable")
