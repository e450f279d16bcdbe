"""Whatever a client sends ends in a 4xx problem document, never in a 5xx."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import User
from tests.client import PASSWORD, Client, assert_problem
from tests.service import Service

TWENTY_MEGABYTES = 20 * 1024 * 1024
LOGINS = ("/auth/login", "/auth/login-form", "/auth/access-token")
WRITES = [
    *(("post", path) for path in LOGINS),
    ("post", "/auth/register"),
    ("post", "/auth/refresh"),
    ("post", "/auth/logout"),
    ("post", "/auth/password/forgot"),
    ("post", "/auth/password/reset"),
    ("post", "/auth/email/verify"),
    ("post", "/auth/email/resend"),
    ("post", "/auth/email/change"),
    ("put", "/users/me"),
    ("patch", "/users/me"),
    ("delete", "/users/me"),
    ("post", "/users/me/password"),
    ("post", "/users/me/change-password"),
]
every_write = pytest.mark.parametrize(
    ("method", "path"), WRITES, ids=[f"{method}{path}" for method, path in WRITES]
)
FIELDS = {
    "/auth/register": ("email", "password", "username", "first_name", "full_name", "tier"),
    "/auth/login": ("username", "email", "password"),
    "/auth/refresh": ("refresh_token",),
    "/auth/logout": ("refresh_token",),
    "/auth/password/forgot": ("email",),
    "/auth/password/reset": ("token", "new_password"),
    "/auth/email/verify": ("token", "email", "code"),
    "/auth/email/change": ("new_email", "password"),
    "/users/me": ("username", "first_name", "full_name", "role", "is_admin", "email"),
    "/users/me/password": ("current_password", "new_password"),
}


@pytest.fixture
def signed_in(client: Client, alice: User) -> Client:
    client.sign_in("alice")
    return client


def assert_refused(answer: Any, *statuses: int) -> dict[str, Any]:
    """A complete problem document with one of `statuses`, or any 4xx; its body."""
    assert answer.status_code in (statuses or range(400, 500)), answer.content
    body = assert_problem(answer, answer.status_code, answer.json()["code"])
    assert body["type"].endswith(f"/docs/errors#{body['code']}")
    assert body["title"]
    assert body["detail"]
    if answer.status_code == 401:
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    if answer.status_code == 422:
        assert all(set(error) == {"field", "code", "detail"} for error in body["errors"])
    return body


def complete_body(path: str) -> dict[str, Any]:
    """What the operation would accept."""
    return {
        "/auth/register": {"email": "new@example.com", "password": PASSWORD},
        "/auth/login": {"username": "alice", "password": PASSWORD},
        "/auth/email/change": {"new_email": "new@example.com", "password": PASSWORD},
        "/users/me/password": {"current_password": PASSWORD, "new_password": "another horse 9"},
    }.get(path, {})


MALFORMED = {
    "empty text": " ",
    "cut off": '{"username": "alice"',
    "trailing comma": '{"username": "alice",}',
    "single quotes": "{'username': 'alice'}",
    "two documents": "{}{}",
    "an array": "[]",
    "a string": '"alice"',
    "a number": "1",
    "null": "null",
    "NaN": '{"username": NaN}',
    "Infinity": '{"username": -Infinity}',
    "duplicate keys": '{"username": "alice", "username": "bob"}',
    "nested duplicate keys": '{"x": [{"a": 1, "a": 2}]}',
    "raw NUL": '{"username": "a\0b"}',
    "raw newline": '{"username": "a\nb"}',
    "endless number": f'{{"x": {"9" * 5000}}}',
    "10,000 lists deep": "[" * 10_000 + "]" * 10_000,
    "100,000 lists deep": '{"x": ' + "[" * 100_000 + "]" * 100_000 + "}",
    "10,000 objects deep": '{"x":' * 10_000 + "1" + "}" * 10_000,
    "100,000 objects deep": '{"x":' * 100_000 + "1" + "}" * 100_000,
    "byte order mark": b'\xef\xbb\xbf{"username": "alice"}',
    "UTF-16": '{"username": "alice"}'.encode("utf-16"),
    "UTF-16 without mark": '{"username": "alicé"}'.encode("utf-16-le"),
    "Latin-1": '{"username": "alicé"}'.encode("latin-1"),
    "raw surrogate": b'{"username": "\xed\xa0\x80"}',
    "random bytes": bytes(range(256)),
}


@every_write
def test_malformed_json_is_400(
    signed_in: Client, subtests: pytest.Subtests, method: str, path: str
) -> None:
    for name, body in MALFORMED.items():
        with subtests.test(name):
            assert_refused(signed_in.call(method, path, body), 400)


FORM = "application/x-www-form-urlencoded"
OTHER_CONTENT_TYPES = [
    "text/plain",
    "application/xml",
    "multipart/form-data; boundary=x",
    "multipart/form-data",
    "text/json",
    "json",
    "/",
]


@every_write
def test_a_body_of_20_megabytes_is_413(signed_in: Client, method: str, path: str) -> None:
    body = '{"x": "' + "a" * TWENTY_MEGABYTES + '"}'
    assert_problem(signed_in.call(method, path, body), 413, "body_too_large")


@every_write
def test_another_content_type_is_415(
    signed_in: Client, subtests: pytest.Subtests, method: str, path: str
) -> None:
    for content_type in OTHER_CONTENT_TYPES + ([] if path in LOGINS else [FORM]):
        with subtests.test(content_type):
            answer = signed_in.call(method, path, data="{}", content_type=content_type)
            assert_problem(answer, 415, "unsupported_media_type")


@pytest.mark.parametrize(
    "charset", ["utf-16", "utf-7", "base64", "rot13", "idna", "none-such", "latin-1", "\xff"]
)
def test_a_form_is_utf_8_whatever_charset_it_claims(
    client: Client, alice: User, charset: str
) -> None:
    alice.set_password("prägnant horse 9")
    alice.save()
    form = urlencode({"username": "alice", "password": "prägnant horse 9"})
    kind = f"{FORM}; charset={charset}"
    answer = client.django.generic("POST", "/api/v1/auth/login", form, content_type=kind)
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ("", 422),
        ("username", 422),
        ("&&&===;;;", 422),
        ("username=alice", 422),
        ("username=%00&password=%00", 422),
        ("username=%ff&password=%ff", 400),
        ("username=%ED%A0%80&password=x", 400),
        ("username=alice&password=" + "x" * 5000, 422),
        ("&".join(f"a{number}=1" for number in range(2000)), 400),
        ("username=alice&username=bob&password=x", 400),
    ],
    ids=lambda value: str(value)[:30] or "empty",
)
def test_an_odd_form_is_refused(client: Client, form: str, status: int) -> None:
    assert_refused(client.form("/auth/login-form", form), status)


WRONG = {
    "number": 918273645091,
    "fraction": 91827364.5091,
    "true": True,
    "list": ["alice"],
    "object": {"a": 1},
    "NUL": "a\0b" * 5,
    "lone surrogate": "abcdefg \ud800",
    "too long": "x" * 5000,
}


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/auth/register", "email"),
        ("/auth/register", "password"),
        ("/auth/register", "username"),
        ("/auth/register", "first_name"),
        ("/auth/register", "full_name"),
        ("/auth/register", "tier"),
        ("/auth/login", "username"),
        ("/auth/login", "email"),
        ("/auth/login", "password"),
        ("/auth/password/forgot", "email"),
        ("/auth/email/resend", "email"),
        ("/auth/email/change", "new_email"),
        ("/users/me/password", "current_password"),
        ("/users/me/password", "new_password"),
    ],
)
def test_a_value_of_the_wrong_kind_is_422(
    signed_in: Client, subtests: pytest.Subtests, path: str, field: str
) -> None:
    for name, value in WRONG.items():
        with subtests.test(name):
            body = complete_body(path) | {field: value}
            refusal = assert_refused(signed_in.post(path, json.dumps(body)), 422)
            assert {error["field"] for error in refusal["errors"]} == {field}


@pytest.mark.usefixtures("limits_on")
@pytest.mark.parametrize("text", ["x\ud800@b.co", "\udfff"], ids=ascii)
@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/auth/register", "email"),
        ("/auth/login", "username"),
        ("/auth/login", "email"),
        ("/auth/password/forgot", "email"),
        ("/auth/email/verify", "email"),
        ("/auth/email/resend", "email"),
        ("/auth/email/change", "new_email"),
    ],
)
def test_half_of_a_surrogate_pair_is_422_where_limits_count_by_it(
    signed_in: Client, path: str, field: str, text: str
) -> None:
    body = {"password": PASSWORD, "code": "123456", field: text}
    # Where that is possible a stranger: a known device has an allowance of its own.
    caller = signed_in if path == "/auth/email/change" else Client()
    refusal = assert_refused(caller.post(path, json.dumps(body)), 422)
    assert {error["field"] for error in refusal["errors"]} == {field}


@pytest.mark.parametrize("field", ["username", "first_name", "last_name", "full_name"])
def test_a_profile_value_of_the_wrong_kind_is_422(
    signed_in: Client, subtests: pytest.Subtests, field: str
) -> None:
    for name, value in WRONG.items():
        with subtests.test(name):
            refusal = assert_refused(signed_in.patch("/users/me", json.dumps({field: value})), 422)
            assert {error["field"] for error in refusal["errors"]} == {field}


@pytest.mark.parametrize("value", WRONG.values(), ids=WRONG.keys())
def test_a_refresh_token_of_the_wrong_kind_is_401(client: Client, value: Any) -> None:
    answer = client.post("/auth/refresh", json.dumps({"refresh_token": value}))
    assert_problem(answer, 401, "token_invalid")
    assert_refused(answer)


@pytest.mark.parametrize("value", WRONG.values(), ids=WRONG.keys())
def test_logging_out_with_a_token_of_the_wrong_kind_succeeds(client: Client, value: Any) -> None:
    answer = client.post("/auth/logout", json.dumps({"refresh_token": value}))
    assert answer.status_code == 200


@pytest.mark.parametrize("path", ["/auth/register", "/auth/login", "/users/me/password"])
@pytest.mark.parametrize("body", ["{}", '{"x": null}', '{"password": null, "email": null}'])
def test_missing_fields_are_422(signed_in: Client, path: str, body: str) -> None:
    assert_problem(signed_in.post(path, body), 422, "validation_error")


@every_write
def test_an_unknown_method_is_405(
    signed_in: Client, subtests: pytest.Subtests, method: str, path: str
) -> None:
    headers = {"authorization": f"Bearer {signed_in.access_token}"}
    for odd in ("TRACE", "PROPFIND", "CONNECT", "BREW"):
        with subtests.test(odd):
            answer = signed_in.django.generic(odd, f"/api/v1{path}", headers=headers)
            assert_problem(answer, 405, "method_not_allowed")
            assert method.upper() in answer.headers["Allow"]


@pytest.mark.parametrize("path", [path for method, path in WRITES if method == "post"])
def test_reading_what_can_only_be_written_is_405(signed_in: Client, path: str) -> None:
    assert_problem(signed_in.get(path), 405, "method_not_allowed")


@pytest.mark.parametrize(
    "path",
    [
        "/users/me/%00",
        "/users/%ff%fe",
        "/users/..%2f..%2fetc/passwd",
        "/users/me'--",
        "/users/%F0%9F%92%A9",
        "/auth/" + "x" * 4000,
        "/auth/login;jsessionid=1",
        "//api//v1//auth//login",
        "//api/v2/auth/login",
    ],
    ids=lambda path: path[:30],
)
def test_an_odd_path_is_404(signed_in: Client, path: str) -> None:
    assert_problem(signed_in.get(path), 404, "not_found")


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer  ",
        "Bearer a b",
        "Bearer\ttoken",
        "Bearer \xff\xfe",
        "Bearer a,b",
        "Bearer null",
        "Bearer undefined",
        "Bearer ..",
        "Bearer e30.e30.e30",
        "Bearer " + "a" * 100_000,
        "Bearer " + "." * 8_000,
        "Basic YWxpY2U6cGFzc3dvcmQ=",
        "Digest username=alice",
        "Token abc",
        "\xff",
        "Bearer ak_00000000_00000000",
    ],
    ids=lambda header: repr(header[:30]),
)
@pytest.mark.parametrize(("method", "path"), [("get", "/users/me"), ("post", "/users/me/password")])
def test_an_odd_authorization_header_is_401(
    client: Client, alice: User, method: str, path: str, header: str
) -> None:
    answer = client.call(method, path, headers={"authorization": header})
    assert_refused(answer, 401)


ODD_HEADERS = [
    {"cookie": "refresh_token=\xff; =;;; refresh_token"},
    {"accept": "application/xml, */*;q=banana"},
    {"accept": "text/html;q=1;q=2,,,"},
    {"accept-language": "x" * 2000},
    {"origin": "\x00:\xff//"},
    {"user-agent": "\x00\x1b[31m\r\n\xff" * 500},
    {"x-request-id": "\r\nSet-Cookie: a=b"},
    {"x-forwarded-for": "999.999.999.999, ::::, \xff"},
    {"if-none-match": '"'},
    {"range": "bytes=9-1"},
]


@every_write
def test_an_odd_header_is_no_failure_of_ours(
    signed_in: Client, subtests: pytest.Subtests, method: str, path: str
) -> None:
    for header in ODD_HEADERS:
        with subtests.test(str(header)[:30]):
            answer = signed_in.call(method, path, '{"username": 1}', headers=header)
            assert answer.status_code < 500


@pytest.mark.parametrize("accept", ["application/xml", "text/html", "image/png"])
def test_an_answer_is_json_whatever_is_accepted(signed_in: Client, accept: str) -> None:
    """A browser's address bar and a sloppy client get their answer; a 406 would help nobody."""
    answer = signed_in.get("/users/me", headers={"accept": accept})
    assert answer.status_code in (200, 406)
    assert "json" in answer.headers["Content-Type"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("method", "path"),
    [("post", path) for path in FIELDS if path != "/users/me"]
    + [("patch", "/users/me"), ("put", "/users/me")],
)
@settings(
    max_examples=60,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_no_json_value_in_any_field_is_a_5xx(
    signed_in: Client, method: str, path: str, data: st.DataObject
) -> None:
    fields = st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS[path], json_values))
    body = complete_body(path) | data.draw(fields)
    answer = signed_in.call(method, path, json.dumps(body))
    assert answer.status_code < 500, answer.content
    if answer.status_code >= 400:
        assert_refused(answer)


