"""Passwords that a range service knows from breaches, asked without telling it the password."""

import hashlib
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from accounts import breached_passwords
from accounts.breached_passwords import RangeService
from accounts.models import User
from accounts.services import passwords
from tests.accounts.test_refused_passwords import at_every_entrance, codes, register

PASSWORD = "tapir under eleven moons"
DIGEST = hashlib.sha1(PASSWORD.encode()).hexdigest().upper()
PREFIX, SUFFIX = DIGEST[:5], DIGEST[5:]
OTHER = "0" * 35
DRIPS = 300
# What never answers, and what a busy machine makes of the second that is waited.
LONG, IN_TIME = 30, 10

Reply = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    server: "Ranges"

    def do_GET(self) -> None:
        self.server.requests.append((self.path, dict(self.headers)))
        self.server.reply(self)

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in ({"Content_Length": str(len(body))} | headers).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: Any) -> None:
        """Nothing."""


class Ranges(ThreadingHTTPServer):
    """A range service on this host."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.reply: Reply = says("")
        self.hung_up = Event()
        self.over = Event()
        self.url = f"http://127.0.0.1:{self.server_port}/range"

    def handle_error(self, *_args: Any) -> None:
        self.hung_up.set()


def says(text: str, status: int = 200, **headers: str) -> Reply:
    return lambda handler: handler.answer(status, text.encode(), **headers)


def sleeps(handler: Handler) -> None:
    handler.server.over.wait(LONG)  # type: ignore[attr-defined]


def drips(start: bytes) -> Reply:
    """Sends a byte now and then, each of them in time."""

    def drip(handler: Handler) -> None:
        handler.wfile.write(start)
        for _ in range(DRIPS):
            handler.wfile.write(b"A")
            if handler.server.over.wait(0.1):  # type: ignore[attr-defined]
                return

    return drip


@pytest.fixture
def ranges(settings: Any, db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ranges]:
    monkeypatch.setattr(passwords, "range_service", RangeService())
    with Ranges() as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        settings.AUTH_BREACHED_PASSWORDS_URL = server.url
        yield server
        server.over.set()
        server.shutdown()


def counted(result: str) -> float:
    labels = {"result": result}
    return REGISTRY.get_sample_value("auth_breach_checks_total", labels) or 0.0


def test_by_default_nobody_is_asked(ranges: Ranges, settings: Any) -> None:
    settings.AUTH_BREACHED_PASSWORDS_URL = ""
    ranges.reply = says(f"{SUFFIX}:9")
    assert register(PASSWORD).status_code == 201
    assert ranges.requests == []


@at_every_entrance
def test_a_breached_password_is_refused_everywhere(
    ranges: Ranges, alice: User, admin: User, refuse: Callable[[str], set[str]]
) -> None:
    ranges.reply = says(f"{OTHER}:3\r\n{SUFFIX}:1\r\n")
    assert refuse(PASSWORD) == {"password_breached"}
    assert counted("breached") > 0


def test_five_characters_of_the_digest_leave_the_house(ranges: Ranges) -> None:
    register(PASSWORD)
    ((path, headers),) = ranges.requests
    assert path == f"/range/{PREFIX}"
    assert headers["Add-Padding"] == "true"
    told = f"{path} {headers}".upper()
    assert SUFFIX[:6] not in told
    assert "TAPIR" not in told


@pytest.mark.parametrize(
    "text", [f"{SUFFIX}:12", f"{SUFFIX.lower()}:1\n{OTHER}:0", f"{OTHER}:2\r\n{SUFFIX}:12\r\n"]
)
def test_each_way_to_write_the_lines_is_read(ranges: Ranges, text: str) -> None:
    ranges.reply = says(text)
    assert codes(register(PASSWORD)) == {"password_breached"}


@pytest.mark.parametrize("text", ["", f"{OTHER}:2", f"{OTHER}:2\r\n{SUFFIX}:0\r\n"])
def test_others_and_padding_mean_nothing(ranges: Ranges, text: str) -> None:
    ranges.reply = says(text)
    before = counted("clean")
    assert register(PASSWORD).status_code == 201
    assert counted("clean") == before + 1


@pytest.mark.parametrize("password", ["short", "iloveyou123", "moderator24!"])
def test_what_is_refused_anyway_is_not_asked_for(ranges: Ranges, password: str) -> None:
    assert "password_breached" not in codes(register(password))
    assert ranges.requests == []


OK = b"HTTP/1.1 200 OK\r\n"
UNUSABLE = {
    "an error": says(f"{SUFFIX}:1", 500),
    "a refusal": says(f"{SUFFIX}:1", 429),
    "a redirect": says("", 302, Location="/elsewhere"),
    "a page": says("<html>Sign in to the network</html>"),
    "no text": lambda handler: handler.answer(200, b"\xff\xfe\x00"),
    "half of it": says(f"{SUFFIX}:1", Content_Length="4000"),
    "too much": says(f"{OTHER}:1\r\n" * 40_000),
    "no HTTP": lambda handler: handler.wfile.write(b"220 mail.example ESMTP\r\n"),
    "nothing": lambda handler: None,
    "silence": sleeps,
    "a drip of headers": drips(OK + b"X-Header: "),
    "a drip of the body": drips(OK + b"\r\n"),
    "a drip of chunks": drips(OK + b"Transfer-Encoding: chunked\r\n\r\n"),
}


@pytest.mark.parametrize("reply", UNUSABLE.values(), ids=UNUSABLE.keys())
def test_without_a_usable_answer_the_password_passes_in_time(ranges: Ranges, reply: Reply) -> None:
    ranges.reply = reply
    before, started = counted("failed"), time.monotonic()
    assert register(PASSWORD).status_code == 201
    assert time.monotonic() - started < IN_TIME
    assert counted("failed") == before + 1
    assert len(ranges.requests) == 1


@pytest.mark.parametrize("start", [OK + b"X-Header: ", OK + b"Transfer-Encoding: chunked\r\n\r\n"])
def test_no_thread_goes_on_waiting(ranges: Ranges, start: bytes) -> None:
    ranges.reply = drips(start)
    assert passwords.range_service.has(PASSWORD) is False
    assert ranges.hung_up.wait(2)


def test_a_certificate_that_nobody_vouches_for_is_no_service(
    ranges: Ranges, settings: Any, tmp_path: Path
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed(tmp_path / "localhost.pem"))
    ranges.socket = context.wrap_socket(ranges.socket, server_side=True)
    settings.AUTH_BREACHED_PASSWORDS_URL = ranges.url.replace(
        "http://127.0.0.1", "https://localhost"
    )
    ranges.reply = says(f"{SUFFIX}:1")
    with capture_logs() as events:
        assert passwords.range_service.has(PASSWORD) is False
    assert [event["error"] for event in events] == ["SSLCertVerificationError"]
    assert ranges.requests == []


def self_signed(path: Path) -> Path:
    """A certificate and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    kind = serialization.PrivateFormat.PKCS8
    private = key.private_bytes(pem, kind, serialization.NoEncryption())
    path.write_bytes(private + certificate.public_bytes(pem))
    return path


