"""From where the console can be reached."""

from typing import Any

import pytest

from accounts.models import User
from tests.client import PASSWORD
from tests.console.conftest import Console

PATHS = [
    "/admin",
    "/admin/",
    "/admin//",
    "http://testserver//admin/",
    "/ADMIN/",
    "/%61dmin/",
    "/admin/login",
    "/admin/login/",
    "/admin/login/confirm/",
    "/admin/logout/",
    "/admin/jsi18n/",
    "/admin/accounts/user/",
    "/admin/nothing/here",
]


@pytest.fixture(autouse=True)
def networks(settings: Any) -> None:
    settings.AUTH_CONSOLE_NETWORKS = ["192.0.2.0/24", "2001:db8:1::/48"]


@pytest.mark.parametrize("method", ["get", "head", "options", "post", "put", "delete"])
@pytest.mark.parametrize("path", PATHS)
def test_elsewhere_it_is_as_if_it_were_not_there(console: Console, path: str, method: str) -> None:
    call = getattr(console, method)
    refused = call(path, REMOTE_ADDR="198.51.100.7")
    unknown = call("/nothing/", REMOTE_ADDR="198.51.100.7")
    assert refused.status_code == unknown.status_code == 404
    assert refused.headers["Content-Type"] == unknown.headers["Content-Type"]
    assert {*refused.headers} == {*unknown.headers}
    assert not refused.cookies


def test_a_form_without_its_token_tells_no_more(admin: User) -> None:
    console = Console(enforce_csrf_checks=True)
    sent = {"username": "root", "password": PASSWORD}
    assert console.post("/admin/login/", sent, REMOTE_ADDR="198.51.100.7").status_code == 404


@pytest.mark.parametrize(
    "address", ["192.0.2.7", "::ffff:192.0.2.7", "2001:db8:1::7", "2001:db8:1:ffff::1"]
)
def test_inside_it_opens(console: Console, admin: User, address: str) -> None:
    console.defaults["REMOTE_ADDR"] = address
    assert console.sign_in("root").status_code == 302
    assert console.get("/admin/").status_code == 200


@pytest.mark.parametrize("address", ["", "unix:", "192.0.3.7", "2001:db8:2::7", "::192.0.2.7"])
def test_an_unknown_address_is_outside(console: Console, address: str) -> None:
    assert console.get("/admin/login/", REMOTE_ADDR=address).status_code == 404


def test_only_a_proxy_is_believed(console: Console, settings: Any) -> None:
    settings.TRUSTED_PROXIES = ["10.0.0.0/8"]

    def status(peer: str, forwarded: str) -> int:
        headers = {"x-forwarded-for": forwarded}
        answer = console.get("/admin/login/", headers=headers, REMOTE_ADDR=peer)
        return int(answer.status_code)

    assert status("10.0.0.1", "192.0.2.7") == 200
    assert status("10.0.0.1", "192.0.2.7, 198.51.100.7") == 404
    assert status("198.51.100.7", "192.0.2.7") == 404
    assert status("10.0.0.1", "") == 404


def test_who_leaves_the_network_is_out_and_may_come_back(console: Console, admin: User) -> None:
    console.defaults["REMOTE_ADDR"] = "192.0.2.7"
    console.sign_in("root")
    assert console.get("/admin/", REMOTE_ADDR="198.51.100.7").status_code == 404
    assert console.get("/admin/").status_code == 200


def test_no_password_is_looked_at_from_elsewhere(console: Console, admin: User) -> None:
    sent = {"username": "root", "password": PASSWORD}
    assert console.post("/admin/login/", sent, REMOTE_ADDR="198.51.100.7").status_code == 404
    admin.refresh_from_db()
    assert admin.last_login is None


@pytest.mark.parametrize("path", ["/health/live", "/docs", "/account/verify", "/api/v1/roles"])
def test_everything_else_stays_open(console: Console, path: str) -> None:
    assert console.get(path, REMOTE_ADDR="198.51.100.7").status_code != 404


def test_nobody_is_told_of_it(console: Console, settings: Any) -> None:
    assert "console" not in console.get("/").json()["links"]
    settings.AUTH_CONSOLE_NETWORKS = []
    assert console.get("/").json()["links"]["console"] == "http://localhost:8000/admin/"
