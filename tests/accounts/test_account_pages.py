"""The pages behind mailed links: looking uses nothing up, sending does; without script too."""

import re
from collections.abc import Callable, Iterator
from gettext import GNUTranslations
from typing import Any

import pytest
from django.test import Client as Browser
from django.test import TestCase

from accounts.emails import PAGES, NewToken
from accounts.models import OneTimeToken, User
from accounts.models.one_time_token import Purpose
from accounts.services.one_time_tokens import issue
from accounts.services.passwords import BREACHED
from security.rates import parse_rates
from tests.accounts.mailbox import letter
from tests.client import PASSWORD, Client
from tests.service import ROOT

NEW = "tapir under seven moons"
PATHS = sorted(set(PAGES.values()))
every_page = pytest.mark.parametrize("path", PATHS)


class Visitor:
    """A browser that keeps cookies and sends what the page's form holds."""

    def __init__(self, **headers: str) -> None:
        self.browser = Browser(enforce_csrf_checks=True, headers=headers)

    def get(self, path: str, **options: Any) -> Any:
        return self.browser.get(path, **options)

    def send(self, path: str, headers: dict[str, str] | None = None, **fields: str) -> Any:
        page = self.get(path).content.decode()
        (secret,) = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
        with TestCase.captureOnCommitCallbacks(execute=True):
            sent = fields | {"csrfmiddlewaretoken": secret}
            return self.browser.post(path, sent, headers=headers or {})


@pytest.fixture
def visitor(db: None) -> Visitor:
    return Visitor()


@pytest.fixture
def mailed(alice: User) -> Callable[[Purpose], NewToken]:
    return lambda purpose: issue(user=alice, purpose=purpose, email="other@example.com")


def address() -> str:
    return str(User.objects.get(username="alice").email)


def test_a_link_verifies(visitor: Visitor, mailed: Callable[[Purpose], NewToken]) -> None:
    token = mailed(Purpose.VERIFY_EMAIL).text
    page = visitor.send("/account/verify", token=token, email="", code="")
    assert page.status_code == 200
    assert "Your e-mail address is verified." in page.content.decode()
    assert User.objects.get().email_verified
    assert visitor.send("/account/verify", token=token).status_code == 422


def test_a_pasted_link_and_a_typed_code_do_too(
    visitor: Visitor, mailed: Callable[[Purpose], NewToken]
) -> None:
    token = mailed(Purpose.VERIFY_EMAIL)
    link = f" http://localhost:8000/account/verify#token={token.text} "
    assert visitor.send("/account/verify", token=link).status_code == 200
    code = mailed(Purpose.VERIFY_EMAIL).code
    sent = {"token": "", "email": "alice@example.com", "code": code}
    assert visitor.send("/account/verify", **sent).status_code == 200


def test_a_link_sets_a_password(visitor: Visitor, mailed: Callable[[Purpose], NewToken]) -> None:
    token = mailed(Purpose.RESET_PASSWORD).text
    page = visitor.send("/account/reset", token=token, new_password=NEW)
    assert page.status_code == 200
    assert "sessionid" not in page.cookies
    assert Client().sign_in("alice", NEW)


def test_a_weak_password_keeps_the_link(
    visitor: Visitor, mailed: Callable[[Purpose], NewToken]
) -> None:
    token = mailed(Purpose.RESET_PASSWORD).text
    page = visitor.send("/account/reset", token=token, new_password="password")
    assert page.status_code == 422
    text = page.content.decode()
    assert "<title>Error: Choose a new password</title>" in text
    assert 'role="alert"' in text
    assert 'href="#id_new_password"' in text
    assert re.search(r'id="id_new_password"[^>]*aria-invalid="true"', text) or re.search(
        r'aria-invalid="true"[^>]*id="id_new_password"', text
    )
    assert f'value="{token}"' in text
    assert 'value="password"' not in text
    assert visitor.send("/account/reset", token=token, new_password=NEW).status_code == 200


