"""Operators at the console."""

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from django.contrib.admin.utils import quote
from django.test import Client, TestCase
from django.urls import reverse
from playwright.sync_api import Browser, sync_playwright

from accounts.models import Role, User
from tests.client import PASSWORD
from tests.console.browsing import FLAGS, Watched
from tests.service import ADMIN_EMAIL, ADMIN_PASSWORD, Service


def change_path(row: Any, page: str = "change") -> str:
    return reverse(
        f"admin:{row._meta.app_label}_{row._meta.model_name}_{page}", args=[quote(row.pk)]
    )


class Console(Client):
    """The console as its operator's browser sees it. Work due after a commit runs, as it would."""

    def request(self, **request: Any) -> Any:
        with TestCase.captureOnCommitCallbacks(execute=True):
            return super().request(**request)

    def sign_in(self, identifier: str, password: str = PASSWORD) -> Any:
        sent = {"username": identifier, "password": password, "next": "/admin/"}
        return self.post("/admin/login/", sent)

    def texts(self, answer: Any) -> list[str]:
        """The messages and errors that a page shows."""
        form = answer.context.get("adminform")
        errors = [text for texts in form.errors.values() for text in texts] if form else []
        return [*map(str, answer.context.get("messages", [])), *errors]

    def html(self, path: str) -> str:
        answer = self.get(path)
        assert answer.status_code == 200, (path, answer.status_code)
        return str(answer.content.decode())

    def save_user(self, user: User, **changes: Any) -> Any:
        return self.save(change_path(user), **changes)

    def save(self, path: str, **changes: Any) -> Any:
        """Send a form as its page shows it, with some fields changed."""
        form = self.get(path).context["adminform"].form
        shown = {name: form[name].value() for name in form.fields}
        sent = {
            name: value for name, value in (shown | changes).items() if value not in (None, False)
        }
        return self.post(path, sent, follow=True)


@pytest.fixture
def console(db: None) -> Console:
    """A browser at the console, not signed in."""
    return Console(raise_request_exception=False)


@pytest.fixture
def operator(console: Console, admin: User) -> Console:
    """An admin at the console."""
    assert console.sign_in("root").status_code == 302
    return console


@pytest.fixture
def make_role(db: None) -> Callable[..., Role]:
    def make(name: str, *permissions: str, console_access: bool = True) -> Role:
        role = Role.objects.create(name=name, console_access=console_access)
        for permission in permissions:
            app, codename = permission.split(".")
            found = role.permissions.model.objects.get(
                content_type__app_label=app, codename=codename
            )
            role.permissions.add(found)
        return role

    return make


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The machine's Chromium. Of one module only: its event loop would forbid others Django's."""
    path = shutil.which("chromium")
    assert path, "There is no Chromium for the browser tests: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(params=["light-1280-en", "dark-360-en"])
def watched(
    request: pytest.FixtureRequest, chromium: Browser, embedded_service: Service
) -> Iterator[Watched]:
    """A new browser window, wide and light or narrow and dark; nothing may go wrong in it."""
    scheme, width, language = request.param.split("-")
    context = chromium.new_context(
        viewport={"width": int(width), "height": 800}, color_scheme=scheme, locale=language
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
