"""The signing keys, without their private halves, and a button to rotate them."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.views.decorators.http import require_POST

from security.admin.pages import ReadOnlyAdmin, operator
from security.client_info import client_info
from security.key_rotation import rotate
from security.models import SigningKey
from security.recent_proof import after_proof


@admin.register(SigningKey)
class SigningKeyAdmin(ReadOnlyAdmin):
    list_display = ("key", "state", "algorithm", "created_at", "activated_at", "verifies_until")
    sortable_by = ("created_at",)
    fields = (
        "kid",
        "state",
        "algorithm",
        "public_jwk",
        "created_at",
        "activated_at",
        "verifies_until",
        "revoked_at",
    )
    change_list_template = "admin/security/signingkey/change_list.html"

    @admin.display(description="key")
    def key(self, key: SigningKey) -> str:
        return format_html('<span class="code" title="{}">{}…</span>', key.kid, key.kid[:12])

    def get_urls(self) -> list[URLPattern]:
        rotate_view = self.admin_site.admin_view(require_POST(self.rotate))
        return [path("rotate/", rotate_view, name="rotate_keys"), *super().get_urls()]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        may_rotate = request.user.has_perm("security.rotate_signingkey")
        return super().changelist_view(request, (extra_context or {}) | {"may_rotate": may_rotate})

    @after_proof
    def rotate(self, request: HttpRequest) -> HttpResponse:
        if not request.user.has_perm("security.rotate_signingkey"):
            raise PermissionDenied
        kid = rotate(actor=operator(request), client=client_info(request))
        if kid:
            self.message_user(request, f"Key {kid} signs from now on.", messages.SUCCESS)
        else:
            self.message_user(
                request,
                "Nothing was rotated: the next key was published a moment ago, and other services "
                "may not know it yet.",
                messages.WARNING,
            )
        return HttpResponseRedirect(reverse("admin:security_signingkey_changelist"))
