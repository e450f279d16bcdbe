"""The pages in a real browser: no error, no other host, by keyboard, narrow and wide."""

import re
import shutil
import time
from collections.abc import Iterator
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest
from django.contrib.admin.utils import quote
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.service import ADMIN_EMAIL, ADMIN_PASSWORD, Service

pytestmark = [pytest.mark.browser, pytest.mark.shared]

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DOCUMENTATION = ["/docs", "/redoc", "/docs/errors"]
LISTS = [
    "/admin/accounts/user/",
    "/admin/accounts/role/",
    "/admin/accounts/site/",
    "/admin/accounts/membership/",
    "/admin/accounts/violation/",
    "/admin/sessions_app/devicesession/",
    "/admin/security/signingkey/",
    "/admin/security/auditevent/",
]
FORMS = ["/admin/accounts/user/add/", "/admin/accounts/role/add/", "/admin/accounts/site/add/"]
# The worker looks every ten seconds what is to be mailed.
MAIL_SECONDS = 40
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
UNLABELLED = """[...document.querySelectorAll("main input, main select, main button, main a[href]")]
    .filter(e => e.type !== "hidden" && e.checkVisibility() && !(e.labels?.length || e.ariaLabel
        || e.title || e.value?.trim() || e.textContent.trim() || e.querySelector("img[alt]")))
    .map(e => e.outerHTML)"""
FOCUSED = """(() => { const e = document.activeElement;
    return [e.name, e.textContent.trim(), e.getAttribute("href"), e.value].join("|") })()"""
FOCUS_SHOWN = """(() => { const s = getComputedStyle(document.activeElement);
    return s.outlineStyle !== "none" || s.boxShadow !== "none" || s.textDecorationLine !== "none"
})()"""


class Watched:
    """A page, and all that went wrong on it."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.wrongs: list[str] = []
        page.on("console", lambda message: self._note(message.type, message.text))
        page.on("pageerror", lambda error: self._note("error", str(error)))
        page.on("request", lambda request: self._check_host(request.url))

    def _note(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.wrongs.append(f"{self.page.url}: {text}")

    def _check_host(self, url: str) -> None:
        if urlsplit(url).scheme not in ("data", "blob") and not url.startswith(self.url):
            self.wrongs.append(f"{self.page.url} asked {url}")

    def open(self, path: str) -> Page:
        answer = self.page.goto(f"{self.url}{path}")
        assert answer is not None
        assert answer.status == 200, path
        self.page.wait_for_load_state("networkidle")
        return self.page

    def sign_in(self) -> None:
        self.open("/admin/login/?next=/admin/")
        self.page.get_by_label("E-mail or username").fill(ADMIN_EMAIL)
        self.page.get_by_label("Password").fill(ADMIN_PASSWORD)
        self.page.get_by_role("button", name="Log in").click()
        expect(self.page.get_by_role("button", name="Log out")).to_be_visible()

    def tab_to(self, wanted: str, *, at_most: int) -> None:
        """Press Tab until the focus is on something with `wanted` in it; it must be seen there."""
        passed = []
        for _ in range(at_most):
            self.page.keyboard.press("Tab")
            passed.append(self.page.evaluate(FOCUSED))
            if wanted in passed[-1]:
                assert self.page.evaluate(FOCUS_SHOWN), f"no visible focus on {wanted}"
                return
        raise AssertionError(f"{wanted} not reached: {passed}")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The machine's Chromium. Of this module only: its event loop would forbid others Django's."""
    path = shutil.which("chromium")
    assert path, "There is no Chromium for the browser tests: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(params=["light-1280", "dark-420"])
def watched(
    request: pytest.FixtureRequest, chromium: Browser, embedded_service: Service
) -> Iterator[Watched]:
    """A new browser window, wide and light or narrow and dark; nothing may go wrong in it."""
    scheme, width = request.param.split("-")
    context = chromium.new_context(
        viewport={"width": int(width), "height": 800}, color_scheme=scheme
    )
    watched = Watched(context.new_page(), embedded_service.url)
    yield watched
    context.close()
    assert watched.wrongs == []


@pytest.fixture
def access_token(embedded_service: Service) -> str:
    with embedded_service.client() as client:
        sent = {"username": ADMIN_EMAIL, "password": ADMIN_PASSWORD}
        answer: httpx.Response = client.post("/auth/login", json=sent)
        assert answer.status_code == 200
        token: str = answer.json()["access_token"]
        return token


@pytest.fixture
def a_violation(embedded_service: Service, access_token: str) -> None:
    """A site with a member and a violation, so that no list is empty."""
    bearer = {"Authorization": f"Bearer {access_token}"}
    with embedded_service.client(headers=bearer) as client:
        site = client.post("/sites", json={"name": f"Site {uuid4()}"}).json()
        me = client.get("/users/me").json()
        client.put(f"/sites/{site['id']}/members/{me['id']}").raise_for_status()
        seen = {"stream_name": "Gate", "warnings": [{"text": "no helmet"}]}
        client.post(f"/sites/{site['id']}/violations", json=seen).raise_for_status()


