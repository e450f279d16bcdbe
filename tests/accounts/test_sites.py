"""Sites: members see theirs, operators keep them, nobody else learns that they exist."""

import re
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import Permission
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import Membership, Role, Site, User, Violation
from accounts.services.sites import delete_site, rename_site
from security.client_info import ClientInfo
from security.errors import NotFound
from security.models import AuditEvent
from tests.accounts.site_people import ids, key_of, make_site, next_page, signed_in
from tests.client import Client, assert_problem

RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)")
READERS = ["guest", "user", "model_manager", "moderator"]


@pytest.fixture
def site(alice: User) -> Site:
    """A site of alice's."""
    return make_site("North bridge", alice)


@pytest.fixture
def operator(admin: User) -> Client:
    return signed_in(admin)


def events(kind: str) -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(kind=kind).order_by("id"))


def role_with(name: str, *codenames: str) -> Role:
    role = Role.objects.create(name=name)
    role.permissions.set(Permission.objects.filter(codename__in=codenames))
    assert role.permissions.count() == len(codenames)
    return role


class TestReading:
    @pytest.mark.parametrize("role", READERS)
    def test_a_member_sees_the_site_and_no_other(
        self, make_user: Callable[..., User], role: str
    ) -> None:
        member = make_user("member", role=role)
        mine, other = make_site("Mine", member), make_site("Other")
        client = signed_in(member)
        assert ids(client.get("/sites")) == [mine.pk]
        found = client.get(f"/sites/{mine.pk}").json()
        assert (found["id"], found["name"]) == (str(mine.pk), "Mine")
        assert set(found) == {"id", "name", "created_at", "updated_at"}
        assert RFC_3339.fullmatch(found["created_at"])
        assert_problem(client.get(f"/sites/{other.pk}"), 404, "not_found")

    def test_what_is_hidden_answers_like_what_does_not_exist(self, site: Site, bob: User) -> None:
        client = signed_in(bob)
        hidden = client.get(f"/sites/{site.pk}").json()
        missing = client.get(f"/sites/{uuid4()}").json()
        assert {**hidden, "request_id": ""} == {**missing, "request_id": ""}

    def test_an_admin_sees_every_site_without_being_a_member(
        self, operator: Client, site: Site
    ) -> None:
        other = make_site("Other")
        assert set(ids(operator.get("/sites"))) == {other.pk, site.pk}
        assert operator.get(f"/sites/{site.pk}").status_code == 200

    def test_a_role_may_be_given_sight_of_every_site(
        self, site: Site, make_user: Callable[..., User]
    ) -> None:
        role_with("inspector", "view_site", "view_all_sites")
        client = signed_in(make_user("inspector", role="inspector"))
        assert ids(client.get("/sites")) == [site.pk]
        assert_problem(client.patch(f"/sites/{site.pk}", {"name": "x"}), 403, "permission_denied")

    def test_a_role_without_the_permission_sees_nothing_of_its_own_sites(
        self, make_user: Callable[..., User]
    ) -> None:
        role_with("blind")
        member = make_user("blind", role="blind")
        mine = make_site("Mine", member)
        client = signed_in(member)
        for path in ("/sites", f"/sites/{mine.pk}", f"/sites/{mine.pk}/violations"):
            assert_problem(client.get(path), 403, "permission_denied")

    def test_membership_counts_at_once(self, operator: Client, site: Site, bob: User) -> None:
        client = signed_in(bob)
        path = f"/sites/{site.pk}"
        assert_problem(client.get(path), 404, "not_found")
        assert operator.put(f"{path}/members/{bob.pk}").status_code == 204
        assert client.get(path).status_code == 200
        assert operator.delete(f"{path}/members/{bob.pk}").status_code == 204
        assert_problem(client.get(path), 404, "not_found")
        assert ids(client.get("/sites")) == []

    @pytest.mark.parametrize(
        "path", ["/sites", f"/sites/{UUID(int=1)}", f"/sites/{UUID(int=1)}/members"]
    )
    def test_nobody_gets_in_without_a_token(self, client: Client, path: str) -> None:
        assert_problem(client.get(path), 401, "not_authenticated")

    def test_a_key_reads_within_its_scopes(self, site: Site, alice: User) -> None:
        owner = signed_in(alice)
        assert ids(key_of(owner, "accounts.view_site").get("/sites")) == [site.pk]
        for narrow in (key_of(owner), key_of(owner, "accounts.view_violation")):
            assert_problem(narrow.get("/sites"), 403, "permission_denied")

    def test_an_admins_key_sees_every_site_only_if_a_scope_says_so(
        self, operator: Client, site: Site
    ) -> None:
        narrow = key_of(operator, "accounts.view_site", "accounts.delete_site")
        assert ids(narrow.get("/sites")) == []
        assert_problem(narrow.delete(f"/sites/{site.pk}"), 404, "not_found")
        wide = key_of(operator, "accounts.view_site", "accounts.view_all_sites")
        assert ids(wide.get("/sites")) == [site.pk]


