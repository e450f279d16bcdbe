"""Pages that cost the same at any depth: each begins after the last row of the one before."""

from typing import Any

from django.core import signing
from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from security.errors import FieldError


class PageInput(serializers.Serializer[Any]):
    """The query of every list. A view's own filters are a subclass of it."""

    page_size = serializers.IntegerField(required=False, min_value=1, max_value=100)
    cursor = serializers.CharField(required=False, help_text="From `next` or `previous`.")

    @classmethod
    def read(cls, request: Any) -> dict[str, Any]:
        """What the query of a request asks for. Raises ValidationError."""
        # A plain dict: of a form, which a query looks like, a missing boolean counts as false.
        given = cls(data=request.query_params.dict())
        given.is_valid(raise_exception=True)
        return dict(given.validated_data)


class KeysetPagination(CursorPagination):
    """`{results, next, previous}` in the order of one column that is unique and never NULL.

    The cursors are signed, so that no position reaches the database that did not come from it.
    """

    page_size = 20
    max_page_size = 100
    page_size_query_param = "page_size"
    ordering: tuple[str, ...] = ("-id",)

    def get_ordering(self, request: Any, queryset: Any, view: Any) -> tuple[str, ...]:
        """The view may choose another order in `page_ordering`."""
        return getattr(view, "page_ordering", None) or self.ordering

    def encode_cursor(self, cursor: Cursor) -> str:
        signed = signing.dumps(list(cursor), salt=self._salt())
        return replace_query_param(str(self.base_url), self.cursor_query_param, signed)

    def decode_cursor(self, request: Any) -> Cursor | None:
        """Raises FieldError for a cursor that is not ours, or is of another order."""
        sent = request.query_params.get(self.cursor_query_param)
        if sent is None:
            return None
        try:
            return Cursor(*signing.loads(sent, salt=self._salt()))
        except signing.BadSignature as error:
            raise FieldError(("cursor", "invalid", "This cursor is not of this list.")) from error

    def paginate_queryset(self, queryset: Any, request: Any, view: Any = None) -> Any:
        """The rows of the page; its cursors are good for the same list alone."""
        self._list = request.path
        return super().paginate_queryset(queryset, request, view)

    def _salt(self) -> str:
        return f"cursor:{self._list}:{','.join(self.ordering)}"


class InTurn:
    """Lists one after the other, each in the order of a unique column that is never NULL in it.

    KeysetPagination takes it for one list in the order of `place`. A database can't: no index has
    the order of the whole, so it would sort all rows of all lists for each page.
    """

    ordering = ("place",)

    def __init__(self, *lists: tuple[QuerySet[Any], str]) -> None:
        self.lists = list(enumerate(lists))
        self.backwards = False
        self.beyond: tuple[int, str] | None = None

    def order_by(self, ordering: str) -> "InTurn":
        if ordering.startswith("-"):
            self.backwards = True
            self.lists.reverse()
        return self

    def filter(self, **place: str) -> "InTurn":
        """Only what comes beyond a place, in the direction of the order."""
        ((_, given),) = place.items()
        turn, _, value = given.partition(":")
        self.beyond = int(turn), value
        return self

    def __getitem__(self, part: slice) -> list[Any]:
        """Places are unique, so a page never begins at an offset from one."""
        found: list[Any] = []
        for turn, (rows, column) in self.lists:
            if len(found) < part.stop and not self._is_before(turn):
                chosen = self._from_place(turn, rows, column)[: part.stop - len(found)]
                found += [self._placed(row, turn, column) for row in chosen]
        return found

    def _is_before(self, turn: int) -> bool:
        if self.beyond is None:
            return False
        return turn > self.beyond[0] if self.backwards else turn < self.beyond[0]

    def _from_place(self, turn: int, rows: QuerySet[Any], column: str) -> QuerySet[Any]:
        if self.beyond is not None and turn == self.beyond[0]:
            side = "lt" if self.backwards else "gt"
            rows = rows.filter(**{f"{column}__{side}": self.beyond[1]})
        return rows.order_by(f"-{column}" if self.backwards else column)

    def _placed(self, row: Any, turn: int, column: str) -> Any:
        row.place = f"{turn}:{getattr(row, column)}"
        return row


def page_of(
    rows: QuerySet[Any], output: type[serializers.Serializer[Any]], request: Request
) -> Response:
    """The page of `rows` that the request asks for. Raises ValidationError or FieldError."""
    PageInput.read(request)
    pages = KeysetPagination()
    found = pages.paginate_queryset(rows, request)
    return pages.get_paginated_response(output(found, many=True).data)