# --- Over the wire, where a server stands between the client and the views


@pytest.fixture
def http(embedded_service: Service) -> Iterator[httpx.Client]:
    with embedded_service.client() as http:
        yield http


@every_write
def test_20_megabytes_over_http_are_413(http: httpx.Client, method: str, path: str) -> None:
    body = b'{"x": "' + b"a" * TWENTY_MEGABYTES + b'"}'
    headers = {"Content-Type": "application/json"}
    assert_refused(http.request(method, path, content=body, headers=headers), 413)


@pytest.mark.parametrize("size", [10, TWENTY_MEGABYTES])
def test_a_chunked_body_over_http_is_refused(http: httpx.Client, size: int) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(0, size, 65_536):
            yield b"a" * min(size, 65_536)

    headers = {"Content-Type": "application/json"}
    answer = http.post("/auth/login", content=chunks(), headers=headers)
    assert_refused(answer, 411, 413)
    # The same client is served on.
    assert_refused(http.post("/auth/login", json={}), 422)


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_json_over_http_is_400(http: httpx.Client, body: str | bytes) -> None:
    content = body.encode() if isinstance(body, str) else body
    headers = {"Content-Type": "application/json"}
    assert_refused(http.post("/auth/login", content=content, headers=headers), 400)


@pytest.mark.parametrize("method", ["TRACE", "PROPFIND", "BREW"])
def test_an_unknown_method_over_http_is_405(http: httpx.Client, method: str) -> None:
    assert_refused(http.request(method, "/auth/login"), 405)