def assert_well_formed(page: Page) -> None:
    assert page.title().strip(), page.url
    assert page.evaluate("document.documentElement.lang") == "en", page.url
    assert page.evaluate(OVERFLOW) <= 0, page.url
    assert page.locator("main").count() == 1, page.url


def assert_labelled(page: Page) -> None:
    assert page.evaluate(UNLABELLED) == [], page.url


@pytest.mark.parametrize("path", DOCUMENTATION)
def test_documentation(watched: Watched, path: str) -> None:
    page = watched.open(path)
    expect(page.locator("h1, h2.title").first).to_be_visible()
    assert_well_formed(page)


def test_sign_in_page_says_what_is_wrong(watched: Watched) -> None:
    page = watched.open("/admin/login/")
    assert_well_formed(page)
    assert_labelled(page)
    page.get_by_label("E-mail or username").fill("nobody")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_text("don't open the console")).to_be_visible()
    assert_well_formed(page)


def test_every_console_page(watched: Watched, a_violation: None) -> None:
    watched.sign_in()
    assert_well_formed(watched.page)
    for path in LISTS:
        page = watched.open(path)
        assert_well_formed(page)
        assert_labelled(page)
        page.locator("#result_list tbody th a").first.click()
        expect(page.locator(".form-row").first).to_be_visible()
        assert page.url.endswith("/change/"), page.url
        assert_well_formed(page)
        assert_labelled(page)
    for path in FORMS:
        page = watched.open(path)
        assert_well_formed(page)
        assert_labelled(page)


def test_a_role_and_a_user_of_it_by_clicking(watched: Watched) -> None:
    name = f"auditor-{uuid4().hex[:8]}"
    watched.sign_in()
    page = watched.open("/admin/accounts/role/add/")
    page.locator("#id_name").fill(name)
    page.locator("#id_permissions_from").select_option(label="accounts.view_user: Can view user")
    page.locator("#id_permissions_add").click()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".messagelist li.success")).to_be_visible()

    page = watched.open("/admin/accounts/user/add/")
    page.locator("#id_username").fill(name)
    page.locator("#id_password").fill("short")
    page.locator("#id_role").select_option(name)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("at least 8 characters")).to_be_visible()
    assert_well_formed(page)
    page.locator("#id_password").fill("under seven green moons")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".messagelist li.success")).to_be_visible()

    page = watched.open(f"/admin/accounts/role/{quote(name)}/change/")
    assert page.locator("#id_permissions_to option").count() == 1
    page.get_by_role("link", name="Delete").click()
    assert_well_formed(page)
    page.get_by_role("button", name="Yes, delete").click()
    expect(page.get_by_text("Somebody has this role.")).to_be_visible()
    page = watched.open(f"/admin/accounts/user/?q={name}")
    page.locator("#result_list tbody th a").first.click()
    page.get_by_role("link", name="Delete").click()
    assert_well_formed(page)
    page.get_by_role("button", name="Yes, delete").click()
    expect(page.locator(".messagelist li.success")).to_be_visible()


