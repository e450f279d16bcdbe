"""What the console's pages share: they change nothing but through services."""

from collections.abc import Iterable
from functools import cached_property
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import ModelAdmin, ShowFacets, SimpleListFilter, helpers
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from security.errors import AuthError
from security.recent_proof import ask_for_proof, has_proof, require_proof

# What Django's own filters of a boolean, a foreign key and a date write into the address.
OFFERED_LOOKUPS = ("", "__exact", "__isnull", "__gte", "__lt", "__pk__exact", "__name__exact")


# Rows that can be reached by turning pages; beyond them one searches or filters.
MOST_LISTED = 1000
CHANGED_MEANWHILE = "Somebody changed this meanwhile. Load the page again to see it."


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
        """Where more rows match than are listed, acting on all would do more than is seen."""
        everything = request.POST.get("select_across", "0") != "0"
        if everything and BoundedPaginator(queryset, self.list_per_page).is_cut:
            text = f"More than {MOST_LISTED} rows match: search or filter first."
            self.message_user(request, text, messages.ERROR)
            return None
        if not everything and not all(
            map(self._is_id, request.POST.getlist(helpers.ACTION_CHECKBOX_NAME))
        ):
            self.message_user(request, "There is no such row.", messages.ERROR)
            return None
        return super().response_action(request, queryset, *args, **options)

    def _is_id(self, text: str) -> bool:
        """Django would ask the database for whatever was sent."""
        try:
            self.opts.pk.to_python(text)
        except ValidationError:
            return False
        return text.isprintable()

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        title = str(self.opts.verbose_name_plural).capitalize()
        return super().changelist_view(request, {"title": title} | (extra_context or {}))


class SeenForm(forms.ModelForm):  # type: ignore[type-arg]
    """A form that knows what its page showed: an old page would undo what happened since."""

    seen = forms.CharField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["seen"] = self.version()

    def version(self) -> str:
        """A text that differs whenever the row does."""
        raise NotImplementedError

    def clean(self) -> dict[str, Any] | None:
        if "seen" in self.changed_data:
            raise forms.ValidationError(CHANGED_MEANWHILE)
        return super().clean()


class ServiceAdmin(ReadOnlyAdmin):
    """A page whose form calls services; what they refuse is shown, and nothing is changed."""

    # Those of "add", "change" and "delete" that the page offers to whose role permits them.
    verbs: tuple[str, ...] = ()
    # Changing one of these, adding and deleting then wait for a proof of the operator's password.
    dangerous_fields: frozenset[str] = frozenset()
    # What goes with a deleted row; the page names it without loading it.
    deletion_note = ""
    delete_confirmation_template = "admin/security/delete_confirmation.html"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return "add" in self.verbs and ModelAdmin.has_add_permission(self, request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return "change" in self.verbs and ModelAdmin.has_change_permission(self, request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return "delete" in self.verbs and ModelAdmin.has_delete_permission(self, request, obj)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Never "delete selected", which passes the services by."""
        actions: dict[str, Any] = super().get_actions(request)
        return {name: action for name, action in actions.items() if name != "delete_selected"}

    def formfield_for_dbfield(self, db_field: Any, request: Any, **options: Any) -> Any:
        """Without Django's buttons that change the related row: it has a page of its own."""
        field: Any = super().formfield_for_dbfield(db_field, request, **options)
        # The script of filter_horizontal needs the wrapper's element.
        if db_field.many_to_one and isinstance(field.widget, RelatedFieldWidgetWrapper):
            field.widget = field.widget.widget
        return field

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        asks_first = request.method == "GET" and object_id is None and self.dangerous_fields
        if asks_first and self.has_add_permission(request) and not has_proof(request):
            return ask_for_proof(request)
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except AuthError as error:
            # The same page with what was typed, and why it was refused.
            request.refused = error  # type: ignore[attr-defined]
            return super().changeform_view(request, object_id, form_url, extra_context)

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any
    ) -> Any:
        form = super().get_form(request, obj, change, **options)
        error = getattr(request, "refused", None)
        return type(form.__name__, (_Refused, form), {"error": error}) if error else form

    def save_form(self, request: HttpRequest, form: Any, change: bool) -> Any:
        written = self.dangerous_fields.intersection(form.changed_data)
        if written or (self.dangerous_fields and not change):
            require_proof(request)
        return super().save_form(request, form, change)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """The service has written it all."""

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if self.dangerous_fields and not has_proof(request):
            return ask_for_proof(request)
        note = {"deletion_note": self.deletion_note}
        try:
            return super().delete_view(request, object_id, note | (extra_context or {}))
        except AuthError as error:
            self.message_user(request, error.sentences, messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Django's would load every row that goes with it."""
        return [], {}, set(), []


class _Refused:
    """Puts what a service refused among the errors of a form, which is valid otherwise."""

    error: AuthError

    def full_clean(self) -> None:
        form: Any = self
        super().full_clean()  # type: ignore[misc]
        for field, code, detail in getattr(self.error, "errors", ((None, "", self.error.detail),)):
            shown = field if field in form.fields else None
            form.add_error(shown, forms.ValidationError(detail, code=code))
