"""No secret is ever written, to the log or to a table, and each log line is one JSON object."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from django.conf import settings as django_settings
from django.core import serializers as rows
from django.db import OperationalError
from pytest_django import Settings
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from accounts.models import MailRequest, OneTimeToken, OutgoingMail, User
from accounts.services.mail_answers import answer_requests
from authsite.gunicorn import ServerLogger
from security.logs import get_logger
from security.models import AuditEvent
from sessions_app.models import DeviceSession
from tests.accounts.mailbox import letters
from tests.client import PASSWORD, Client
from tests.service import Service

CANARY = "canary-7f3a9"
DSN = f"postgres://auth:{CANARY}@db.example:5432/auth"
METRICS_TOKEN = f"{CANARY}-metrics-token-0123456789"
NEW_PASSWORD = f"{CANARY} under seven moons"
LINE_BREAKS = "\r\n\u2028\u2029\x85\x0b\x0c\x1e"


@pytest.fixture
def log() -> Iterator[Callable[[], str]]:
    """Everything that leaves by the configured formatter, as text."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(configured_formatter())
    root = logging.getLogger()
    root.addHandler(handler)
    yield stream.getvalue
    root.removeHandler(handler)


def configured_formatter() -> logging.Formatter:
    """The one of settings.LOGGING."""
    described = dict(django_settings.LOGGING["formatters"]["json"])
    factory = described.pop("()")
    formatter: logging.Formatter = factory(**described)
    return formatter


def events(text: str) -> list[dict[str, Any]]:
    """The log's lines, each of which must be one JSON object."""
    found = [json.loads(line) for line in text.splitlines()]
    assert all(isinstance(event, dict) for event in found)
    return found


def stored() -> str:
    """Every row that a flow may leave behind, users' hashes apart."""
    models = (
        AuditEvent,
        DeviceSession,
        MailRequest,
        OneTimeToken,
        OutgoingMail,
        OutstandingToken,
    )
    return "".join(rows.serialize("json", model.objects.all()) for model in models)


def assert_nowhere(secrets: list[str], *texts: str) -> None:
    assert all(len(secret) >= 8 for secret in secrets)
    for text in texts:
        found = [secret for secret in secrets if secret in text]
        assert not found


def test_a_secret_would_be_found(db: None, log: Callable[[], str]) -> None:
    """The nets below hold: what is written does arrive in them."""
    logging.getLogger("anything").warning("%s", CANARY)
    get_logger("anything").warning(CANARY)
    AuditEvent.objects.create(kind="user.changed", details={"note": CANARY})
    assert [event["event"] for event in events(log())] == [CANARY, CANARY]
    assert CANARY in stored()


def test_no_flow_writes_a_secret(
    client: Client, alice: User, admin: User, settings: Settings, log: Callable[[], str]
) -> None:
    settings.AUTH_METRICS_TOKEN = METRICS_TOKEN
    secrets = [PASSWORD, NEW_PASSWORD, METRICS_TOKEN]

    def noted(pair: dict[str, str]) -> dict[str, str]:
        tokens = [pair["access_token"], pair["refresh_token"]]
        # The signature alone makes a token of the rest, which is public.
        secrets.extend([*tokens, *(token.rpartition(".")[2] for token in tokens)])
        return pair

    body = {"email": "new@example.com", "password": PASSWORD, "is_admin": True, "secret": CANARY}
    assert client.post("/auth/register", body).status_code == 201
    client.post("/auth/register", body)
    client.post("/auth/register", body | {"email": "not an address"})
    client.post("/auth/login", {"username": "alice", "password": CANARY})
    client.post("/auth/login", {"username": CANARY, "password": PASSWORD})
    client.post("/auth/login", f'{{"password": "{CANARY}"')
    client.form("/auth/login-form", f"username=alice&password={CANARY}&password={CANARY}")
    pair = noted(client.sign_in("alice"))
    client.get(f"/users/me?access_token={pair['access_token']}&password={CANARY}")
    client.patch("/users/me", {"first_name": "Alicia", "password": CANARY})
    client.patch("/users/me", {"role": CANARY})
    change = {"current_password": CANARY, "new_password": NEW_PASSWORD}
    client.post("/users/me/password", change)
    client.post("/users/me/password", change | {"current_password": PASSWORD})
    newest = noted(client.refresh(pair["refresh_token"]).json())
    newer = noted(client.refresh(newest["refresh_token"]).json())
    client.get("/users/me", headers={"authorization": f"Bearer {newest['access_token']}"})
    client.get("/users/me", headers={"authorization": f"Basic {CANARY}"})
    client.get("/users/me", headers={"authorization": f"Bearer {CANARY} {CANARY}"})
    # A reuse, which is audited and told by mail.
    assert client.refresh(pair["refresh_token"]).status_code == 401
    client.post("/auth/logout", {"refresh_token": newer["refresh_token"]})
    client.django.cookies["refresh_token"] = CANARY
    client.post("/auth/refresh")
    client.django.cookies.clear()
    noted(client.sign_in("new@example.com"))
    client.delete("/users/me", {"password": CANARY})
    client.delete("/users/me", {"password": PASSWORD})
    noted(client.sign_in("root"))
    client.delete("/users/me")
    client.get("/metrics")
    client.access_token = METRICS_TOKEN
    assert client.get("/metrics").status_code == 200
    client.access_token = METRICS_TOKEN + "x"
    client.get("/metrics")

    assert {"refresh.reused", "password.changed", "user.deactivated"} <= {
        event["event"] for event in events(log())
    }
    assert OutgoingMail.objects.count() == 3
    assert_nowhere([*secrets, CANARY], log(), stored())