def test_a_link_confirms_a_new_address_and_another_undoes_it(
    visitor: Visitor, mailed: Callable[[Purpose], NewToken]
) -> None:
    token = mailed(Purpose.CHANGE_EMAIL).text
    assert visitor.send("/account/email", token=token).status_code == 200
    assert address() == "other@example.com"
    way_back = letter("was changed")
    assert way_back.link.endswith("/account/email/undo")
    page = visitor.send("/account/email/undo", token=way_back.token)
    assert "on its way" in page.content.decode()
    assert address() == "alice@example.com"
    assert letter("reset your password").to == "alice@example.com"


@every_page
@pytest.mark.parametrize("method", ["get", "head"])
def test_looking_uses_nothing_up(
    visitor: Visitor, mailed: Callable[[Purpose], NewToken], path: str, method: str
) -> None:
    tokens = [mailed(purpose).text for purpose in Purpose]
    for token in tokens:
        for query in ("", f"?token={token}"):
            assert getattr(visitor.browser, method)(path + query).status_code == 200
    assert not OneTimeToken.objects.exclude(used_at=None).exists()
    assert OneTimeToken.objects.count() == len(tokens)


@every_page
def test_a_page_is_kept_nowhere_and_tells_nobody_where_it_is(visitor: Visitor, path: str) -> None:
    for answer in (visitor.get(path), visitor.send(path, token="x")):
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "unsafe" not in answer.headers["Content-Security-Policy"]
        page = answer.content.decode()
        assert re.findall(r"<script(?! src=\"/static/)|<style|\son\w+=|style=", page) == []
        assert re.findall(r"(?:src|href)=\"(?:https?:)?//", page) == []


@every_page
def test_every_field_has_a_label(visitor: Visitor, path: str) -> None:
    page = visitor.get(path).content.decode()
    fields = re.findall(r"<input[^>]*\bid=\"(\w+)\"", page)
    assert fields
    assert sorted(fields) == sorted(re.findall(r"<label for=\"(\w+)\"", page))


@every_page
def test_another_sites_form_is_refused(visitor: Visitor, path: str) -> None:
    assert visitor.browser.post(path, {"token": "x"}).status_code == 403
    assert visitor.send(path, {"origin": "https://evil.example"}, token="x").status_code == 403
    # What browsers send from a page with this Referrer-Policy.
    assert visitor.send(path, {"origin": "null"}, token="x").status_code == 422


@every_page
@pytest.mark.parametrize("method", ["put", "patch", "delete", "options", "trace"])
def test_another_method_is_405(visitor: Visitor, path: str, method: str) -> None:
    answer = getattr(visitor.browser, method)(path)
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "GET, HEAD, POST"


@every_page
@pytest.mark.parametrize("token", ["", "x", "\x00", "<script>", "a" * 2000, "\u202e"])
def test_what_is_no_token_is_told_beside_the_field(visitor: Visitor, path: str, token: str) -> None:
    page = visitor.send(path, token=token, new_password=NEW)
    assert page.status_code == 422
    text = page.content.decode()
    assert 'href="#id_token"' in text
    assert "<script>" not in text


def test_a_token_is_good_for_its_own_page_only(
    visitor: Visitor, mailed: Callable[[Purpose], NewToken]
) -> None:
    undoing = mailed(Purpose.UNDO_EMAIL_CHANGE).text
    changing = mailed(Purpose.CHANGE_EMAIL).text
    assert visitor.send("/account/email", token=undoing).status_code == 422
    assert visitor.send("/account/email/undo", token=changing).status_code == 422
    sent = {"token": changing, "new_password": NEW}
    assert visitor.send("/account/reset", **sent).status_code == 422


