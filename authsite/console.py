"""The operators' console."""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.admin import AdminSite
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth import logout
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver

from accounts.authentication import CONSOLE_SID, presented_device, remember_device
from accounts.identifiers import LONGEST_EMAIL
from accounts.models import User
from accounts.services.lockout import strangers_limits
from accounts.services.login import sign_in_to_console
from accounts.services.logout import log_out_of_console
from security.client_info import client_info
from security.errors import AuthError
from security.limits import enforce

# Django's form would set a password past accounts.services.passwords: untold, every session alive.
# "View on site" leads from any id to a page that no row here has.
LEFT_OUT = {"password_change", "password_change_done", "view_on_site"}


def operator(request: HttpRequest) -> Any:
    """Who is signed in."""
    return request.user


class SignInForm(AdminAuthenticationForm):
    """Sign-in by e-mail or username; one answer for everybody who isn't let in."""

    error_messages = {
        "invalid_login": "This e-mail or username and password don't open the console.",
        "inactive": "This e-mail or username and password don't open the console.",
    }

    def __init__(self, request: HttpRequest | None = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, *args, **kwargs)
        identifier = self.fields["username"]
        identifier.label = "E-mail or username"
        identifier.max_length = LONGEST_EMAIL  # type: ignore[attr-defined]
        identifier.widget.attrs |= {"maxlength": LONGEST_EMAIL, "spellcheck": "false"}

    def clean(self) -> dict[str, Any]:
        try:
            if self.request is not None:
                enforce(self._counted_by(self.request))
            return super().clean()
        except AuthError as error:
            wait = f" ({error.retry_after} seconds)" if error.retry_after else ""
            raise ValidationError(error.detail + wait, code=error.code) from error

    def _counted_by(self, request: HttpRequest) -> dict[str, str]:
        """As at the API: a known device by itself, a stranger by name and address."""
        if device := presented_device(request):
            return {"login_device": device.name}
        return strangers_limits(self.cleaned_data.get("username", ""), client_info(request))


class ConsoleSite(AdminSite):
    """Django's admin under our name."""

    site_header = site_title = settings.PROJECT_NAME
    index_title = "Console"
    site_url = None if settings.AUTH_DOCS == "off" else "/docs"
    enable_nav_sidebar = True
    login_form = SignInForm

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        # Looked at now: the sign-in replaces the session by which it is known.
        before = request.user if request.user.is_authenticated else None
        former = request.session.get(CONSOLE_SID)
        response = super().login(request, extra_context)
        signed_in = request.method == "POST" and response.status_code == 302
        if not signed_in or not isinstance(request.user, User):
            return response
        client = client_info(request)
        if former and isinstance(before, User):
            log_out_of_console(user=before, sid=UUID(former), client=client)
        session = sign_in_to_console(user=request.user, client=client)
        if session is None:
            logout(request)
            return response
        # Django keeps the key where the same user signs in again.
        request.session.cycle_key()
        request.session[CONSOLE_SID] = str(session.pk)
        remember_device(response, request, request.user, path=request.path)
        return response

    def logout(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        if request.method == "POST":
            sid = UUID(request.session[CONSOLE_SID])
            log_out_of_console(user=operator(request), sid=sid, client=client_info(request))
        return super().logout(request, extra_context)

    def get_urls(self) -> list[URLResolver | URLPattern]:
        return [url for url in super().get_urls() if getattr(url, "name", None) not in LEFT_OUT]
