"""Messages to users: whether they arrived. Their texts hold links, so nobody reads them here."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.models import OutgoingMail, User
from accounts.services.mail_delivery import send_again
from security.admin.pages import ReadOnlyAdmin, operator
from security.client_info import client_info


class StateFilter(admin.SimpleListFilter):
    title = parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("waiting", "Waiting"), ("sent", "Sent"), ("failed", "Failed")]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[OutgoingMail]
    ) -> QuerySet[OutgoingMail]:
        rows = OutgoingMail.objects.all()
        by_state = {"waiting": rows.waiting, "sent": rows.sent, "failed": rows.failed}
        chosen = by_state.get(self.value() or "")
        return queryset & chosen() if chosen else queryset


@admin.register(OutgoingMail)
class OutgoingMailAdmin(ReadOnlyAdmin):
    list_display = ("subject", "recipient", "state", "attempts", "failure", "created_at")
    list_filter = (StateFilter,)
    # Named for the search box.
    search_fields = ("recipient",)
    search_help_text = "A whole e-mail address or username."
    sortable_by = ()
    fields = (
        "id",
        "subject",
        "recipient",
        "state",
        "attempts",
        "failure",
        "created_at",
        "next_attempt_at",
        "sent_at",
        "failed_at",
    )
    readonly_fields = ("state",)
    actions = ("send_again",)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[OutgoingMail], search_term: str
    ) -> tuple[QuerySet[OutgoingMail], bool]:
        """As it was written to, which may be an address that nobody has any more."""
        if not search_term:
            return queryset, False
        people = User.objects.for_identifier(search_term).exclude(email=None)
        addresses = [search_term, *people.values_list("email", flat=True)]
        return queryset.filter(recipient__in=addresses), False

    def has_resend_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("accounts.resend_outgoingmail")

    @admin.action(description="Send again what failed", permissions=["resend"])
    def send_again(self, request: HttpRequest, chosen: QuerySet[OutgoingMail]) -> None:
        by: dict[str, Any] = {"actor": operator(request), "client": client_info(request)}
        given = sum(send_again(mail=mail, **by) for mail in chosen)
        self.message_user(request, f"Messages to be sent again: {given}.", messages.SUCCESS)
