"""The operators' console."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import update_wrapper
from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth import logout, update_session_auth_hash
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path, reverse
from django.utils.http import url_has_allowed_host_and_scheme

from accounts.authentication import CONSOLE_SID, presented_device, remember_device
from accounts.identifiers import LONGEST_EMAIL
from accounts.models import User
from accounts.services.known_devices import device_of_console
from accounts.services.lockout import strangers_limits
from accounts.services.login import sign_in_to_console
from accounts.services.logout import log_out_of_console
from accounts.services.reauthentication import confirm_password
from security.client_info import client_info
from security.errors import AuthError
from security.limits import enforce
from security.recent_proof import note_proof, page_of

# Django's form would set a password past accounts.services.passwords: untold, every session alive.
# "View on site" leads from any id to a page that no row here has.
LEFT_OUT = {"password_change", "password_change_done", "view_on_site"}


def operator(request: HttpRequest) -> Any:
    """Who is signed in."""
    return request.user


@contextmanager
def counted(whom: dict[str, str]) -> Iterator[None]:
    """For looking at a password: limited as at the API, and a refusal is the form's."""
    try:
        enforce(whom)
        yield
    except AuthError as error:
        wait = f" ({error.retry_after} seconds)" if error.retry_after else ""
        raise ValidationError(error.detail + wait, code=error.code) from error


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
        if self.request is None:
            return super().clean()
        with counted(self._counted_by(self.request)):
            return super().clean()

    def _counted_by(self, request: HttpRequest) -> dict[str, str]:
        """As at the API: a known device by itself, a stranger by name and address."""
        if device := presented_device(request):
            return {"login_device": device.name}
        return strangers_limits(self.cleaned_data.get("username", ""), client_info(request))


class ConfirmForm(forms.Form):
    """The password of who is signed in, once more."""

    password = forms.CharField(
        strip=False,
        max_length=4096,
        widget=forms.PasswordInput(
            attrs={"autocomplete": "current-password", "autofocus": True, "required": True}
        ),
    )

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request = request
        self.proven: User | None = None

    def clean_password(self) -> str:
        given: str = self.cleaned_data["password"]
        user: User = operator(self.request)
        # Who stole the session alone has its allowance, and the owner's browser one of its own.
        session = device_of_console(user, self.request.session[CONSOLE_SID])
        device = presented_device(self.request) or session
        with counted({"login_device": device.name}):
            self.proven = confirm_password(
                user=user, password=given, client=client_info(self.request), device=device
            )
        if self.proven is None:
            raise ValidationError("This is not your password.", code="incorrect_password")
        return given


class ConsoleSite(AdminSite):
    """Django's admin under our name."""

    site_header = site_title = settings.PROJECT_NAME
    index_title = "Console"
    site_url = None if settings.AUTH_DOCS == "off" else "/docs"
    enable_nav_sidebar = True
    login_form = SignInForm

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        guarded = super().admin_view(view, cacheable)

        def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            was_signed_in = settings.SESSION_COOKIE_NAME in request.COOKIES
            if request.method == "POST" and was_signed_in and not self.has_permission(request):
                # Back to the page of the form: its own address may not be one to look at.
                messages.warning(request, "You were signed out. Nothing was done.")
                return redirect_to_login(page_of(request), reverse("admin:login"))
            return guarded(request, *args, **kwargs)

        return update_wrapper(inner, guarded)

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
        note_proof(request)
        remember_device(response, request, request.user, path=request.path)
        return response

    def logout(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        if request.method == "POST":
            sid = UUID(request.session[CONSOLE_SID])
            log_out_of_console(user=operator(request), sid=sid, client=client_info(request))
        return super().logout(request, extra_context)

    def confirm(self, request: HttpRequest) -> HttpResponse:
        """Asks for the password once more, then goes on to `next`."""
        form = ConfirmForm(request, request.POST or None)
        onwards = request.POST.get("next") or request.GET.get("next", "")
        if not url_has_allowed_host_and_scheme(onwards, allowed_hosts=None):
            onwards = reverse("admin:index")
        if form.is_valid() and form.proven:
            # A new key, and the hash of a password that was hashed anew just now.
            update_session_auth_hash(request, form.proven)
            note_proof(request)
            return HttpResponseRedirect(onwards)
        shown = {"title": "Confirm your password", "form": form, "next": onwards}
        return TemplateResponse(request, "admin/confirm.html", self.each_context(request) | shown)

    def get_urls(self) -> list[URLResolver | URLPattern]:
        kept = [url for url in super().get_urls() if getattr(url, "name", None) not in LEFT_OUT]
        # Below the sign-in's address, where the cookie of a known device is sent.
        return [path("login/confirm/", self.admin_view(self.confirm), name="confirm"), *kept]