class TestList:
    def test_pages_hold_every_site_once_the_newest_first(self, alice: User) -> None:
        made = [make_site(f"Site {number}", alice).pk for number in range(5)]
        make_site("Not hers")
        client = signed_in(alice)
        first = client.get("/sites?page_size=2")
        second = next_page(client, first)
        third = next_page(client, second)
        found = [pk for page in (first, second, third) for pk in ids(page)]
        assert found == sorted(made, reverse=True)
        assert third.json()["next"] is None

    @pytest.mark.parametrize(
        "query", ["page_size=0", "page_size=101", "page_size=x", "cursor=x", "cursor="]
    )
    def test_an_odd_page_is_422(self, alice: User, query: str) -> None:
        assert_problem(signed_in(alice).get(f"/sites?{query}"), 422, "validation_error")

    @pytest.mark.parametrize("who", ["member", "admin"])
    def test_a_longer_list_costs_no_more_statements(
        self, alice: User, admin: User, who: str
    ) -> None:
        client = signed_in(alice if who == "member" else admin)

        def statements() -> int:
            with CaptureQueriesContext(connection) as captured:
                ids(client.get("/sites?page_size=100"))
            return len(captured)

        make_site("First", alice)
        client.get("/sites")
        assert statements() == 1
        for number in range(20):
            make_site(f"Site {number}", alice)
        assert statements() == 1


