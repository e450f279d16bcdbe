"""The console's cookies behind https."""

import re
from collections.abc import Iterator
from http.cookies import Morsel, SimpleCookie

import httpx
import pytest

from tests.service import ADMIN_EMAIL, ADMIN_PASSWORD, Service

pytestmark = pytest.mark.shared

SITE = "https://auth.example.org"


@pytest.fixture(scope="module")
def behind_https() -> Iterator[Service]:
    settings = {"PUBLIC_URL": SITE, "ALLOWED_HOSTS": "127.0.0.1", "TRUSTED_PROXIES": "127.0.0.1"}
    with Service.embedded(**settings) as running:
        yield running


class Browser:
    """Speaks to the service through a proxy that ends https, and keeps its cookies."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.jar: dict[str, str] = {}
        self.seen: dict[str, Morsel[str]] = {}

    def call(self, method: str, path: str, **form: str) -> httpx.Response:
        cookies = "; ".join(f"{name}={value}" for name, value in self.jar.items())
        headers = {"x-forwarded-proto": "https", "origin": SITE, "cookie": cookies}
        url = f"{self.service.url}{path}"
        answer = httpx.request(method, url, headers=headers, data=form or None)
        for line in answer.headers.get_list("set-cookie"):
            for name, morsel in SimpleCookie(line).items():
                self.seen[name] = morsel
                self.jar[name] = morsel.value
        return answer

    def send(self, path: str, **form: str) -> httpx.Response:
        page = self.call("GET", path).text
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
        assert token
        return self.call("POST", path, csrfmiddlewaretoken=token[1], **form)


def test_they_are_bound_to_the_host_and_kept_from_scripts(behind_https: Service) -> None:
    browser = Browser(behind_https)
    sent = {"username": ADMIN_EMAIL, "password": ADMIN_PASSWORD, "next": "/admin/"}
    assert browser.send("/admin/login/", **sent).status_code == 302
    assert browser.call("GET", "/admin/").status_code == 200
    added = browser.send("/admin/accounts/site/add/", name="Harbour")
    assert added.status_code == 302, added.text
    names = {"__Host-sessionid", "__Host-csrftoken", "__Host-messages"}
    assert names | {"known_device"} == browser.seen.keys()
    for name, cookie in browser.seen.items():
        assert cookie["secure"], name
        assert cookie["httponly"], name
        assert cookie["samesite"] == "Strict", name
        assert not cookie["domain"], name
        assert (cookie["path"] == "/") is (name in names), name
    assert "was added" in browser.call("GET", "/admin/").text
