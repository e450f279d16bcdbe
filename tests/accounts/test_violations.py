"""Violations: recorded by whom the role lets, seen by members, stored as they were sent."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Membership, Site, User, Violation
from accounts.services.violations import change_violation, delete_violation
from security.client_info import ClientInfo
from security.errors import NotFound
from security.models import AuditEvent
from tests.accounts.site_people import ids, key_of, make_site, next_page, signed_in
from tests.client import Client, assert_problem

STRUCTURES = ("warnings", "detections", "cone_polygons", "pole_polygons")
SEEN = {
    "stream_name": "Gate 2",
    "detected_at": "2026-01-31T23:59:59.123456+08:00",
    "image_url": "https://images.example/gate-2/1.jpg?size=large#top",
    "warnings": {"warning_no_hardhat": {"count": 2}},
    "detections": [[1.5, 2, 30, 40, 0.97, 5], [0, 0, 1, 1, 0.5, 2]],
    "cone_polygons": [[[0, 0], [0, 1.25], [1, 1]]],
    "pole_polygons": [],
}


@pytest.fixture
def manager(make_user: Callable[..., User]) -> User:
    return make_user("manager", role="model_manager")


@pytest.fixture
def site(manager: User, alice: User) -> Site:
    return make_site("North bridge", manager, alice)


@pytest.fixture
def client(manager: User) -> Client:
    """The client of a model manager, who belongs to the site."""
    return signed_in(manager)


@pytest.fixture
def path(site: Site) -> str:
    return f"/sites/{site.pk}/violations"


def record(client: Client, path: str, **fields: Any) -> dict[str, Any]:
    answer = client.post(path, {"stream_name": "Gate 2", **fields})
    assert answer.status_code == 201, answer.content
    made: dict[str, Any] = answer.json()
    return made


def events(kind: str) -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(kind=kind).order_by("id"))


class TestRecording:
    def test_what_is_sent_is_what_is_read(
        self, client: Client, path: str, site: Site, manager: User
    ) -> None:
        made = record(client, path, **SEEN)
        assert made["site"] == str(site.pk)
        assert made["resolved_at"] is None
        assert datetime.fromisoformat(made["detected_at"]) == datetime.fromisoformat(
            str(SEEN["detected_at"])
        )
        assert made["detected_at"].endswith(("Z", "+00:00"))
        assert {name: made[name] for name in SEEN if name != "detected_at"} == {
            name: value for name, value in SEEN.items() if name != "detected_at"
        }
        assert set(made) == {*SEEN, "id", "site", "resolved_at", "created_at"}
        assert client.get(f"{path}/{made['id']}").json() == made
        assert client.get(path).json()["results"] == [made]
        [event] = events("violation.recorded")
        assert event.actor_id == manager.pk
        assert event.details == {"site": str(site.pk), "violation": made["id"]}

    def test_only_the_stream_must_be_named(self, client: Client, path: str) -> None:
        before = timezone.now()
        made = record(client, path)
        assert before <= datetime.fromisoformat(made["detected_at"]) <= timezone.now()
        assert made["image_url"] is None
        assert [made[name] for name in STRUCTURES] == [[], [], [], []]

    def test_fields_of_ours_are_not_read(self, client: Client, path: str, alice: User) -> None:
        other = make_site("Other", alice)
        forged = {"id": str(uuid4()), "site": str(other.pk), "site_id": str(other.pk)}
        made = record(client, path, created_at="2000-01-01T00:00:00Z", colour="red", **forged)
        assert made["id"] != forged["id"]
        assert not made["created_at"].startswith("2000")
        changed = client.patch(f"{path}/{made['id']}", forged | {"created_at": SEEN["detected_at"]})
        assert changed.json() == made
        assert not other.violations.exists()

    def test_a_key_with_the_scope_records(self, client: Client, path: str) -> None:
        camera = key_of(client, "accounts.add_violation")
        made = record(camera, path)
        assert_problem(camera.get(path), 403, "permission_denied")
        assert_problem(camera.delete(f"{path}/{made['id']}"), 403, "permission_denied")

    @pytest.mark.parametrize("name", STRUCTURES)
    @pytest.mark.parametrize(
        "value",
        [
            None,
            1,
            True,
            "[]",
            ["a\0b"],
            {"a\0b": 1},
            [{"deep": "\ud800"}],
            [json.loads("[" * 32 + "]" * 32)],
            json.loads('{"a":' * 33 + "1" + "}" * 33),
            ["x" * 16 * 1024],
            [1e308] * 60,
        ],
        ids=lambda value: repr(value)[:30],
    )
    def test_a_structure_of_the_wrong_kind_is_422(
        self, client: Client, path: str, name: str, value: object
    ) -> None:
        made = record(client, path)
        body = json.dumps({"stream_name": "Gate 2", name: value})
        for answer in (client.post(path, body), client.patch(f"{path}/{made['id']}", body)):
            problem = assert_problem(answer, 422, "validation_error")
            assert [error["field"] for error in problem["errors"]] == [name]
        assert Violation.objects.count() == 1

    def test_a_number_beyond_every_float_is_422(self, client: Client, path: str) -> None:
        body = '{"stream_name": "x", "detections": [[1e400]]}'
        assert_problem(client.post(path, body), 422, "validation_error")

    @pytest.mark.parametrize(
        "value",
        [
            [-5e-324, 0.1, 1e10, 10**400, -0.0],
            {"": {"": [None, True, False, "", "\U0001f6a7", "\u202e"]}},
            json.loads("[" * 32 + "]" * 32),
            ["x" * (16 * 1024 - 6)],
        ],
        ids=["numbers", "names", "deepest", "longest"],
    )
    def test_an_odd_structure_is_stored_as_it_is(
        self, client: Client, path: str, value: object
    ) -> None:
        made = record(client, path, detections=value)
        assert client.get(f"{path}/{made['id']}").json()["detections"] == value

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("stream_name", None),
            ("stream_name", 7),
            ("stream_name", ["Gate"]),
            ("stream_name", ""),
            ("stream_name", "a\0b"),
            ("stream_name", "\ud800"),
            ("stream_name", "x" * 151),
            ("detected_at", None),
            ("detected_at", 1_700_000_000),
            ("detected_at", "2026-01-31"),
            ("detected_at", "2026-01-31T12:00:00"),
            ("detected_at", "20260131T120000Z"),
            ("detected_at", "2026-02-30T12:00:00Z"),
            ("detected_at", "0001-01-01T00:00:00+23:59"),
            ("detected_at", "9999-12-31T23:59:59-23:59"),
            ("detected_at", "\u0662026-01-31T12:00:00Z"),
            ("resolved_at", "yesterday"),
            ("resolved_at", False),
            ("image_url", 1),
            ("image_url", ""),
            ("image_url", "gate.jpg"),
            ("image_url", "//images.example/1.jpg"),
            ("image_url", "javascript:alert(1)"),
            ("image_url", "data:image/png;base64,AAAA"),
            ("image_url", "file:///etc/passwd"),
            ("image_url", "ftp://images.example/1.jpg"),
            ("image_url", "https://images.example/a\nb"),
            ("image_url", "https://images.example/\0"),
            ("image_url", "https://images.example/" + "x" * 2048),
        ],
        ids=lambda value: repr(value)[:30],
    )
    def test_a_value_of_the_wrong_kind_is_422(
        self, client: Client, path: str, name: str, value: object
    ) -> None:
        made = record(client, path)
        body = json.dumps({"stream_name": "Gate 2", name: value})
        for answer in (client.post(path, body), client.patch(f"{path}/{made['id']}", body)):
            problem = assert_problem(answer, 422, "validation_error")
            assert {error["field"] for error in problem["errors"]} == {name}
        assert Violation.objects.count() == 1

    @pytest.mark.parametrize(
        "moment", ["2026-01-31t12:00:00z", "2026-01-31 12:00:00Z", "2026-01-31T13:30:00.000+01:30"]
    )
    def test_a_moment_may_be_written_in_every_way_of_rfc_3339(
        self, client: Client, path: str, moment: str
    ) -> None:
        made = record(client, path, detected_at=moment)
        assert made["detected_at"].startswith("2026-01-31T12:00:00")


class TestChanging:
    def test_it_is_resolved_and_opened_again(
        self, client: Client, path: str, manager: User, site: Site
    ) -> None:
        made = record(client, path, **SEEN)
        one = f"{path}/{made['id']}"
        resolved = client.patch(one, {"resolved_at": "2026-02-01T08:00:00+00:00"})
        assert resolved.status_code == 200
        assert resolved.json()["resolved_at"].startswith("2026-02-01T08:00:00")
        assert resolved.json() | {"resolved_at": None} == made
        opened = client.patch(one, {"resolved_at": None})
        assert opened.json() == made
        first, second = events("violation.changed")
        assert first.actor_id == manager.pk
        assert first.details == {
            "site": str(site.pk),
            "violation": made["id"],
            "changed": ["resolved_at"],
            "resolved_at": "2026-02-01T08:00:00+00:00",
        }
        assert second.details["resolved_at"] is None

    @pytest.mark.parametrize("method", ["put", "patch"])
    def test_put_and_patch_change_what_they_name(
        self, client: Client, path: str, method: str
    ) -> None:
        made = record(client, path, **SEEN)
        change = {"warnings": [], "image_url": None, "stream_name": "Gate 2"}
        answer = getattr(client, method)(f"{path}/{made['id']}", change)
        assert answer.json() == made | change
        [event] = events("violation.changed")
        assert event.details["changed"] == ["image_url", "warnings"]

    def test_the_whole_object_sent_back_changes_nothing(self, client: Client, path: str) -> None:
        made = record(client, path, **SEEN)
        assert client.put(f"{path}/{made['id']}", made).json() == made
        assert events("violation.changed") == []

    def test_it_is_deleted_once(self, client: Client, path: str, manager: User, site: Site) -> None:
        made, kept = record(client, path), record(client, path)
        assert client.delete(f"{path}/{made['id']}").status_code == 204
        assert_problem(client.delete(f"{path}/{made['id']}"), 404, "not_found")
        assert [row["id"] for row in client.get(path).json()["results"]] == [kept["id"]]
        [event] = events("violation.deleted")
        assert event.actor_id == manager.pk
        assert event.details == {"site": str(site.pk), "violation": made["id"]}


class TestWhoMay:
    @pytest.mark.parametrize("role", ["guest", "user", "moderator"])
    def test_a_member_of_another_role_reads_and_no_more(
        self, client: Client, path: str, site: Site, make_user: Callable[..., User], role: str
    ) -> None:
        made = record(client, path)
        member = make_user("member", role=role)
        Membership.objects.create(site=site, user=member)
        reader = signed_in(member)
        assert reader.get(path).json()["results"] == [made]
        assert reader.get(f"{path}/{made['id']}").json() == made
        for answer in (
            reader.post(path, {"stream_name": "x"}),
            reader.put(f"{path}/{made['id']}", {"stream_name": "x"}),
            reader.patch(f"{path}/{made['id']}", {"resolved_at": SEEN["detected_at"]}),
            reader.delete(f"{path}/{made['id']}"),
        ):
            assert_problem(answer, 403, "permission_denied")
        assert client.get(path).json()["results"] == [made]

    def test_a_model_manager_of_no_such_site_finds_nothing(
        self, client: Client, path: str, make_user: Callable[..., User]
    ) -> None:
        made = record(client, path)
        stranger = signed_in(make_user("stranger", role="model_manager"))
        for answer in (
            stranger.get(path),
            stranger.get(f"{path}/{made['id']}"),
            stranger.post(path, {"stream_name": "x"}),
            stranger.post(path, {}),
            stranger.put(f"{path}/{made['id']}", {"stream_name": "x"}),
            stranger.patch(f"{path}/{made['id']}", {"resolved_at": "nonsense"}),
            stranger.delete(f"{path}/{made['id']}"),
        ):
            assert_problem(answer, 404, "not_found")
        assert client.get(path).json()["results"] == [made]
        assert len(events("violation.recorded")) == 1

    def test_a_violation_under_another_site_is_not_there(
        self, client: Client, path: str, manager: User
    ) -> None:
        made = record(client, path)
        other = make_site("Other", manager)
        wrong = f"/sites/{other.pk}/violations/{made['id']}"
        for answer in (
            client.get(wrong),
            client.put(wrong, {"stream_name": "x"}),
            client.patch(wrong, {"stream_name": "x"}),
            client.delete(wrong),
        ):
            assert_problem(answer, 404, "not_found")
        assert client.get(f"{path}/{made['id']}").json() == made
        assert client.get(f"/sites/{other.pk}/violations").json()["results"] == []

    def test_an_admin_does_it_all_without_being_a_member(self, path: str, admin: User) -> None:
        operator = signed_in(admin)
        made = record(operator, path)
        one = f"{path}/{made['id']}"
        assert operator.patch(one, {"stream_name": "Gate 3"}).status_code == 200
        assert operator.delete(one).status_code == 204

    def test_who_left_the_site_records_no_more(
        self, client: Client, path: str, manager: User
    ) -> None:
        record(client, path)
        Membership.objects.filter(user=manager).delete()
        assert_problem(client.post(path, {"stream_name": "x"}), 404, "not_found")
        assert Violation.objects.count() == 1


class TestList:
    def test_pages_hold_every_violation_once(
        self, client: Client, path: str, manager: User
    ) -> None:
        made = {record(client, path)["id"] for _ in range(5)}
        other = make_site("Other", manager)
        record(client, f"/sites/{other.pk}/violations")
        answers = [client.get(f"{path}?page_size=2")]
        while answers[-1].json()["next"]:
            answers.append(next_page(client, answers[-1]))
        found = [pk for answer in answers for pk in ids(answer)]
        assert [len(ids(answer)) for answer in answers] == [2, 2, 1]
        assert found == sorted(found, reverse=True)
        assert {str(pk) for pk in found} == made

    def test_a_longer_list_costs_no_more_statements(
        self, client: Client, path: str, site: Site
    ) -> None:
        def statements() -> int:
            with CaptureQueriesContext(connection) as captured:
                ids(client.get(f"{path}?page_size=100"))
            return len(captured)

        record(client, path)
        assert statements() == 2
        Violation.objects.bulk_create(
            Violation(site=site, stream_name=f"Gate {number}") for number in range(50)
        )
        assert statements() == 2

    def test_the_newest_of_a_site_come_from_its_index(self, site: Site) -> None:
        busy = make_site("Busy")
        for watched, number in ((site, 30), (busy, 3000)):
            Violation.objects.bulk_create(
                Violation(site=watched, stream_name="Gate") for _ in range(number)
            )
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE accounts_violation")
        plan = Violation.objects.filter(site=site).order_by("-id")[:21].explain()
        assert "violation_newest_of_site" in plan
        assert "Sort" not in plan
        assert "TEMP B-TREE" not in plan


def test_what_went_away_meanwhile_is_not_found(site: Site, manager: User) -> None:
    by: dict[str, Any] = {"actor": manager, "client": ClientInfo()}
    violation = Violation.objects.create(site=site, stream_name="Gate")
    delete_violation(violation=Violation.objects.get(), **by)
    for verb in (
        lambda: change_violation(violation=violation, changes={"stream_name": "x"}, **by),
        lambda: delete_violation(violation=violation, **by),
    ):
        with pytest.raises(NotFound):
            verb()


def test_a_method_that_there_is_not_is_405(client: Client, path: str) -> None:
    made = record(client, path)
    for answer in (client.delete(path), client.put(path), client.post(f"{path}/{made['id']}")):
        assert_problem(answer, 405, "method_not_allowed")