class TestKeeping:
    def test_an_admin_creates_a_site_and_does_not_become_a_member(
        self, operator: Client, admin: User
    ) -> None:
        answer = operator.post("/sites", {"name": " North bridge "})
        assert answer.status_code == 201
        made = answer.json()
        assert made["name"] == "North bridge"
        assert operator.get(f"/sites/{made['id']}").json() == made
        assert not Membership.objects.exists()
        [event] = events("site.created")
        assert event.actor_id == admin.pk
        assert event.details == {"site": made["id"], "name": "North bridge"}

    def test_who_can_not_see_every_site_belongs_to_the_ones_they_make(
        self, make_user: Callable[..., User]
    ) -> None:
        role_with("founder", "view_site", "add_site")
        founder = make_user("founder", role="founder")
        client = signed_in(founder)
        made = client.post("/sites", {"name": "Mine"}).json()
        assert client.get(f"/sites/{made['id']}").json() == made
        assert events("site.member_added")[0].subject_id == founder.pk

    def test_only_the_name_is_read(self, operator: Client) -> None:
        sent = {
            "id": str(uuid4()),
            "name": "Mine",
            "created_at": "2000-01-01T00:00:00Z",
            "members": [str(uuid4())],
            "colour": "red",
        }
        made = operator.post("/sites", sent).json()
        assert made["id"] != sent["id"]
        assert not made["created_at"].startswith("2000")
        changed = operator.put(f"/sites/{made['id']}", {**sent, "name": "Ours"}).json()
        assert changed == {**made, "name": "Ours", "updated_at": changed["updated_at"]}

    @pytest.mark.parametrize("method", ["patch", "put"])
    def test_a_site_is_renamed(
        self, operator: Client, admin: User, site: Site, method: str
    ) -> None:
        answer = getattr(operator, method)(f"/sites/{site.pk}", {"name": "South bridge"})
        assert answer.status_code == 200
        assert answer.json()["name"] == Site.objects.get().name == "South bridge"
        assert answer.json()["updated_at"] > site.updated_at.isoformat()
        [event] = events("site.changed")
        assert event.actor_id == admin.pk
        assert event.details == {
            "site": str(site.pk),
            "before": {"name": "North bridge"},
            "after": {"name": "South bridge"},
        }

    @pytest.mark.parametrize("body", [{}, {"name": "North bridge"}, {"colour": "red"}])
    def test_a_change_that_changes_nothing_is_no_event(
        self, operator: Client, site: Site, body: dict[str, str]
    ) -> None:
        for method in (operator.put, operator.patch):
            assert method(f"/sites/{site.pk}", body).status_code == 200
        assert Site.objects.get().updated_at == site.updated_at
        assert events("site.changed") == []

    @pytest.mark.parametrize(
        "name",
        [None, 1, True, ["x"], "", "  ", "\u200b", "\u2060\u00a0", "a\0b", "\ud800", "x" * 151],
        ids=repr,
    )
    def test_a_name_of_the_wrong_kind_is_422(
        self, operator: Client, site: Site, name: object
    ) -> None:
        for call in (
            operator.post("/sites", {"name": name}),
            operator.patch(f"/sites/{site.pk}", {"name": name}),
        ):
            problem = assert_problem(call, 422, "validation_error")
            assert [error["field"] for error in problem["errors"]] == ["name"]
        assert [found.name for found in Site.objects.all()] == ["North bridge"]

    def test_a_site_needs_a_name(self, operator: Client) -> None:
        assert_problem(operator.post("/sites", {}), 422, "validation_error")

    def test_a_taken_name_is_409(self, operator: Client, site: Site) -> None:
        other = make_site("Other")
        assert_problem(operator.post("/sites", {"name": site.name}), 409, "site_exists")
        assert_problem(
            operator.patch(f"/sites/{other.pk}", {"name": site.name}), 409, "site_exists"
        )
        assert Site.objects.get(pk=other.pk).name == "Other"
        assert events("site.created") == events("site.changed") == []

    def test_deleting_a_site_takes_its_violations_and_members_along(
        self, operator: Client, admin: User, site: Site, alice: User
    ) -> None:
        other = make_site("Other", alice)
        kept = Violation.objects.create(site=other, stream_name="gate")
        for _ in range(3):
            Violation.objects.create(site=site, stream_name="gate")
        assert operator.delete(f"/sites/{site.pk}").status_code == 204
        assert_problem(operator.delete(f"/sites/{site.pk}"), 404, "not_found")
        assert Violation.objects.get() == kept
        assert Membership.objects.get().site == other
        assert User.objects.filter(pk=alice.pk).exists()
        [event] = events("site.deleted")
        assert event.actor_id == admin.pk
        assert event.details == {
            "site": str(site.pk),
            "name": "North bridge",
            "members": 1,
            "violations": 3,
        }

    def test_deleting_a_user_takes_them_out_of_their_sites(self, site: Site, alice: User) -> None:
        alice.delete()
        assert Site.objects.get() == site
        assert not Membership.objects.exists()

    @pytest.mark.parametrize("role", READERS)
    def test_no_other_role_keeps_sites(
        self, make_user: Callable[..., User], site: Site, bob: User, role: str
    ) -> None:
        member = make_user("member", role=role)
        Membership.objects.create(site=site, user=member)
        client = signed_in(member)
        for answer in (
            client.post("/sites", {"name": "Mine"}),
            client.patch(f"/sites/{site.pk}", {"name": "Mine"}),
            client.put(f"/sites/{site.pk}", {"name": "Mine"}),
            client.delete(f"/sites/{site.pk}"),
            client.get(f"/sites/{site.pk}/members"),
            client.put(f"/sites/{site.pk}/members/{bob.pk}"),
            client.delete(f"/sites/{site.pk}/members/{member.pk}"),
        ):
            assert_problem(answer, 403, "permission_denied")
        assert Site.objects.get().name == "North bridge"
        assert Membership.objects.count() == 2

    def test_who_may_keep_sites_keeps_only_those_they_see(
        self, site: Site, bob: User, alice: User, make_user: Callable[..., User]
    ) -> None:
        role_with("foreman", "view_site", "change_site", "delete_site")
        foreman = make_user("foreman", role="foreman")
        own = make_site("Own", foreman)
        client = signed_in(foreman)
        assert client.put(f"/sites/{own.pk}/members/{bob.pk}").status_code == 204
        for answer in (
            client.patch(f"/sites/{site.pk}", {"name": "Mine"}),
            client.patch(f"/sites/{site.pk}", {"name": own.name}),
            client.delete(f"/sites/{site.pk}"),
            client.get(f"/sites/{site.pk}/members"),
            client.put(f"/sites/{site.pk}/members/{foreman.pk}"),
            client.delete(f"/sites/{site.pk}/members/{alice.pk}"),
        ):
            assert_problem(answer, 404, "not_found")
        assert Site.objects.get(pk=site.pk).name == "North bridge"
        assert list(site.members.all()) == [alice]
        assert len(events("site.member_added")) == 1


