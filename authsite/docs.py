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

from security.errors import AuthError


class DocsAccess:
    """AUTH_DOCS: for everyone, for staff signed in to the console, or for nobody."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        user: Any = request.user
        if settings.AUTH_DOCS == "off" or (
            settings.AUTH_DOCS == "staff" and not (user.is_authenticated and user.is_staff)
        ):
            raise Http404
        response: HttpResponse = super().dispatch(request, *args, **kwargs)  # type: ignore[misc]
        return response


class SchemaView(DocsAccess, SpectacularJSONAPIView):
    """The OpenAPI document."""


class SwaggerView(DocsAccess, SpectacularSwaggerSplitView):
    """Swagger UI."""

    url_name = "openapi"


# ReDoc writes its styles into the page; this one page allows that, and still nothing from outside.
REDOC_POLICY = {
    "default-src": ["'self'"],
    "img-src": ["'self'", "data:"],
    "style-src": ["'self'", "'unsafe-inline'"],
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