@pytest.mark.parametrize("credential", [b"Bearer \xff\xfe", b"Bearer " + b"a" * 8000])
def test_an_odd_authorization_over_http_is_401(http: httpx.Client, credential: bytes) -> None:
    headers = {b"Authorization": credential}
    assert_refused(http.get("/users/me", headers=headers), 401)


def test_an_address_of_odd_letters_over_http_registers_nobody(http: httpx.Client) -> None:
    body = {"email": f"{uuid4().hex}\u202e@example.com", "password": PASSWORD}
    assert_refused(http.post("/auth/register", json=body), 422)


@pytest.mark.parametrize("charset", ["utf-7", "utf-16", "base64", "rot13", "idna", "none-such"])
def test_no_charset_over_http_is_a_failure_of_ours(http: httpx.Client, charset: str) -> None:
    headers = {"Content-Type": f"application/json; charset={charset}"}
    assert_refused(http.get("/users/me?page=x%2B2AA-y", headers=headers), 401)
    # In UTF-7 the name has half of a surrogate pair, which no database takes.
    console = http.base_url.join("/admin/login/")
    token = http.get(console).cookies["csrftoken"]
    form = "".join(
        f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in {"username": "x+2AA-y", "password": PASSWORD}.items()
    )
    kind = {"Content-Type": f"multipart/form-data; boundary=x; charset={charset}"}
    headers = kind | {"X-CSRFToken": token}
    assert http.post(console, content=f"{form}--x--\r\n", headers=headers).status_code == 200
