"""Sites, their members and their violations."""

from contextlib import suppress
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.identifiers import LONGEST_EMAIL
from accounts.models import Membership, Site, User, Violation
from accounts.services.sites import add_member, create_site, remove_member, rename_site
from security.admin.pages import ReadOnlyAdmin, ServiceAdmin, operator
from security.client_info import client_info
from security.errors import NotFound


class SiteForm(forms.ModelForm):  # type: ignore[type-arg]
    """A site's name, and somebody who shall belong to it."""

    class Meta:
        model = Site
        fields = ("name",)

    new_member = forms.CharField(
        required=False,
        max_length=LONGEST_EMAIL,
        help_text="E-mail address or username of a user who shall see the site from now on.",
    )

    def clean_new_member(self) -> User | None:
        identifier = self.cleaned_data["new_member"]
        if not identifier:
            return None
        user: User | None = User.objects.for_identifier(identifier).first()
        if user is None:
            raise forms.ValidationError("There is no such user.")
        return user


@admin.register(Site)
class SiteAdmin(ServiceAdmin):
    verbs = ("add", "change")
    form = SiteForm
    fields = ("id", "name", "created_at", "updated_at")
    readonly_fields = ("id", "created_at", "updated_at")
    list_display = ("name", "created_at", "updated_at")
    search_fields = ("name__istartswith",)
    search_help_text = "The beginning of a name."
    sortable_by = ("name",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Site]:
        return super().get_queryset(request) & Site.objects.visible_to(operator(request))

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        if obj is None:
            return ["name", "new_member"]
        may_change = self.has_change_permission(request, obj)
        return [*self.fields, "new_member"] if may_change else [*self.fields]

    def save_model(self, request: HttpRequest, obj: Site, form: Any, change: bool) -> None:
        by: dict[str, Any] = {"actor": operator(request), "client": client_info(request)}
        if not change:
            obj.pk = create_site(name=obj.name, **by).pk
        elif "name" in form.changed_data:
            rename_site(site=obj, name=obj.name, **by)
        if user := form.cleaned_data["new_member"]:
            add_member(site=obj, user=user, **by)


class OfVisibleSites(ReadOnlyAdmin):
    """Rows of the sites that the operator may see."""

    linked_lookups = ("site__id__exact",)
    sortable_by = ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        sites = Site.objects.visible_to(operator(request))
        return super().get_queryset(request).filter(site__in=sites)


@admin.register(Membership)
class MembershipAdmin(OfVisibleSites):
    list_display = ("user", "site", "created_at")
    list_select_related = ("user", "site")
    # Named for the search box.
    search_fields = ("user",)
    search_help_text = "A whole e-mail address or username."
    fields = ("id", "user", "site", "created_at")
    actions = ("remove",)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Membership], search_term: str
    ) -> tuple[QuerySet[Membership], bool]:
        people = User.objects.for_identifier(search_term)
        return (queryset.filter(user__in=people) if search_term else queryset), False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("accounts.change_site")

    def has_remove_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("accounts.change_site")

    @admin.action(description="Remove from the site", permissions=["remove"])
    def remove(self, request: HttpRequest, chosen: QuerySet[Membership]) -> None:
        by: dict[str, Any] = {"actor": operator(request), "client": client_info(request)}
        for membership in chosen:
            # Somebody else may have removed them since the page was loaded.
            with suppress(NotFound):
                remove_member(site=membership.site, user=membership.user, **by)
        self.message_user(request, "They no longer see the site.", messages.SUCCESS)


@admin.register(Violation)
class ViolationAdmin(OfVisibleSites):
    list_display = ("detected_at", "site", "stream_name", "resolved_at")
    list_select_related = ("site",)
    fields = (
        "id",
        "site",
        "stream_name",
        "detected_at",
        "image_url",
        "warnings",
        "detections",
        "cone_polygons",
        "pole_polygons",
        "resolved_at",
        "created_at",
    )
