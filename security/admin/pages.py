"""What the console's pages share: they change nothing but through services."""

from collections.abc import Iterable
from functools import cached_property
from typing import Any

from django.contrib import messages
from django.contrib.admin import ModelAdmin, ShowFacets, SimpleListFilter
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from security.errors import AuthError, FieldError

# What Django's own filters of a boolean, a foreign key and a date write into the address.
OFFERED_LOOKUPS = ("", "__exact", "__isnull", "__gte", "__lt", "__pk__exact", "__name__exact")


# Rows that can be reached by turning pages; beyond them one searches or filters.
MOST_LISTED = 1000


def operator(request: HttpRequest) -> Any:
    """Who is signed in to the console; its pages are never reached by anybody else."""
    return request.user


class BoundedPaginator(Paginator):  # type: ignore[type-arg]
    """The first MOST_LISTED rows: neither the count nor a page reads further into the table."""

    @cached_property
    def _found(self) -> int:
        rows: Any = self.object_list
        return int(rows[: MOST_LISTED + 1].count())

    @cached_property
    def count(self) -> int:
        return min(self._found, MOST_LISTED)

    @property
    def is_cut(self) -> bool:
        """Whether there are rows beyond those listed."""
        return self._found > MOST_LISTED


class WordFilter(SimpleListFilter):
    """Filters a column by the words it can hold, without asking the whole table which it does."""

    words: Iterable[str]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(word), str(word)) for word in self.words]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        word = self.value()
        return queryset.filter(**{str(self.parameter_name): word}) if word else queryset


class ReadOnlyAdmin(ModelAdmin):  # type: ignore[type-arg]
    """A page to look at, for those whose role may view it; also for those who may everything."""

    # Counting over all rows costs more than what it tells.
    show_full_result_count = False
    show_facets = ShowFacets.NEVER
    paginator = BoundedPaginator
    change_list_template = "admin/security/bounded_list.html"
    # Lookups that links of other pages use.
    linked_lookups: tuple[str, ...] = ()

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Only what the page offers: another lookup could read a hidden column bit by bit."""
        allowed = {"q", "p", "o", "all", "e", *self.linked_lookups}
        for offered in self.list_filter:
            if isinstance(offered, str):
                allowed |= {f"{offered}{ending}" for ending in OFFERED_LOOKUPS}
            else:
                allowed.add(getattr(offered, "parameter_name", ""))
        return lookup in allowed

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def response_action(
        self, request: HttpRequest, queryset: QuerySet[Any], *args: Any, **options: Any
    ) -> HttpResponse | None:
        """ "All" are those listed: where more match, acting on all would do more than is seen."""
        everything = request.POST.get("select_across", "0") != "0"
        if everything and BoundedPaginator(queryset, self.list_per_page).is_cut:
            text = f"More than {MOST_LISTED} rows match: search or filter first."
            self.message_user(request, text, messages.ERROR)
            return None
        return super().response_action(request, queryset, *args, **options)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        title = str(self.opts.verbose_name_plural).capitalize()
        return super().changelist_view(request, {"title": title} | (extra_context or {}))


class ServiceAdmin(ReadOnlyAdmin):
    """A page whose form calls services; what they refuse is shown, and nothing is changed."""

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except AuthError as error:
            self.message_user(request, _sentences(error), messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())


def _sentences(error: AuthError) -> str:
    if isinstance(error, FieldError):
        return " ".join(detail for _, _, detail in error.errors)
    return error.detail
