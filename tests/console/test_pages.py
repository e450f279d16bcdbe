"""Every page in a real browser: axe finds nothing, the policy stops nothing, nothing overflows."""

from uuid import uuid4

import pytest
from django.test import RequestFactory
from django.views.defaults import server_error
from playwright.sync_api import Route, expect

from accounts.emails import PAGES
from tests.console.browsing import (
    Rules,
    Watched,
    assert_fits,
    assert_labelled,
    assert_well_formed,
    assert_well_formed_in_every_look,
    violations,
)
from tests.service import Service

pytestmark = [pytest.mark.browser, pytest.mark.shared]

once = pytest.mark.parametrize("watched", ["light-1280-en"], indirect=True)
LISTS = [
    "/admin/accounts/user/",
    "/admin/accounts/role/",
    "/admin/accounts/site/",
    "/admin/accounts/membership/",
    "/admin/accounts/violation/",
    "/admin/accounts/outgoingmail/",
    "/admin/sessions_app/devicesession/",
    "/admin/security/signingkey/",
    "/admin/security/auditevent/",
]
FORMS = [
    "/admin/accounts/user/add/",
    "/admin/accounts/role/add/",
    "/admin/accounts/site/add/",
]
DELETED_BY_CLICKING = ["/admin/accounts/user/", "/admin/accounts/role/"]
# What their makers' scripts write into the page: which headings follow each other, a link in a
# button, a heading outside of every landmark.
SWAGGER_UI = ("heading-order", "nested-interactive", "region")
REDOC = ("heading-order",)
# Between them every method, with and without a body and a parameter.
DOCUMENTED = ["/api/v1/users/me", "/api/v1/auth/login", "/api/v1/roles/{name}"]
LOOKERS_PASSWORD = "over eleven blue suns"


@pytest.fixture
def rows(embedded_service: Service, access_token: str) -> None:
    """A user who can be deleted, a site with a member and a violation, a message: no empty list."""
    bearer = {"Authorization": f"Bearer {access_token}"}
    with embedded_service.client(headers=bearer) as client:
        site = client.post("/sites", json={"name": f"Site {uuid4()}"}).json()
        person = {"username": f"row-{uuid4().hex[:8]}", "role": "user", "tier": "free"}
        user = client.post("/users", json=person | {"password": LOOKERS_PASSWORD}).json()
        client.put(f"/sites/{site['id']}/members/{user['id']}").raise_for_status()
        seen = {"stream_name": "Gate", "warnings": [{"text": "no helmet"}]}
        client.post(f"/sites/{site['id']}/violations", json=seen).raise_for_status()
        # A new key is told by mail.
        client.post("/api-keys", json={"name": "x"}).raise_for_status()


@pytest.fixture
def looker(embedded_service: Service, access_token: str) -> str:
    """Somebody whose role opens the console and allows nearly nothing there."""
    name = f"looker-{uuid4().hex[:8]}"
    bearer = {"Authorization": f"Bearer {access_token}"}
    with embedded_service.client(headers=bearer) as client:
        role = {"name": name, "permissions": ["accounts.view_site"], "console_access": True}
        client.post("/roles", json=role).raise_for_status()
        user = {"username": name, "password": LOOKERS_PASSWORD, "role": name, "tier": "free"}
        client.post("/users", json=user).raise_for_status()
    return name


def test_what_a_policy_stops_is_noticed(watched: Watched) -> None:
    page = watched.open("/account/verify")
    with page.expect_console_message(lambda message: "policy: style-src" in message.text):
        page.evaluate("document.body.insertAdjacentHTML('beforeend', '<style>p { color: red }')")
    assert watched.wrongs
    watched.wrongs.clear()


def test_what_axe_finds_is_noticed(watched: Watched) -> None:
    page = watched.open("/account/verify")
    page.evaluate("document.querySelector('label').remove()")
    assert "label" in {wrong.partition(":")[0] for wrong in violations(page)}


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_documentation(watched: Watched, path: str) -> None:
    page = watched.open(path)
    expect(page.locator("h1, h2.title").first).to_be_visible()
    assert_fits(page)