@pytest.mark.parametrize("host", ["127.0.0.1:1", "name.invalid", "localhost:99999"])
def test_a_service_that_is_not_there_costs_no_more(
    ranges: Ranges, settings: Any, host: str
) -> None:
    settings.AUTH_BREACHED_PASSWORDS_URL = f"http://{host}/range"
    started = time.monotonic()
    assert register(PASSWORD).status_code == 201
    assert time.monotonic() - started < IN_TIME


def test_a_slow_name_server_costs_no_more(ranges: Ranges, monkeypatch: pytest.MonkeyPatch) -> None:
    resolve = socket.getaddrinfo

    def slowly(*args: Any, **options: Any) -> Any:
        ranges.over.wait(LONG)
        return resolve(*args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", slowly)
    started = time.monotonic()
    assert passwords.range_service.has(PASSWORD) is False
    assert time.monotonic() - started < IN_TIME
    ranges.over.set()


def test_while_it_is_away_nobody_waits_for_it(ranges: Ranges) -> None:
    ranges.reply = says("", 503)
    skipped = counted("skipped")
    assert [passwords.range_service.has(PASSWORD) for _ in range(5)] == [False] * 5
    assert len(ranges.requests) == 1
    assert counted("skipped") == skipped + 4


def test_an_outage_is_told_once_and_so_is_its_end(
    ranges: Ranges, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(breached_passwords, "PAUSE_SECONDS", 0)
    with capture_logs() as events:
        for reply in (says("", 503), says("", 503), says(f"{SUFFIX}:1"), says("")):
            ranges.reply = reply
            passwords.range_service.has(PASSWORD)
    assert len(ranges.requests) == 4
    assert [(event["event"], event["log_level"]) for event in events] == [
        ("breached_passwords.unavailable", "warning"),
        ("breached_passwords.available", "info"),
    ]
    assert events[0]["reason"] == "status 503"