def test_by_keyboard_alone(watched: Watched) -> None:
    page = watched.open("/admin/login/?next=/admin/")
    page.keyboard.type(ADMIN_EMAIL)
    watched.tab_to("password|", at_most=1)
    page.keyboard.type(ADMIN_PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Log out")).to_be_visible()

    page.keyboard.press("Tab")
    assert "Skip to main content" in page.evaluate(FOCUSED)
    page.keyboard.press("Enter")
    watched.tab_to("/admin/accounts/user/", at_most=16)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Users")).to_be_visible()

    page.locator("#content-start").focus()
    watched.tab_to("/change/", at_most=12)
    page.keyboard.press("Enter")
    expect(page.get_by_label("Username")).to_be_visible()
    page.locator("#content-start").focus()
    for control in ("username|", "role|", "tier|", "is_active|", "_save|"):
        watched.tab_to(control, at_most=8)


def newcomer(service: Service) -> str:
    """Somebody who has just registered."""
    email = f"reader-{uuid4().hex[:8]}@example.com"
    with service.client() as client:
        body = {"email": email, "password": "under seven green moons"}
        assert client.post("/auth/register", json=body).status_code == 201
    return email


def mailed_link(service: Service, to: str, page: str) -> str:
    """The path and token of the newest such link to them, as the worker printed the message."""
    message = re.compile(rf"^To: {re.escape(to)}$.*?{page}#token=(\S+)", re.M | re.S)
    deadline = time.monotonic() + MAIL_SECONDS
    while not (found := message.findall(service.log.read_text())):
        assert time.monotonic() < deadline, "no mail"
        time.sleep(0.2)
    return f"{page}#token={found[-1]}"


def test_a_mailed_link_verifies_by_keyboard(watched: Watched, embedded_service: Service) -> None:
    email = newcomer(embedded_service)
    link = mailed_link(embedded_service, email, "/account/verify")
    page = watched.open(link)
    assert_well_formed(page)
    assert "token" not in page.url
    assert "token" not in page.evaluate("document.referrer + location.href")
    expect(page.get_by_label("Link from the message")).to_be_hidden()
    watched.tab_to("Verify the address", at_most=3)
    page.keyboard.press("Enter")
    expect(page.get_by_text("Your e-mail address is verified.")).to_be_visible()
    assert_well_formed(page)


def test_a_mailed_link_sets_a_password(watched: Watched, embedded_service: Service) -> None:
    email = newcomer(embedded_service)
    with embedded_service.client() as client:
        client.post("/auth/password/forgot", json={"email": email})
    page = watched.open(mailed_link(embedded_service, email, "/account/reset"))
    assert_labelled(page)
    watched.tab_to("new_password|", at_most=2)
    page.keyboard.type("short")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_focused()
    expect(page.get_by_label("Link from the message")).to_be_hidden()
    assert_well_formed(page)
    # Chromium reports the refused form.
    assert all("422" in wrong for wrong in watched.wrongs)
    watched.wrongs.clear()
    watched.tab_to("#id_new_password", at_most=2)
    page.keyboard.press("Enter")
    page.get_by_label("New password").fill("over eleven blue suns")
    page.get_by_role("button", name="Set the password").click()
    expect(page.get_by_text("Your password is set.")).to_be_visible()
    with embedded_service.client() as client:
        sent = {"username": email, "password": "over eleven blue suns"}
        assert client.post("/auth/login", json=sent).status_code == 200


def test_a_mailed_link_works_pasted_without_script_in_german(
    chromium: Browser, embedded_service: Service
) -> None:
    email = newcomer(embedded_service)
    link = embedded_service.url + mailed_link(embedded_service, email, "/account/verify")
    context = chromium.new_context(java_script_enabled=False, locale="de-DE")
    page = context.new_page()
    page.goto(link)
    page.get_by_label("Link aus der Nachricht").fill(link)
    page.get_by_role("button", name="Adresse best\u00e4tigen").click()
    expect(page.get_by_text("Ihre E-Mail-Adresse ist best\u00e4tigt.")).to_be_visible()
    context.close()


def test_rotating_keys_by_clicking(watched: Watched, embedded_service: Service) -> None:
    watched.sign_in()
    page = watched.open("/admin/security/signingkey/")
    before = httpx.get(f"{embedded_service.url}/.well-known/jwks.json").json()["keys"]
    page.get_by_role("button", name="Rotate keys").click()
    message = page.locator(".messagelist li")
    expect(message).to_be_visible()
    after = httpx.get(f"{embedded_service.url}/.well-known/jwks.json").json()["keys"]
    kids = {key["kid"] for key in after}
    assert {key["kid"] for key in before} <= kids
    if "signs from now on" in message.inner_text():
        assert len(after) == len(before) + 1
    else:
        assert "Nothing was rotated" in message.inner_text()
        assert len(after) == len(before)
    assert_well_formed(page)


def test_ending_a_session_by_clicking(
    watched: Watched, access_token: str, embedded_service: Service
) -> None:
    bearer = {"Authorization": f"Bearer {access_token}"}
    with embedded_service.client(headers=bearer) as client:
        assert client.get("/users/me").status_code == 200
        watched.sign_in()
        page = watched.open("/admin/sessions_app/devicesession/?state=live")
        # The newest comes first, and before it those of this and other browsers at the console.
        others = page.locator("#result_list tbody tr").filter(has_not_text="(console)")
        others.get_by_role("checkbox").first.check()
        page.locator("select[name=action]").select_option(label="End the selected sessions")
        page.get_by_role("button", name="Go").click()
        expect(page.get_by_text("Sessions ended: 1.")).to_be_visible()
        assert client.get("/users/me").status_code == 401


def test_a_refused_change_is_explained(watched: Watched) -> None:
    watched.sign_in()
    page = watched.open(f"/admin/accounts/user/?q={ADMIN_EMAIL}")
    page.locator("#result_list tbody th a").first.click()
    page.get_by_label("Role", exact=False).first.select_option("user")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(
        page.get_by_text("Nobody deactivates, demotes or readdresses themselves here.")
    ).to_be_visible()
    assert_well_formed(page)
    page.goto(page.url)
    assert page.get_by_label("Role", exact=False).first.input_value() == "admin"


def test_swagger_calls_the_api_with_a_token(watched: Watched, access_token: str) -> None:
    page = watched.open("/docs")
    page.get_by_role("button", name="Authorize").click()
    dialog = page.locator(".modal-ux")
    dialog.locator("input").first.fill(access_token)
    dialog.get_by_role("button", name="Apply credentials").first.click()
    dialog.get_by_role("button", name="Close").click()
    operation = page.locator("#operations-users-users_me_read")
    operation.locator("button.opblock-summary-control").click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()
    live = operation.locator(".live-responses-table")
    expect(live.locator(".response-col_status").last).to_contain_text("200")
    expect(live).to_contain_text(ADMIN_EMAIL)