def test_tries_are_limited_and_count_with_the_api(
    visitor: Visitor, settings: Any, limits_on: None
) -> None:
    settings.AUTH_LIMIT_RATES = settings.AUTH_LIMIT_RATES | {"verify": parse_rates("2/m")}
    assert visitor.send("/account/verify", token="x").status_code == 422
    assert Client().post("/auth/email/verify", {"token": "x"}).status_code == 422
    refused = visitor.send("/account/reset", token="x", new_password=NEW)
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert "Too many requests" in refused.content.decode()


class TestInGerman:
    @pytest.fixture
    def visitor(self, db: None) -> Visitor:
        return Visitor(accept_language="de-AT,de;q=0.9,en;q=0.5")

    @every_page
    def test_a_page_speaks_it(self, visitor: Visitor, path: str) -> None:
        for page in (visitor.get(path), visitor.send(path, token="x", new_password="y")):
            text = page.content.decode()
            assert '<html lang="de">' in text
            assert re.search("Link aus der Nachricht", text)
            assert not re.search(r"\b(the|your|message)\b", re.sub(r"<[^>]+>", " ", text)), text

    def test_so_do_its_refusals(
        self, visitor: Visitor, mailed: Callable[[Purpose], NewToken]
    ) -> None:
        token = mailed(Purpose.RESET_PASSWORD).text
        page = visitor.send("/account/reset", token=token, new_password="password")
        text = page.content.decode()
        assert "Das Passwort ist zu schwach. Es ist eines der zehn h\u00e4ufigsten" in text
        page = visitor.send("/account/reset", token=token, new_password="kurz")
        assert "mindestens 8 Zeichen" in page.content.decode()
        page = visitor.send("/account/reset", token=token, new_password="iloveyou123")
        assert "eines der h\u00e4ufigsten, die als Erstes probiert" in page.content.decode()

    def test_the_api_and_the_console_go_on_in_english(self, client: Client, alice: User) -> None:
        client.headers = {"accept_language": "de"}
        body = {"email": "n@example.com", "password": "password"}
        answer = client.post("/auth/register", body)
        assert "The password is too weak." in answer.content.decode()
        assert 'lang="en"' in client.get("//admin/login/").content.decode()
        assert Client().post("/auth/login", {"username": "x", "password": PASSWORD})


def test_an_unknown_language_is_english(db: None) -> None:
    page = Visitor(accept_language="xx,;;;q=9").get("/account/verify").content.decode()
    assert '<html lang="en">' in page


def catalog() -> Iterator[tuple[str, str]]:
    text = (ROOT / "authsite/locale/de/LC_MESSAGES/django.po").read_text()
    for source, translated in re.findall(r'^msgid "(.+)"\nmsgstr "(.*)"$', text, re.M):
        yield source.replace('\\"', '"'), translated.replace('\\"', '"')


def test_the_compiled_catalog_is_that_of_the_text() -> None:
    with (ROOT / "authsite/locale/de/LC_MESSAGES/django.mo").open("rb") as file:
        compiled = GNUTranslations(file)
    written = dict(catalog())
    assert {source: compiled.gettext(source) for source in written} == written
    assert all(written.values())


def test_the_catalog_has_every_reason_against_a_password() -> None:
    source = (ROOT / "accounts/password_validation.py").read_text()
    asked = set(re.findall(r'gettext\(\s*"(.*?)"\s*\)', source, re.S)) | {BREACHED}
    assert len(asked) > 3
    assert asked <= dict(catalog()).keys()


def test_the_catalog_has_every_sentence_of_the_pages() -> None:
    source = (ROOT / "authsite/account_pages.py").read_text()
    source = re.sub(r'"\n\s+"', "", source)
    asked = set(re.findall(r'(?:_|gettext)\(\s*"(.*?)"\s*\)', source, re.S))
    template = (ROOT / "authsite/templates/authsite/account.html").read_text()
    asked |= set(re.findall(r'{% translate "(.*?)" %}', template))
    assert len(asked) > 20
    assert asked <= dict(catalog()).keys()
