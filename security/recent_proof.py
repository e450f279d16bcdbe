"""A recent proof of the operator's password, which what can do harm waits for."""

import time
from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html

from security.errors import ReauthenticationRequired

PROVED_AT = "password_proved_at"
# Less would not last from the proof to what waits for it.
SHORTEST = 60


def note_proof(request: HttpRequest) -> None:
    """The password was right just now."""
    request.session[PROVED_AT] = time.time()


def has_proof(request: HttpRequest) -> bool:
    lasts = max(SHORTEST, settings.AUTH_REAUTHENTICATION_TTL.total_seconds())
    return bool(0 <= time.time() - request.session.get(PROVED_AT, 0) < lasts)


def require_proof(request: HttpRequest) -> None:
    """Raises ReauthenticationRequired, for a page that then shows again what was typed."""
    if not has_proof(request):
        raise ReauthenticationRequired(
            format_html(
                'Nothing was changed. <a href="{}" target="_blank">Confirm your password</a> '
                "(opens a new tab), then save here again. Passwords have to be typed anew.",
                _confirm_path(request),
            )
        )


def ask_for_proof(request: HttpRequest) -> HttpResponse:
    """Leads to the page that asks for the password, and from there back."""
    if request.method == "POST":
        text = "Nothing was done. Confirm your password, then do it again."
        messages.warning(request, text)
    return HttpResponseRedirect(_confirm_path(request))


def after_proof(step: Callable[..., Any]) -> Callable[..., Any]:
    """For a method of a page: it waits for a proof."""

    @wraps(step)
    def proven(page: Any, request: HttpRequest, *args: Any, **options: Any) -> Any:
        if not has_proof(request):
            return ask_for_proof(request)
        return step(page, request, *args, **options)

    proven.waits_for_proof = True  # type: ignore[attr-defined]
    return proven


def page_of(request: HttpRequest) -> str:
    """The address of a page, or of the page whose form was sent."""
    if request.method in ("GET", "HEAD"):
        return request.get_full_path()
    index = reverse("admin:index")
    sender = urlsplit(request.headers.get("Referer", ""))
    if sender.netloc != request.get_host() or not sender.path.startswith(index):
        return index
    return f"{sender.path}?{sender.query}" if sender.query else sender.path


def _confirm_path(request: HttpRequest) -> str:
    return f"{reverse('admin:confirm')}?{urlencode({'next': page_of(request)})}"
