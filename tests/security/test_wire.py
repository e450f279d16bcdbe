"""What reaches the application off the wire: sockets, because clients of tests send nothing odd."""

import re
import socket
from collections.abc import Iterator

import pytest

from tests.races.racing import run_at_once
from tests.service import ADMIN_EMAIL, ADMIN_PASSWORD, CHEAP_HASH, Service

# A client's address as a proxy on this machine would tell it, and what the client claims.
TOLD, CLAIMED = "203.0.113.7", "198.51.100.66"
LOGIN = f"username={ADMIN_EMAIL}&password={ADMIN_PASSWORD}"

# So that messages stay where a test can read them.
NO_MAIL_SERVER = {"EMAIL_URL": "smtp://127.0.0.1:1"}


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with Service.embedded(TRUSTED_PROXIES="127.0.0.1", **CHEAP_HASH, **NO_MAIL_SERVER) as running:
        yield running


@pytest.fixture(scope="module")
def limited() -> Iterator[Service]:
    """With limits and no proxy before it; 30 sign-ins of an address in the time of these tests."""
    rates = {"AUTH_LIMITS": "on", "AUTH_LIMIT_LOGIN_ADDRESS": "30/h"}
    with Service.embedded(**rates, **CHEAP_HASH) as running:
        yield running


