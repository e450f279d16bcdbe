"""The console's lists on large tables: no count over all rows, no deep pages."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import ApiKey, Membership, User
from security.admin import pages
from security.models import AuditEvent
from sessions_app.models import DeviceSession
from tests.accounts.site_people import make_site
from tests.client import Client
from tests.console.conftest import Console

EVENTS = "/admin/security/auditevent/"
LISTS = [
    "/admin/accounts/user/",
    "/admin/accounts/apikey/",
    "/admin/accounts/membership/",
    "/admin/accounts/outgoingmail/",
    "/admin/accounts/role/",
    "/admin/accounts/site/",
    "/admin/accounts/violation/",
    "/admin/sessions_app/devicesession/",
    "/admin/security/signingkey/",
    EVENTS,
]


@pytest.fixture
def many(operator: Console, monkeypatch: pytest.MonkeyPatch) -> Console:
    """At the console, with more audit events than are listed, which are two pages of 100."""
    monkeypatch.setattr(pages, "MOST_LISTED", 150)
    AuditEvent.objects.bulk_create(AuditEvent(kind="user.changed") for _ in range(160))
    return operator


@pytest.mark.parametrize("path", LISTS)
def test_nothing_is_counted_over_the_whole_table(operator: Console, path: str) -> None:
    with CaptureQueriesContext(connection) as captured:
        operator.html(path)
    counts = [query["sql"] for query in captured if "COUNT(" in query["sql"]]
    assert len(counts) == 1
    assert f"LIMIT {pages.MOST_LISTED + 1}" in counts[0]


@pytest.mark.parametrize(
    "path",
    [
        "accounts/user",
        "accounts/apikey",
        "accounts/membership",
        "accounts/outgoingmail",
        "sessions_app/devicesession",
    ],
)
def test_people_are_searched_by_their_stored_keys(operator: Console, path: str) -> None:
    """Without case is as costly as the table is long; the keys are folded already."""
    with CaptureQueriesContext(connection) as captured:
        operator.html(f"/admin/{path}/?q=ALICE@Example.com")
    found = " ".join(query["sql"] for query in captured)
    assert "alice@example.com" in found
    assert "UPPER(" not in found
    assert "LIKE '%" not in found


@pytest.mark.parametrize("name", ["alice", "ALICE@Example.com", "ａｌｉｃｅ"])  # noqa: RUF001
def test_whose_rows_are_found_in_any_spelling(
    operator: Console, client: Client, alice: User, bob: User, name: str
) -> None:
    make_site("North bridge", alice, bob)
    Client().sign_in("bob")
    client.sign_in("alice")
    client.post("/api-keys", {"name": "script"})
    for model in (Membership, DeviceSession, ApiKey):
        path = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        rows = operator.get(path, {"q": name}).context["cl"].result_list
        assert [row.user_id for row in rows] == [alice.pk], path
        assert not operator.get(path, {"q": "ali"}).context["cl"].result_list


def test_the_pages_end_and_say_so(many: Console) -> None:
    first, last = many.get(EVENTS), many.get(f"{EVENTS}?p=2")
    assert len(first.context["cl"].result_list) == 100
    assert len(last.context["cl"].result_list) == 50
    for answer in (first, last):
        assert "More than 150 match." in answer.content.decode()
    for page in ("3", "-1", "999999999999", "x"):
        html = many.get(f"{EVENTS}?p={page}", follow=True).content.decode()
        assert "traceback" not in html.lower()
        assert len(many.get(f"{EVENTS}?p={page}", follow=True).context["cl"].result_list) == 100


def test_a_list_that_is_whole_does_not_say_so(operator: Console, client: Client) -> None:
    html = operator.html(EVENTS)
    assert "Search or filter to reach the others" not in html
    assert "audit events" in html


def test_all_rows_are_acted_on_only_where_all_are_listed(
    operator: Console, monkeypatch: pytest.MonkeyPatch, alice: User
) -> None:
    clients = [Client() for _ in range(3)]
    for client in clients:
        client.sign_in("alice")
    path = "/admin/sessions_app/devicesession/?q=alice"
    sent = {"action": "end_selected", "select_across": "1", "_selected_action": "x"}
    monkeypatch.setattr(pages, "MOST_LISTED", 2)
    answer = operator.post(path, sent, follow=True)
    assert operator.texts(answer) == ["More than 2 rows match: search or filter first."]
    assert all(client.get("/users/me").status_code == 200 for client in clients)
    monkeypatch.setattr(pages, "MOST_LISTED", 3)
    answer = operator.post(path, sent, follow=True)
    assert operator.texts(answer) == ["Sessions ended: 3."]
    assert all(client.get("/users/me").status_code == 401 for client in clients)


@pytest.mark.parametrize("chosen", ["x", "", "a\0b", "\N{GRINNING FACE}", "1" * 5000])
@pytest.mark.parametrize(
    ("path", "action"),
    [
        ("/admin/accounts/outgoingmail/", "send_again"),
        ("/admin/sessions_app/devicesession/", "end_selected"),
        ("/admin/accounts/apikey/", "revoke"),
    ],
)
def test_an_action_on_what_is_no_row_is_a_message(
    operator: Console, path: str, action: str, chosen: str
) -> None:
    answer = operator.post(path, {"action": action, "_selected_action": chosen}, follow=True)
    assert answer.status_code == 200
    assert operator.texts(answer)
