"""What the console's pages share: they change nothing but through services."""

from typing import Any

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from security.errors import AuthError


def operator(request: HttpRequest) -> Any:
    """Who is signed in to the console; its pages are never reached by anybody else."""
    return request.user


class ReadOnlyAdmin(ModelAdmin):  # type: ignore[type-arg]
    """A page to look at, for those whose role may view it; also for those who may everything."""

    actions_selection_counter = False
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


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
            self.message_user(request, error.detail, messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())