def test_a_mailed_token_is_in_the_mail_alone(
    client: Client, alice: User, log: Callable[[], str]
) -> None:
    client.sign_in("alice")
    body = {"new_email": "new@example.com", "password": PASSWORD}
    client.post("/auth/email/change", body)
    client.post("/auth/email/resend", {"email": "alice@example.com"})
    client.post("/auth/password/forgot", {"email": "alice@example.com"})
    found = {letter.link.rpartition("/")[2]: letter.token for letter in letters()}
    client.post("/auth/email/verify", {"token": found["verify"]})
    client.post("/auth/email/verify", {"token": found["verify"]})
    client.post("/auth/password/reset", {"token": found["reset"], "new_password": "short"})
    client.post("/auth/email/verify", {"token": found["email"]})
    answer_requests()
    (waiting,) = OutgoingMail.objects.filter(sent_at=None)
    way_back = waiting.text().partition("#token=")[2].split()[0]
    assert {"email.verified", "email.changed"} <= {event["event"] for event in events(log())}
    assert_nowhere([*found.values(), way_back, PASSWORD], log(), stored())


def test_a_failure_tells_neither_locals_nor_the_secrets_in_its_text(
    client: Client, alice: User, monkeypatch: pytest.MonkeyPatch, log: Callable[[], str]
) -> None:
    def fail(**given: Any) -> None:
        local = f"{CANARY} in a local variable"
        reason = f"no route to {DSN}; password={CANARY}, token: {CANARY}, Bearer {CANARY}"
        raise RuntimeError(reason) from ValueError(local and reason)

    monkeypatch.setattr("accounts.api.login.log_in", fail)
    answer = client.post("/auth/login", {"username": "alice", "password": PASSWORD})
    assert answer.status_code == 500
    (failure,) = [event for event in events(log()) if "exception" in event]
    assert failure["exception"] == "RuntimeError"
    assert "no route to postgres://" in failure["exception_text"]
    assert any("test_logs.py" in frame for frame in failure["traceback"])
    assert failure["request_id"] == answer.headers["X-Request-ID"]
    assert_nowhere([CANARY, PASSWORD], log(), answer.content.decode())


@pytest.mark.parametrize(
    "failure",
    [
        OperationalError(f"connection to {DSN} failed"),
        psycopg.OperationalError(f"connection failed: {DSN}"),
        ValueError(f"connection string: {DSN}"),
    ],
    ids=lambda failure: type(failure).__module__ + type(failure).__name__,
)
def test_a_dsn_in_an_exception_is_not_written(
    client: Client,
    alice: User,
    monkeypatch: pytest.MonkeyPatch,
    log: Callable[[], str],
    failure: Exception,
) -> None:
    def fail(**_: Any) -> None:
        raise failure

    monkeypatch.setattr("accounts.api.login.log_in", fail)
    answer = client.post("/auth/login", {"username": "alice", "password": PASSWORD})
    assert answer.status_code in (500, 503)
    assert events(log())
    assert_nowhere([CANARY, PASSWORD], log(), answer.content.decode())


