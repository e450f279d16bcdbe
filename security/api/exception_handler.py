"""The one place where an exception becomes an answer of the API (RFC 9457)."""

import math
from collections.abc import Iterator
from typing import Any

from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import InterfaceError, InternalError, OperationalError
from django.http import Http404, UnreadablePostError
from rest_framework import exceptions
from rest_framework.response import Response

from security.api.throttling import refused_too_often
from security.errors import (
    AuthError,
    FieldError,
    MalformedRequest,
    MethodNotAllowed,
    NotAuthenticated,
    NotFound,
    PermissionMissing,
    RateLimited,
    Unavailable,
    UnsupportedMediaType,
    UnusableToken,
)
from security.logs import get_logger
from security.problems import CONTENT_TYPE, problem, problem_of

logger = get_logger(__name__)


# Refused before the throttles, which come after the question who it is and what they may.
EARLY = (NotAuthenticated, UnusableToken, PermissionMissing)


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """None for what nobody foresaw: Django then logs it and answers 500 as a problem too."""
    known = _as_our_own(error)
    if isinstance(known, EARLY):
        known = refused_too_often(context["request"]) or known
    if known is not None:
        body, headers = problem_of(known)
        return _response(body, known.status, headers)
    if isinstance(error, exceptions.APIException):
        body = problem(
            code=str(error.default_code), status=error.status_code, detail=_sentence(error.detail)
        )
        return _response(body, error.status_code, {})
    return None


def _as_our_own(error: Exception) -> AuthError | None:
    match error:
        case AuthError():
            return error
        case exceptions.ValidationError():
            return FieldError(*_field_errors(error.detail))
        case exceptions.ParseError():
            return MalformedRequest(_sentence(error.detail))
        case SuspiciousOperation() | UnreadablePostError():
            return MalformedRequest()
        case exceptions.NotAuthenticated() | exceptions.AuthenticationFailed():
            return NotAuthenticated()
        case exceptions.NotFound() | Http404():
            return NotFound()
        case exceptions.MethodNotAllowed():
            return MethodNotAllowed()
        case exceptions.UnsupportedMediaType():
            return UnsupportedMediaType()
        case exceptions.Throttled():
            return RateLimited(max(1, math.ceil(getattr(error, "wait", None) or 0)))
        case exceptions.PermissionDenied() | PermissionDenied():
            return PermissionMissing()
        case OperationalError() | InterfaceError() | InternalError():
            logger.error("database.unavailable", error=type(error).__name__)
            return Unavailable()
    return None


def _response(body: dict[str, Any], status: int, headers: dict[str, str]) -> Response:
    return Response(body, status=status, headers=headers, content_type=CONTENT_TYPE)


def _field_errors(detail: Any, path: str = "") -> Iterator[tuple[str, str, str]]:
    """DRF's nested errors, flattened to (field, code, sentence)."""
    if isinstance(detail, dict):
        for name, inner in detail.items():
            field = path if name == "non_field_errors" else f"{path}.{name}".lstrip(".")
            yield from _field_errors(inner, field)
    elif isinstance(detail, list):
        for inner in detail:
            yield from _field_errors(inner, path)
    else:
        # A sentence may repeat what was sent, also half of a surrogate pair, which has no UTF-8.
        sentence = str(detail).encode("utf-8", "replace").decode()
        yield path, getattr(detail, "code", "invalid"), sentence


def _sentence(detail: Any) -> str:
    while isinstance(detail, list | dict):
        detail = next(iter(detail.values() if isinstance(detail, dict) else detail), "")
    return str(detail)
