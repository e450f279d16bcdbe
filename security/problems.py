"""Errors as RFC 9457 problem details."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views import defaults
from structlog.contextvars import get_contextvars

from security.errors import (
    AuthError,
    FieldError,
    InternalError,
    MalformedRequest,
    NotFound,
    PermissionMissing,
    UnusableToken,
)

CONTENT_TYPE = "application/problem+json"


def problem_type(code: str) -> str:
    return f"{settings.PUBLIC_URL}/docs/errors#{code}"


def problem(
    *, code: str, status: int, detail: str, errors: list[dict[str, str]] | None = None
) -> dict[str, Any]:
    """The body of every error; `errors` names the fields on validation."""
    body: dict[str, Any] = {
        "type": problem_type(code),
        "title": code.replace("_", " ").capitalize(),
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": get_contextvars().get("request_id", ""),
    }
    if errors is not None:
        body["errors"] = errors
    return body


def problem_of(error: AuthError) -> tuple[dict[str, Any], dict[str, str]]:
    """Body and headers of one of our own errors."""
    errors = None
    if isinstance(error, FieldError):
        errors = [{"field": f, "code": c, "detail": d} for f, c, d in error.errors]
    headers: dict[str, str] = {}
    if error.status == 401:
        headers["WWW-Authenticate"] = _challenge(error)
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    body = problem(code=error.code, status=error.status, detail=error.detail, errors=errors)
    return body, headers


def _challenge(error: AuthError) -> str:
    """RFC 6750 section 3: no error code unless a credential was presented."""
    if isinstance(error, UnusableToken):
        return f'Bearer error="invalid_token", error_description="{error.detail}"'
    return "Bearer"


def problem_response(error: AuthError) -> JsonResponse:
    body, headers = problem_of(error)
    return JsonResponse(body, status=error.status, headers=headers, content_type=CONTENT_TYPE)


def bad_request(_request: HttpRequest, exception: Exception) -> HttpResponse:
    return problem_response(MalformedRequest())


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    if request.path_info.startswith("/admin/"):
        return defaults.permission_denied(request, exception)
    return problem_response(PermissionMissing())


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if request.path_info.startswith("/admin/"):
        return defaults.page_not_found(request, exception)
    return problem_response(NotFound())


def server_error(request: HttpRequest) -> HttpResponse:
    if request.path_info.startswith("/admin/"):
        return defaults.server_error(request)
    return problem_response(InternalError())
