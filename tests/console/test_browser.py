"""The pages in a real browser: no error, no other host, by keyboard, narrow and wide."""

import re
from uuid import uuid4

import httpx
import pytest
from django.contrib.admin.utils import quote
from playwright.sync_api import Browser, expect

from tests.console.browsing import FOCUSED, Watched, assert_labelled, assert_well_formed
from tests.service import ADMIN_EMAIL, ADMIN_PASSWORD, Service
from tests.waiting import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.shared]

# The worker looks every ten seconds what is to be mailed.
PASSWORD = "under seven green moons"


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


def test_a_password_is_confirmed_by_keyboard(watched: Watched) -> None:
    watched.sign_in()
    page = watched.open("/admin/login/confirm/?next=/admin/accounts/user/add/")
    expect(page.get_by_label("Password")).to_be_focused()
    assert_well_formed(page)
    assert_labelled(page)
    page.keyboard.type("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_text("This is not your password.")).to_be_visible()
    expect(page.get_by_label("Password")).to_be_focused()
    assert_well_formed(page)
    watched.tab_to("Go on", at_most=1)
    watched.tab_to("Cancel", at_most=1)
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    page.keyboard.type(ADMIN_PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Add user")).to_be_visible()


def newcomer(service: Service) -> str:
    """Somebody who has just registered."""
    email = f"reader-{uuid4().hex[:8]}@example.com"
    with service.client() as client:
        body = {"email": email, "password": PASSWORD}
        assert client.post("/auth/register", json=body).status_code == 201
    return email


def mailed_link(service: Service, to: str, page: str) -> str:
    """The path and token of the newest such link to them, as the worker printed the message."""
    message = re.compile(rf"^To: {re.escape(to)}$.*?{page}#token=(\S+)", re.M | re.S)
    found = wait_until(lambda: message.findall(service.log.read_text()), "no mail")
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


@pytest.mark.parametrize("watched", ["dark-360-en"], indirect=True)
def test_an_address_is_changed_and_taken_back_by_keyboard(
    watched: Watched, embedded_service: Service
) -> None:
    old = newcomer(embedded_service)
    new = f"new-{old}"
    signed_in = {"username": old, "password": PASSWORD}
    with embedded_service.client() as client:
        token = client.post("/auth/login", json=signed_in).json()["access_token"]
        asked = {"new_email": new, "password": PASSWORD}
        bearer = {"Authorization": f"Bearer {token}"}
        client.post("/auth/email/change", json=asked, headers=bearer).raise_for_status()
    steps = [
        (new, "/account/email", "Use this address", "Your account has its new e-mail address."),
        (old, "/account/email/undo", "Restore the address", "Your old address is restored."),
    ]
    for mailbox, path, button, done in steps:
        page = watched.open(mailed_link(embedded_service, mailbox, path))
        watched.tab_to(button, at_most=3)
        page.keyboard.press("Enter")
        expect(page.get_by_text(done)).to_be_visible()
        assert_well_formed(page)


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