@pytest.mark.parametrize(
    "message",
    [
        f"password={CANARY}",
        f"'password': '{CANARY}'",
        f'{{"token": "{CANARY}"}}',
        f"Authorization: Bearer {CANARY}",
        f"redis://:{CANARY}@cache:6379/0",
        f"{DSN}?sslmode=require",
        f"postgres://auth:p@ss/{CANARY}@db.example/auth",
        "x" * 1960 + f" {DSN}",
    ],
)
def test_a_secret_in_somebody_elses_message_is_removed(
    log: Callable[[], str], message: str
) -> None:
    logging.getLogger("some.library").error("failed: %s", message)
    get_logger("ours").error("failed", about=message, nested={"inner": [message]})
    assert len(events(log())) == 2
    assert_nowhere([CANARY], log())


@pytest.mark.parametrize(
    "name", ["password", "new_password", "access_token", "Authorization", "cookie", "SECRET_KEY"]
)
def test_a_field_with_a_secrets_name_is_removed(log: Callable[[], str], name: str) -> None:
    get_logger("ours").error("failed", **{name: CANARY}, inner={name: [CANARY]})
    assert_nowhere([CANARY], log())


def test_line_breaks_never_break_a_line(
    client: Client, alice: User, log: Callable[[], str]
) -> None:
    forged = f'{LINE_BREAKS}{{"event": "forged"}}{LINE_BREAKS}'
    client.headers = {"user_agent": f"Firefox{forged}"}
    client.sign_in("alice")
    client.get(f"/no{forged}")
    client.post("/auth/login", {"username": forged, "password": "wrong"})
    client.patch("/users/me", {"first_name": forged})
    logging.getLogger("some.library").error("failed: %s", forged)
    found = events(log())
    assert "forged" not in {event["event"] for event in found}
    assert len(found) == log().count("\n")
    event = AuditEvent.objects.get(kind="login.succeeded")
    assert event.user_agent.isprintable()


def test_a_request_is_one_line_with_its_id(client: Client, log: Callable[[], str]) -> None:
    answer = client.get("/users/me", headers={"x-request-id": "a-request-of-this-test"})
    assert answer.status_code == 401
    (line,) = events(log())
    expected = {
        "event": "request",
        "method": "GET",
        "path": "/api/v1/users/me",
        "route": "me",
        "status": 401,
        "ip": "127.0.0.1",
        "request_id": "a-request-of-this-test",
        "level": "info",
    }
    assert {name: line[name] for name in expected} == expected
    assert line["timestamp"].endswith("Z")
    assert line["ms"] >= 0


def test_a_request_names_its_user_and_session(
    client: Client, alice: User, log: Callable[[], str]
) -> None:
    pair = client.sign_in("alice")
    client.get("/users/me")
    key = client.post("/api-keys", {"name": "script"}).json()
    Client(key["key"]).get("/users/me")
    by_session, by_key = [e for e in events(log()) if e.get("route") == "me"]
    assert (by_session["user"], by_session["session"]) == (str(alice.pk), pair["session_id"])
    # The prefix names a key without giving it away; a field called api_key is always removed.
    assert (by_key["user"], by_key["key_prefix"]) == (str(alice.pk), key["prefix"])


def test_the_running_service_writes_json_without_secrets(embedded_service: Service) -> None:
    name = "log-reader@example.com"
    agent = {"User-Agent": "curl \u2028 8.5".encode()}
    with embedded_service.client(headers=agent) as http:
        body = {"email": name, "password": NEW_PASSWORD}
        http.post("/auth/register", json=body)
        pair = http.post("/auth/login", json=body).json()
        headers = {"Authorization": f"Bearer {pair['access_token']}"}
        assert http.get("/users/me", headers=headers).status_code == 200
        http.get("/no%0d%0a%e2%80%a8such", headers=headers)
        successor = http.post("/auth/refresh").cookies["refresh_token"]
        http.post("/auth/login", content=b"\xff" * 100)
    text = embedded_service.log.read_text()
    from_requests = [line for line in text.splitlines() if '"request_id"' in line]
    assert len(events("\n".join(from_requests))) > 5
    assert_nowhere([NEW_PASSWORD, pair["access_token"], pair["refresh_token"], successor], text)


def test_gunicorn_makes_up_no_line_about_a_request() -> None:
    """There is nothing here to make one from, so trying would fail."""
    ServerLogger.__new__(ServerLogger).access(None, None, {}, None)