@once
@pytest.mark.parametrize(("path", "without"), [("/docs", SWAGGER_UI), ("/redoc", REDOC)])
def test_axe_on_documentation_of_each_kind(watched: Watched, path: str, without: Rules) -> None:
    """Of all operations axe would find the same, in a minute."""

    def some(route: Route) -> None:
        schema = route.fetch().json()
        schema["paths"] = {path: schema["paths"][path] for path in DOCUMENTED}
        route.fulfill(json=schema)

    watched.page.route("**/openapi.json", some)
    page = watched.open(path)
    expect(page.get_by_text("/roles/{name}").first).to_be_attached()
    assert_well_formed(page, without=without)


@once
def test_the_errors_page(watched: Watched) -> None:
    assert_well_formed_in_every_look(watched.open("/docs/errors"))


@once
def test_sign_in_page_says_what_is_wrong(watched: Watched) -> None:
    page = watched.open("/admin/login/")
    assert_well_formed_in_every_look(page)
    assert_labelled(page)
    page.get_by_label("E-mail or username").fill("nobody")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_text("don't open the console")).to_be_visible()
    assert_well_formed_in_every_look(page)


@once
def test_every_list_and_the_pages_of_a_row(watched: Watched, rows: None) -> None:
    watched.sign_in()
    assert_well_formed_in_every_look(watched.page)
    for path in LISTS:
        page = watched.open(path)
        assert_well_formed_in_every_look(page)
        assert_labelled(page)
        page.locator("#result_list tbody th a").first.click()
        expect(page.locator(".form-row").first).to_be_visible()
        row = page.url.removeprefix(watched.url).partition("?")[0]
        assert row.endswith("/change/"), row
        assert_well_formed_in_every_look(page)
        assert_labelled(page)
        assert_well_formed(watched.open(row.replace("/change/", "/history/")))
        if path in DELETED_BY_CLICKING:
            assert_well_formed_in_every_look(watched.open(row.replace("/change/", "/delete/")))


@once
def test_every_form_empty_and_with_errors(watched: Watched) -> None:
    watched.sign_in()
    assert_well_formed_in_every_look(watched.open("/admin/login/confirm/"))
    for path in FORMS:
        page = watched.open(path)
        assert_well_formed_in_every_look(page)
        assert_labelled(page)
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.locator(".errornote")).to_be_visible()
        assert_well_formed_in_every_look(page)


@once
def test_the_consoles_refusals(watched: Watched, looker: str) -> None:
    watched.sign_in(looker, LOOKERS_PASSWORD)
    assert_well_formed_in_every_look(watched.open("/admin/nothing/", status=404))
    assert_well_formed_in_every_look(watched.open("/admin/accounts/user/", status=403))
    page = watched.open("/admin/")
    page.context.clear_cookies(name="csrftoken")
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", name="The form has expired")).to_be_visible()
    watched.forgive(403)
    assert_well_formed_in_every_look(page)


@once
def test_the_consoles_own_failure(watched: Watched) -> None:
    failure = server_error(RequestFactory().get("/admin/")).content.decode()

    def fail(route: Route) -> None:
        """The page under the headers that the service sends."""
        route.fulfill(response=route.fetch(), status=500, body=failure)

    watched.sign_in()
    watched.page.route("**/admin/nothing/", fail)
    page = watched.open("/admin/nothing/", status=500)
    expect(page.get_by_role("heading", name="Something went wrong")).to_be_visible()
    assert_well_formed_in_every_look(page)


@pytest.mark.parametrize("watched", ["light-1280-en", "light-1280-de"], indirect=True)
@pytest.mark.parametrize("path", sorted(set(PAGES.values())))
def test_every_account_page_empty_and_with_errors(watched: Watched, path: str) -> None:
    language = watched.page.evaluate("navigator.language")
    page = watched.open(path)
    assert_well_formed_in_every_look(page, language=language)
    assert_labelled(page)
    page.locator("main button").click()
    expect(page.get_by_role("alert")).to_be_focused()
    watched.forgive(422)
    assert_well_formed_in_every_look(page, language=language)