def exchange(service: Service, text: str) -> str:
    """All that the server sends until it closes the connection."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as wire:
        wire.sendall(text.encode("latin-1"))
        received = b""
        while chunk := wire.recv(65_536):
            received += chunk
    return received.decode("latin-1")


def request(
    method: str,
    path: str,
    *headers: str,
    body: str = "",
    last: bool = True,
    host: str = "localhost",
) -> str:
    closing = ["Connection: close"] if last else []
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", *closing, *headers]
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


# What proxies and content networks tell the client's address by, and how it may be spelled.
TELLING = (
    "X-Forwarded-For",
    "X_Forwarded_For",
    "X-Forwarded_For",
    "x-forwarded-for",
    "Forwarded",
    "X-Real-IP",
    "X_Real_IP",
    "True-Client-IP",
    "True_Client_IP",
    "CF-Connecting-IP",
    "CF_Connecting_IP",
    "Client-IP",
    "X-Client-IP",
    "X-Cluster-Client-IP",
    "Fastly-Client-IP",
    "X-Original-Forwarded-For",
    "X-Forwarded",
    "Remote-Addr",
    "REMOTE_ADDR",
)
ODD = (
    "a",
    "",
    ",",
    ",,,",
    "1.2.3.4:80",
    "[::1]",
    "[::1",
    "::ffff:1.2.3.4%eth0",
    "999.999.999.999",
    "1.2.3.4/0",
    "for=",
    'for="[2001:db8::1]:80";proto=https',
    "unknown",
    "-1",
    "0x7f000001",
    "\xff\xfe",
    "\u0661.2.3.4".encode().decode("latin-1"),
    "1" * 10_000,
    ",".join(["10.0.0.1"] * 500),
)


FORM = "Content-Type: application/x-www-form-urlencoded"


def sign_in(
    *headers: str, name: str, method: str = "POST", path: str = "/api/v1/auth/login"
) -> str:
    body = f"username={name}&password=wrong"
    return request(method, path, FORM, f"Content-Length: {len(body)}", *headers, body=body)


def use_up_the_limit(limited: Service) -> None:
    for number in range(40):
        if statuses(exchange(limited, sign_in(name=f"first{number}"))) == [429]:
            return
    raise AssertionError("There is no limit.")


def test_200_sign_ins_with_an_address_of_their_own_each_are_one_clients(limited: Service) -> None:
    """Another name each time, so that only the address holds them up."""
    found = []
    for number in range(200):
        told = f"198.51.{number % 100}.{number}"
        header = TELLING[number % len(TELLING)]
        value = f"for={told}" if header == "Forwarded" else told
        answer = exchange(limited, sign_in(f"{header}: {value}", name=f"nobody{number}"))
        found += statuses(answer)
    tried = found.count(401)
    assert tried <= 30
    assert found == [401] * tried + [429] * (200 - tried)


@pytest.mark.parametrize("header", TELLING)
def test_garbage_for_an_address_is_no_failure_and_no_way_around(
    limited: Service, service: Service, header: str
) -> None:
    """From a stranger, and from a proxy that is believed; each after a limit is used up."""
    use_up_the_limit(limited)
    # All of them where it is read behind a proxy; elsewhere some, since nobody reads it.
    for number, value in enumerate(ODD if "orward" in header else ODD[::4]):
        asked = sign_in(f"{header}: {value}", name=f"odd{number}")
        assert statuses(exchange(limited, asked)) in ([429], [400]), value
        assert statuses(exchange(service, asked)) in ([401], [400]), value
    assert "Traceback" not in service.log.read_text()
    assert "Traceback" not in limited.log.read_text()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/v1/auth/login/"),
        ("POST", "/api/v1/auth/login//"),
        ("POST", "//api/v1/auth/login"),
        ("POST", "/api/v1//auth/login"),
        ("POST", "/api/v1/auth/./login"),
        ("POST", "/api/v1/auth/../auth/login"),
        ("POST", "/API/v1/auth/login"),
        ("POST", "/api/V1/auth/LOGIN"),
        ("POST", "/api/v1/auth/%6cogin"),
        ("POST", "/api/v1/auth/login%2f"),
        ("POST", "/api/v1/auth/login;x"),
        ("POST", "/api/v1/auth/login?again"),
        ("POST", "/api/v2/auth/login"),
        ("POST", "/api/auth/login"),
        ("POST", "/api/v1/auth/access-token"),
        ("POST", "http://localhost/api/v1/auth/login"),
        ("HEAD", "/api/v1/auth/login"),
        ("OPTIONS", "/api/v1/auth/login"),
        ("GET", "/api/v1/auth/login"),
        ("PUT", "/api/v1/auth/login"),
        ("post", "/api/v1/auth/login"),
    ],
)
def test_no_spelling_of_a_path_or_method_gets_past_a_limit(
    limited: Service, method: str, path: str
) -> None:
    """A 401 would be a look at a password."""
    use_up_the_limit(limited)
    asked = sign_in(name="somebody", method=method, path=path)
    [status] = statuses(exchange(limited, asked))
    assert status in {400, 404, 405, 429}


HOSTS = (
    ["Host: evil.example"],
    ["Host: localhost:666"],
    ["Host: localhost@evil.example"],
    ["Host: localhost", "X-Forwarded-Host: evil.example"],
    ["Host: localhost", "X-Forwarded-Host: evil.example", "X-Forwarded-Proto: https"],
    ["Host: localhost", "X_Forwarded_Host: evil.example"],
    ["Host: localhost", "X-Forwarded-Server: evil.example", "X-Forwarded-Port: 666"],
    ["Host: localhost", "Forwarded: host=evil.example;proto=https"],
    ["Host: localhost", "X-Host: evil.example", "X-Original-Host: evil.example"],
    ["Host: localhost", "Origin: https://evil.example", "Referer: https://evil.example/"],
    ["Host: localhost", "Host: evil.example"],
    ["Host: evil.example", "Host: localhost"],
    ["Host:"],
    [],
)
TARGETS = ("", "http://evil.example", "http://localhost:666")
# Ask for what is wanted, and read what waits to be sent.
WAITING = """
from accounts.models import OutgoingMail
from accounts.services.mail_answers import answer_requests
answer_requests()
print(*[mail.text() for mail in OutgoingMail.objects.all()])
"""


def test_no_host_that_a_stranger_names_is_in_a_reset_link(service: Service) -> None:
    """Neither in Host or the target, nor where a proxy tells it: it is ignored or a 400."""
    asked = 0
    for target in TARGETS:
        for headers in HOSTS:
            path, body = f"{target}/api/v1/auth/password/forgot", f'{{"email": "{ADMIN_EMAIL}"}}'
            told = [*headers, "Content-Type: application/json", f"Content-Length: {len(body)}"]
            head = "\r\n".join([f"POST {path} HTTP/1.1", "Connection: close", *told])
            [status] = statuses(exchange(service, f"{head}\r\n\r\n{body}"))
            assert status in {202, 400}, (target, headers)
            asked += status == 202
    (printed,) = run_at_once(service, WAITING, times=1)
    links = re.findall(r"(\S+)#token=", printed)
    assert len(links) == asked > len(TARGETS)
    assert set(links) == {f"http://localhost:{service.port}/account/reset"}
    assert "evil" not in printed
    assert ":666" not in printed
