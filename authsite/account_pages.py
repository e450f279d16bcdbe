"""The pages behind mailed links, in English and German: looking uses nothing up, sending does.

The token stands in the link's fragment, which no server sees; a script moves it into the form.
Without script a person pastes the link.
"""

from collections.abc import Callable
from typing import Any, ClassVar

from django import forms
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.csrf import CsrfViewMiddleware
from django.shortcuts import render
from django.utils.decorators import decorator_from_middleware, method_decorator
from django.utils.translation import get_language, get_language_from_request, gettext, override
from django.utils.translation import gettext_lazy as _
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from accounts.services.email_change import confirm_email, undo_email_change
from accounts.services.email_verification import verify_by_code
from accounts.services.password_reset import reset_password
from security.client_info import ClientInfo, client_info, network_of
from security.errors import AuthError, FieldError, MethodNotAllowed
from security.limits import enforce
from security.problems import problem_response

Fields = dict[str, Any]
METHODS = "GET, HEAD, POST"


class PageCsrfMiddleware(CsrfViewMiddleware):
    """Django's, on a page whose Referrer-Policy is no-referrer.

    There browsers send `Origin: null`, so the form's secret alone decides, beside its cookie that
    another site's form doesn't bring along (SameSite=Strict).
    """

    def _origin_verified(self, request: HttpRequest) -> bool:
        by_browser = request.META["HTTP_ORIGIN"] == "null"
        return by_browser or bool(super()._origin_verified(request))  # type: ignore[misc]


class TokenForm(forms.Form):
    """A token, by the script or pasted with its whole link."""

    by_hand: ClassVar[tuple[str, ...]] = ("token",)

    token = forms.CharField(
        max_length=1024,
        label=_("Link from the message"),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )

    def clean_token(self) -> str:
        return str(self.cleaned_data["token"].rpartition("token=")[2])


class VerifyForm(TokenForm):
    """A token, or the code that stands beside it."""

    by_hand = ("token", "email", "code")

    email = forms.CharField(
        required=False,
        max_length=320,
        label=_("E-mail address"),
        widget=forms.TextInput(attrs={"autocomplete": "email", "inputmode": "email"}),
    )
    code = forms.CharField(
        required=False,
        max_length=16,
        label=_("Code from the message"),
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "inputmode": "numeric"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["token"].required = False
        self.fields["token"].help_text = _("Or leave this empty, and give address and code.")

    def clean(self) -> Fields:
        given = self.cleaned_data
        if not given.get("token") and not (given.get("email") and given.get("code")):
            self.add_error("token", gettext("Give the link, or the address and the code."))
        return given


class ResetForm(TokenForm):
    """A token and the new password."""

    new_password = forms.CharField(
        strip=False,
        max_length=4096,
        label=_("New password"),
        help_text=_("A few words that don't belong together make a good one."),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )


def in_the_readers_language(
    view: Callable[..., HttpResponseBase],
) -> Callable[..., HttpResponseBase]:
    """For these pages alone: the API and the console speak English."""

    def translated(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        with override(get_language_from_request(request)):
            return view(request, *args, **kwargs)

    return translated


needs_secret = decorator_from_middleware(PageCsrfMiddleware)


# The secret isn't asked of other methods, which are refused whatever comes with them.
@method_decorator(csrf_exempt, name="dispatch")
@method_decorator(in_the_readers_language, name="dispatch")
@method_decorator(needs_secret, name="get")
@method_decorator(needs_secret, name="post")
class AccountPage(View):
    """A form with one button; `act` does what the link is for."""

    form: ClassVar[type[TokenForm]] = TokenForm
    heading: ClassVar[Any]
    text: ClassVar[Any]
    button: ClassVar[Any]
    done: ClassVar[Any]

    def act(self, given: Fields, client: ClientInfo) -> None:
        raise NotImplementedError

    def get(self, request: HttpRequest) -> HttpResponse:
        return self._page(request, form=self.form())

    def post(self, request: HttpRequest) -> HttpResponse:
        form = self.form(request.POST)
        client = client_info(request)
        status = 422
        headers: dict[str, str] = {}
        try:
            enforce({"verify": network_of(client.ip_address)})
            if form.is_valid():
                self.act(form.cleaned_data, client)
                return self._page(request, done=self.done)
        except FieldError as error:
            for field, code, detail in error.errors:
                form.add_error(field, forms.ValidationError(gettext(detail), code=code))
        except AuthError as error:
            form.add_error(None, forms.ValidationError(gettext(error.detail), code=error.code))
            status = error.status
            headers = {"Retry-After": str(error.retry_after)} if error.retry_after else {}
        return self._page(request, form=form, status=status, headers=headers)

    def http_method_not_allowed(self, *_args: Any, **_kwargs: Any) -> HttpResponse:
        refusal = problem_response(MethodNotAllowed())
        refusal["Allow"] = METHODS
        return refusal

    options = http_method_not_allowed

    def _page(
        self,
        request: HttpRequest,
        *,
        status: int = 200,
        headers: dict[str, str] | None = None,
        **more: Any,
    ) -> HttpResponse:
        more |= {"page": self, "heading": self.heading, "language": get_language()}
        response = render(request, "authsite/account.html", more, status=status)
        for name, value in (headers or {}).items():
            response[name] = value
        response["Referrer-Policy"] = "no-referrer"
        response["Cache-Control"] = "no-store"
        return response


class VerifyPage(AccountPage):
    form = VerifyForm
    heading = _("Verify your e-mail address")
    text = _("This confirms that the address of your account is yours.")
    button = _("Verify the address")
    done = _("Your e-mail address is verified.")

    def act(self, given: Fields, client: ClientInfo) -> None:
        if given["token"]:
            confirm_email(token=given["token"], client=client)
        else:
            verify_by_code(email=given["email"], code=given["code"], client=client)


class ResetPage(AccountPage):
    form = ResetForm
    heading = _("Choose a new password")
    text = _("This signs out every device that uses your account.")
    button = _("Set the password")
    done = _("Your password is set. Sign in with it.")

    def act(self, given: Fields, client: ClientInfo) -> None:
        reset_password(token=given["token"], new_password=given["new_password"], client=client)


class EmailPage(AccountPage):
    heading = _("Confirm your new e-mail address")
    text = _("From then on your account has this address, and messages go there.")
    button = _("Use this address")
    done = _("Your account has its new e-mail address.")

    def act(self, given: Fields, client: ClientInfo) -> None:
        confirm_email(token=given["token"], client=client)


class UndoPage(AccountPage):
    heading = _("Take your account back")
    text = _(
        "This restores your old e-mail address, signs out every device, ends all API keys and the"
        " password, and sends you a link to a new one."
    )
    button = _("Restore the address")
    done = _(
        "Your old address is restored. A message with a link to a new password is on its way,"
        " unless the account was deactivated: then ask the people who run this service."
    )

    def act(self, given: Fields, client: ClientInfo) -> None:
        undo_email_change(token=given["token"], client=client)