class TestMembers:
    def test_they_are_listed_without_their_addresses(
        self, operator: Client, site: Site, alice: User, bob: User
    ) -> None:
        operator.put(f"/sites/{site.pk}/members/{bob.pk}")
        answer = operator.get(f"/sites/{site.pk}/members")
        assert set(ids(answer)) == {alice.pk, bob.pk}
        [found] = [row for row in answer.json()["results"] if row["id"] == str(alice.pk)]
        assert set(found) == {"id", "username", "full_name", "member_since"}
        assert (found["username"], found["full_name"]) == ("alice", "Alice Liddell")

    def test_a_longer_list_costs_no_more_statements(
        self, operator: Client, site: Site, make_user: Callable[..., User]
    ) -> None:
        def statements() -> int:
            with CaptureQueriesContext(connection) as captured:
                ids(operator.get(f"/sites/{site.pk}/members?page_size=3"))
            return len(captured)

        operator.get("/sites")
        assert statements() == 2
        for number in range(5):
            Membership.objects.create(site=site, user=make_user(f"more{number}"))
        assert statements() == 2

    def test_adding_twice_is_adding_once(
        self, operator: Client, admin: User, site: Site, bob: User
    ) -> None:
        for _ in range(2):
            assert operator.put(f"/sites/{site.pk}/members/{bob.pk}").status_code == 204
        assert site.members.filter(pk=bob.pk).count() == 1
        [event] = events("site.member_added")
        assert (event.actor_id, event.subject_id) == (admin.pk, bob.pk)
        assert event.details == {"site": str(site.pk)}

    def test_removing_is_audited_and_happens_once(
        self, operator: Client, admin: User, site: Site, alice: User
    ) -> None:
        path = f"/sites/{site.pk}/members/{alice.pk}"
        assert operator.delete(path).status_code == 204
        assert_problem(operator.delete(path), 404, "not_found")
        [event] = events("site.member_removed")
        assert (event.actor_id, event.subject_id) == (admin.pk, alice.pk)

    def test_an_unknown_user_or_site_is_404(self, operator: Client, site: Site, bob: User) -> None:
        for path in (f"/sites/{site.pk}/members/{uuid4()}", f"/sites/{uuid4()}/members/{bob.pk}"):
            assert_problem(operator.put(path), 404, "not_found")
            assert_problem(operator.delete(path), 404, "not_found")

    def test_the_database_holds_nobody_twice(self, site: Site, alice: User) -> None:
        with pytest.raises(IntegrityError), transaction.atomic():
            Membership.objects.create(site=site, user=alice)


def test_what_went_away_meanwhile_is_not_found(site: Site, admin: User) -> None:
    by: dict[str, Any] = {"actor": admin, "client": ClientInfo()}
    delete_site(site=Site.objects.get(), **by)
    for verb in (
        lambda: rename_site(site=site, name="x", **by),
        lambda: delete_site(site=site, **by),
    ):
        with pytest.raises(NotFound):
            verb()


def test_a_method_that_there_is_not_is_405(operator: Client, site: Site, alice: User) -> None:
    for answer in (
        operator.delete("/sites"),
        operator.post(f"/sites/{site.pk}"),
        operator.post(f"/sites/{site.pk}/members"),
        operator.get(f"/sites/{site.pk}/members/{alice.pk}"),
    ):
        assert_problem(answer, 405, "method_not_allowed")
