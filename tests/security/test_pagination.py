"""Keyset pages: complete, in order, and closed to made-up positions."""

from typing import Any

import pytest
from django.test.utils import CaptureQueriesContext
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from security.api.pagination import KeysetPagination
from security.audit import Kind, record
from security.errors import FieldError
from security.models import AuditEvent


def page(url: str) -> dict[str, Any]:
    pages = KeysetPagination()
    events = AuditEvent.objects.filter(kind=Kind.LOGIN_FAILED)
    rows = pages.paginate_queryset(events, Request(APIRequestFactory().get(url)))
    return dict(pages.get_paginated_response([str(row.pk) for row in rows]).data)


@pytest.fixture
def events(db: None) -> list[str]:
    """Ids of 25 events, the newest first."""
    return sorted((str(record(Kind.LOGIN_FAILED).pk) for _ in range(25)), reverse=True)


def test_pages_hold_every_row_once_in_order(events: list[str]) -> None:
    found, url = [], "/?page_size=10"
    while url:
        answer = page(url)
        found += answer["results"]
        url = answer["next"]
    assert found == events


def test_one_may_go_back(events: list[str]) -> None:
    first = page("/?page_size=10")
    second = page(first["next"])
    assert page(second["previous"])["results"] == first["results"]


def test_rows_added_meanwhile_move_no_page(events: list[str]) -> None:
    first = page("/?page_size=10")
    record(Kind.LOGIN_FAILED)
    assert page(first["next"])["results"] == events[10:20]


def test_a_page_costs_one_statement_without_an_offset(
    events: list[str], django_assert_num_queries: Any
) -> None:
    second = page("/?page_size=10")["next"]
    queries: CaptureQueriesContext
    with django_assert_num_queries(1) as queries:
        page(second)
    assert "OFFSET" not in queries.captured_queries[0]["sql"]


@pytest.mark.parametrize("cursor", ["", "a", "cD1hYmM=", "cD0wJTAw:1abc:signature"])
def test_a_position_of_ones_own_making_is_refused(events: list[str], cursor: str) -> None:
    with pytest.raises(FieldError):
        page(f"/?cursor={cursor}")
