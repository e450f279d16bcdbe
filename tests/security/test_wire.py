"""What reaches the application off the wire: sockets, because clients of tests send nothing odd."""

import re
import socket
from collections.abc import Iterator

import pytest

from tests.service import ADMIN_EMAIL, ADMIN_PASSWORD, Service

# A client's address as a proxy on this machine would tell it, and what the client claims.
TOLD, CLAIMED = "203.0.113.7", "198.51.100.66"
LOGIN = f"username={ADMIN_EMAIL}&password={ADMIN_PASSWORD}"


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with Service.embedded(TRUSTED_PROXIES="127.0.0.1") as running:
        yield running


def exchange(service: Service, text: str) -> str:
    """All that the server sends until it closes the connection."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as wire:
        wire.sendall(text.encode("latin-1"))
        received = b""
        while chunk := wire.recv(65_536):
            received += chunk
    return received.decode("latin-1")


def request(method: str, path: str, *headers: str, body: str = "", last: bool = True) -> str:
    closing = ["Connection: close"] if last else []
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *closing, *headers]
    return "\r\n".join(lines) + "\r\n\r\n" + body


def statuses(answer: str) -> list[int]:
    return [int(status) for status in re.findall(r"HTTP/1\.1 (\d{3}) ", answer)]


@pytest.mark.parametrize(
    ("headers", "seen"),
    [
        ([f"X-Forwarded-For: {TOLD}"], TOLD),
        ([f"X-Forwarded-For: {TOLD}", f"X_Forwarded_For: {CLAIMED}"], TOLD),
        ([f"X_Forwarded_For: {CLAIMED}", f"X-Forwarded-For: {TOLD}"], TOLD),
        ([f"X-Forwarded-For: {TOLD}", f"X-Forwarded_For: {CLAIMED}"], TOLD),
        ([f"X_Forwarded_For: {CLAIMED}"], "127.0.0.1"),
    ],
)
def test_a_header_with_underscores_is_not_the_one_with_hyphens(
    service: Service, headers: list[str], seen: str
) -> None:
    """In WSGI both have one name, and a proxy overwrites only the one that it knows."""
    form = "Content-Type: application/x-www-form-urlencoded"
    length = f"Content-Length: {len(LOGIN)}"
    login = request("POST", "/api/v1/auth/login", form, length, *headers, body=LOGIN)
    token = re.search(r'"access_token":"([^"]+)"', exchange(service, login))
    assert token
    sessions = request("GET", "/api/v1/sessions", f"Authorization: Bearer {token[1]}")
    current = re.search(
        r'"ip_address":"([^"]+)"[^{}]*"is_current":true', exchange(service, sessions)
    )
    assert current
    assert current[1] == seen


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (["Content-Length: 2", "Content-Length: 37"], "{}"),
        (["Content-Length: 5", "Transfer-Encoding: chunked"], "0\r\n\r\n"),
        (["Content-Length: +2"], "{}"),
        (["Content-Length: 2,2"], "{}"),
        (["Transfer-Encoding: xchunked"], "0\r\n\r\n"),
        (["Transfer-Encoding : chunked"], "0\r\n\r\n"),
        (["Host: elsewhere"], ""),
        (["X-Folded: a\r\n b"], ""),
        (["no header at all"], ""),
    ],
)
def test_a_request_of_two_meanings_is_refused_and_the_connection_closed(
    service: Service, headers: list[str], body: str
) -> None:
    hidden = request("GET", "/health/live")
    asked = request("POST", "/api/v1/auth/login", *headers, body=body, last=False) + hidden
    [status] = statuses(exchange(service, asked))
    assert status in (400, 501)


@pytest.mark.parametrize(
    "garbage",
    [
        "\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
        "GET\r\n\r\n",
        "\x00" * 64 + "\r\n\r\n",
        "é / HTTP/1.1\r\n\r\n",
    ],
    ids=("tls", "no path", "zeros", "no method"),
)
def test_garbage_is_a_400_and_leaves_no_traceback(service: Service, garbage: str) -> None:
    assert statuses(exchange(service, garbage)) == [400]
    assert "Traceback" not in service.log.read_text()


def test_a_chunked_body_is_411_with_our_answer(service: Service) -> None:
    asked = request(
        "POST", "/api/v1/auth/login", "Transfer-Encoding: chunked", body="2\r\n{}\r\n0\r\n\r\n"
    )
    answer = exchange(service, asked)
    assert statuses(answer) == [411]
    assert "length_required" in answer


def test_an_oversized_token_gets_our_401(service: Service) -> None:
    bearer = f"Authorization: Bearer {'a' * 60_000}"
    answer = exchange(service, request("GET", "/api/v1/users/me", bearer))
    assert statuses(answer) == [401]
    assert "token_invalid" in answer


@pytest.mark.parametrize("path", ["/static/authsite/pages.css", "/static/authsite/favicon.svg"])
def test_files_carry_the_security_headers_and_are_for_our_pages_alone(
    service: Service, path: str
) -> None:
    answer = exchange(service, request("GET", path, "Origin: https://evil.example"))
    assert statuses(answer) == [200]
    headers = answer.partition("\r\n\r\n")[0]
    for wanted in (
        "X-Content-Type-Options: nosniff",
        "X-Frame-Options: DENY",
        "Content-Security-Policy: ",
        "default-src 'self'",
        "Referrer-Policy: same-origin",
        "Permissions-Policy: camera=()",
        "X-Request-ID: ",
    ):
        assert wanted in headers
    assert "unsafe" not in headers
    assert "Access-Control" not in headers


@pytest.mark.parametrize("path", ["/health/live", "/no/such/thing", "/static/authsite/pages.css"])
def test_no_answer_tells_a_version_of_the_server(service: Service, path: str) -> None:
    headers = exchange(service, request("GET", path)).partition("\r\n\r\n")[0]
    assert re.findall(r"(?im)^(?:server|x-powered-by|via): .*\d.*$", headers) == []


def test_pipelined_requests_are_answered_in_order(service: Service) -> None:
    ids = ["the-first-one", "the-second-one", "the-third-one"]
    asked = [
        request("GET", "/health/live", f"X-Request-ID: {id_}", last=id_ == ids[-1]) for id_ in ids
    ]
    answer = exchange(service, "".join(asked))
    assert re.findall(r"X-Request-ID: (\S+)", answer) == ids


def test_a_client_that_waits_for_100_continue_gets_it(service: Service) -> None:
    form = "Content-Type: application/x-www-form-urlencoded"
    head = request(
        "POST", "/api/v1/auth/login", form, f"Content-Length: {len(LOGIN)}", "Expect: 100-continue"
    )
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as wire:
        wire.sendall(head.encode())
        assert wire.recv(65_536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        wire.sendall(LOGIN.encode())
        assert wire.recv(65_536).startswith(b"HTTP/1.1 200 OK")


def test_many_idle_connections_keep_nobody_waiting(service: Service) -> None:
    """They hold no thread: far more of them than there are threads."""
    wires = [socket.create_connection(("127.0.0.1", service.port), timeout=30) for _ in range(100)]
    try:
        for wire in wires:
            wire.sendall(request("GET", "/health/live", last=False).encode())
        for wire in wires:
            assert wire.recv(65_536).startswith(b"HTTP/1.1 200 OK")
        assert statuses(exchange(service, request("GET", "/health/live"))) == [200]
    finally:
        for wire in wires:
            wire.close()
