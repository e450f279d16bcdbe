"""The pages that describe the API, served from this host alone."""

from typing import Any

from csp.decorators import csp_replace
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.decorators import method_decorator
from django.views import View
from drf_spectacular.views import (
    SpectacularJSONAPIView,
    SpectacularRedocView,
    SpectacularSwaggerSplitView,
)

from security.errors import AuthError, MethodNotAllowed
from security.problems import problem_response

READING = ("GET", "HEAD", "OPTIONS")


class DocsAccess:
    """AUTH_DOCS: for everyone, for staff signed in to the console, or for nobody."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        user: Any = request.user
        if settings.AUTH_DOCS == "off" or (
            settings.AUTH_DOCS == "staff" and not (user.is_authenticated and user.is_staff)
        ):
            raise Http404
        if request.method not in READING:
            refusal = problem_response(MethodNotAllowed())
            refusal["Allow"] = ", ".join(READING)
            return refusal
        response: HttpResponse = super().dispatch(request, *args, **kwargs)  # type: ignore[misc]
        return response


class SchemaView(DocsAccess, SpectacularJSONAPIView):
    """The OpenAPI document."""


class SwaggerView(DocsAccess, SpectacularSwaggerSplitView):
    """Swagger UI."""

    url_name = "openapi"


# ReDoc writes two styles into the page: an empty one that it fills by script, and its scroll bar's.
# When an update changes the second, the browser's console names the new hash.
REDOC_STYLES = [
    "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='",
    "'sha256-QMIg+bpjm3JdElJ388KYke01izlUW0UoNOeKjpMxdgc='",
]
REDOC_POLICY = {
    "default-src": ["'self'"],
    "img-src": ["'self'", "data:"],
    "style-src": ["'self'", *REDOC_STYLES],
    "object-src": ["'none'"],
    "base-uri": ["'none'"],
    "frame-ancestors": ["'none'"],
}


@method_decorator(csp_replace(REDOC_POLICY), name="dispatch")
class RedocView(DocsAccess, SpectacularRedocView):
    """ReDoc."""

    url_name = "openapi"


class ErrorsView(DocsAccess, View):
    """Every error code with its status and meaning; a problem's `type` leads here."""

    def get(self, request: HttpRequest) -> HttpResponse:
        return render(request, "authsite/errors.html", {"errors": _all_errors(AuthError)})


def _all_errors(kind: type[AuthError]) -> list[type[AuthError]]:
    found = []
    for error in kind.__subclasses__():
        found += [error] if "code" in vars(error) else []
        found += _all_errors(error)
    return sorted(found, key=lambda error: error.code)


def without_second_names(endpoints: list[Any]) -> list[Any]:
    """The document names once what has two names: health, metrics and `/admin/users`."""
    second = ("/api/v1/health", "/api/v1/metrics", "/api/v1/admin/users")
    return [endpoint for endpoint in endpoints if not endpoint[0].startswith(second)]
