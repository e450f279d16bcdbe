"""The console's pages of sites, members and violations."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.admin import sites as pages
from accounts.models import Membership, Role, Site, User, Violation
from security.errors import SiteExists
from security.models import AuditEvent
from tests.accounts.site_people import make_site
from tests.console.conftest import Console

SITES = "/admin/accounts/site/"
MEMBERS = "/admin/accounts/membership/"
VIOLATIONS = "/admin/accounts/violation/"
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
def site(alice: User) -> Site:
    return make_site("North bridge", alice)


def page_of(row: Any) -> str:
    return reverse(f"admin:accounts_{row._meta.model_name}_change", args=[row.pk])


def kinds() -> list[str]:
    found = AuditEvent.objects.filter(kind__regex=r"^(site|violation)\.").order_by("id")
    return [event.kind for event in found]


def test_a_site_is_created_with_its_first_member(
    operator: Console, admin: User, alice: User
) -> None:
    answer = operator.post(f"{SITES}add/", {"name": "North bridge", "new_member": "ALICE"})
    assert answer.status_code == 302
    site = Site.objects.get()
    assert site.name == "North bridge"
    assert list(site.members.all()) == [alice]
    assert sorted(kinds()) == ["site.created", "site.member_added"]
    events = AuditEvent.objects.filter(kind__startswith="site.")
    assert {event.actor_id for event in events} == {admin.pk}
    assert page_of(site) in operator.html(SITES)


def test_a_site_is_renamed_and_given_a_member(operator: Console, site: Site, bob: User) -> None:
    answer = operator.post(page_of(site), {"name": "South bridge", "new_member": bob.email})
    assert answer.status_code == 302
    assert Site.objects.get().name == "South bridge"
    assert site.members.filter(pk=bob.pk).exists()
    assert sorted(kinds()) == ["site.changed", "site.member_added"]


def test_saving_without_a_change_is_no_event(operator: Console, site: Site) -> None:
    assert operator.post(page_of(site), {"name": "North bridge"}).status_code == 302
    assert kinds() == []


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ({"name": "x", "new_member": "nobody"}, "There is no such user."),
        ({"name": "x", "new_member": "a\0b"}, "Null characters are not allowed."),
        ({"name": ""}, "This field is required."),
        ({"name": "x" * 151}, "at most 150 characters"),
        ({"name": "Other"}, "Site with this Name already exists."),
    ],
)
def test_what_can_not_be_saved_changes_nothing(
    operator: Console, site: Site, sent: dict[str, str], told: str
) -> None:
    make_site("Other")
    for path in (page_of(site), f"{SITES}add/"):
        answer = operator.post(path, sent)
        assert answer.status_code == 200
        assert told in answer.content.decode()
    assert sorted(found.name for found in Site.objects.all()) == ["North bridge", "Other"]
    assert kinds() == []


@pytest.mark.parametrize("path", ["add/", "change"])
def test_what_a_service_refuses_is_a_message_and_undoes_all(
    operator: Console, site: Site, bob: User, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    def refuse(**_: Any) -> None:
        raise SiteExists

    monkeypatch.setattr(pages, "add_member", refuse)
    path = page_of(site) if path == "change" else f"{SITES}{path}"
    answer = operator.post(path, {"name": "South", "new_member": "bob"}, follow=True)
    assert operator.texts(answer) == [SiteExists.detail]
    assert Site.objects.get().name == "North bridge"
    assert kinds() == []


def test_a_name_of_invisible_letters_is_refused(operator: Console, site: Site) -> None:
    answer = operator.post(page_of(site), {"name": "\u200b"}, follow=True)
    assert operator.texts(answer) == ["A site needs a name that can be seen."]
    assert Site.objects.get().name == "North bridge"


def test_members_are_listed_by_site_and_removed(
    operator: Console, site: Site, admin: User, alice: User, bob: User
) -> None:
    other = make_site("Other", bob)
    link = f"{MEMBERS}?site__id__exact={site.pk}"
    assert link in operator.html(page_of(site))
    membership = site.memberships.get()
    html = operator.html(link)
    assert page_of(membership) in html
    assert page_of(other.memberships.get()) not in html
    answer = operator.post(
        MEMBERS, {"action": "remove", "_selected_action": [str(membership.pk)]}, follow=True
    )
    assert operator.texts(answer) == ["They no longer see the site."]
    assert Membership.objects.get().user == bob
    [event] = AuditEvent.objects.filter(kind="site.member_removed")
    assert (event.actor_id, event.subject_id) == (admin.pk, alice.pk)


def test_violations_are_read_and_never_changed(operator: Console, site: Site) -> None:
    violation = Violation.objects.create(
        site=site, stream_name=SCRIPT, image_url=SCRIPT, warnings=[SCRIPT]
    )
    link = f"{VIOLATIONS}?site__id__exact={site.pk}"
    assert link in operator.html(page_of(site))
    for path in (link, page_of(violation)):
        html = operator.html(path)
        assert SCRIPT not in html
        assert "&lt;script&gt;" in html
    assert 'name="_save"' not in operator.html(page_of(violation))
    assert operator.post(page_of(violation), {"stream_name": "x"}).status_code == 403
    assert Violation.objects.get().stream_name == SCRIPT


@pytest.mark.parametrize("path", [SITES, MEMBERS, VIOLATIONS])
def test_a_longer_list_needs_no_more_queries(
    operator: Console, make_user: Callable[..., User], path: str
) -> None:
    def grow(number: int) -> None:
        site = make_site(f"Site {number}", make_user(f"member{number}"))
        Violation.objects.create(site=site, stream_name="Gate")

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            operator.html(path)
        return len(captured)

    grow(0)
    before = queries()
    for number in range(1, 6):
        grow(number)
    assert queries() == before


class TestOtherRoles:
    @pytest.fixture
    def visit(
        self, console: Console, make_user: Callable[..., User], make_role: Callable[..., Role]
    ) -> Callable[..., User]:
        """Sign in as somebody with these permissions."""

        def sign_in(*permissions: str) -> User:
            make_role("visitor", *permissions)
            user = make_user("visitor", role="visitor")
            assert console.sign_in("visitor").status_code == 302
            return user

        return sign_in

    def test_who_may_look_sees_their_own_sites_and_changes_nothing(
        self, console: Console, site: Site, visit: Callable[..., User]
    ) -> None:
        visitor = visit("accounts.view_site", "accounts.view_violation")
        own = make_site("Own", visitor)
        mine = Violation.objects.create(site=own, stream_name="Gate")
        hidden = Violation.objects.create(site=site, stream_name="Gate")
        html = console.html(SITES)
        assert page_of(own) in html
        assert "North bridge" not in html
        html = console.html(VIOLATIONS)
        assert page_of(mine) in html
        assert page_of(hidden) not in html
        for row in (site, hidden):
            # Django's way to say that there is no such row.
            assert console.get(page_of(row)).headers["Location"] == "/admin/"
        assert "new_member" not in console.html(page_of(own))
        for path in (page_of(own), f"{SITES}add/", MEMBERS):
            assert console.post(path, {"name": "x"}).status_code == 403, path
        assert sorted(found.name for found in Site.objects.all()) == ["North bridge", "Own"]

    def test_who_may_change_sites_changes_those_they_see(
        self, console: Console, site: Site, bob: User, visit: Callable[..., User]
    ) -> None:
        visitor = visit("accounts.view_site", "accounts.change_site")
        own = make_site("Own", visitor)
        sent = {"name": "Ours", "new_member": "bob"}
        assert console.post(page_of(own), sent).status_code == 302
        assert console.post(page_of(site), {"name": "Mine"}).headers["Location"] == "/admin/"
        taken = {"action": "remove", "_selected_action": [str(site.memberships.get().pk)]}
        console.post(MEMBERS, taken)
        assert site.memberships.count() == 1
        assert {found.name for found in Site.objects.all()} == {"North bridge", "Ours"}

    def test_a_role_without_these_permissions_sees_no_such_page(
        self, console: Console, site: Site, visit: Callable[..., User]
    ) -> None:
        visit("accounts.view_user")
        index = console.html("/admin/")
        for path in (SITES, MEMBERS, VIOLATIONS):
            assert path not in index
            assert console.get(path).status_code == 403
