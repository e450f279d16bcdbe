"""What every request passes through before it reaches a view."""

import time
from collections.abc import Callable, Sequence

import structlog
from csp.constants import HEADER
from csp.middleware import CSPMiddleware
from csp.utils import build_policy
from django.conf import settings
from django.db import InterfaceError, InternalError, OperationalError
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.http.response import HttpResponseBase
from django.urls import Resolver404, resolve
from django.utils.cache import patch_vary_headers

from security.client_info import client_info, distrust_forwarding_headers, read_client_info
from security.errors import (
    AuthError,
    BodyTooLarge,
    HTTPSRequired,
    LengthRequired,
    MalformedRequest,
    Unavailable,
)
from security.logs import get_logger
from security.meters import Usage
from security.metrics import LATENCY, REQUESTS
from security.problems import problem_response

logger = get_logger("request")
GetResponse = Callable[[HttpRequest], HttpResponse]

API_PREFIX = "/api/"
PERMISSIONS_POLICY = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"
# A refused body up to this size is read and thrown away, so that its sender gets to see the answer.
DRAINED_BYTES = 32 * 1024 * 1024
QUIET_ROUTES = {"health-live", "health-ready", "health", "metrics"}


class RequestContextMiddleware:
    """Names the request, logs and counts it, and sets the headers that every answer carries."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        started = time.perf_counter()
        distrust_forwarding_headers(request)
        request.client_info = info = read_client_info(request)  # type: ignore[attr-defined]
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=info.request_id)
        response = self.get_response(request)
        response["X-Request-ID"] = info.request_id
        response["Permissions-Policy"] = PERMISSIONS_POLICY
        if request.method == "HEAD" and not response.streaming:
            # The answer's length without the answer (RFC 9110 section 9.3.2).
            length = len(response.content)
            response.content = b""
            response["Content-Length"] = str(length)
        for name, value in rate_limit_headers(getattr(request, "usages", ())).items():
            response[name] = value
        # Whatever the path: nothing is stored but what a view itself calls cacheable.
        response.setdefault("Cache-Control", "no-store")
        if "no-store" in response["Cache-Control"]:
            patch_vary_headers(response, ("Authorization", "Cookie"))
        self._report(request, response, time.perf_counter() - started)
        return response

    def process_exception(self, _request: HttpRequest, error: Exception) -> HttpResponse | None:
        """A database that does not answer is a 503 for every view, not only for the API's."""
        if isinstance(error, OperationalError | InterfaceError | InternalError):
            logger.error("database.unavailable", error=type(error).__name__)
            return problem_response(Unavailable())
        return None

    def _report(self, request: HttpRequest, response: HttpResponse, seconds: float) -> None:
        match = request.resolver_match
        route = (match.view_name or match.route) if match else "unknown"
        REQUESTS.labels(_known_method(request), route, response.status_code).inc()
        LATENCY.labels(route).observe(seconds)
        if route not in QUIET_ROUTES:
            logger.info(
                "request",
                method=_known_method(request),
                path=request.path[:200],
                route=route,
                status=response.status_code,
                ms=round(seconds * 1000, 1),
                ip=client_info(request).ip_address,
            )


class PolicyMiddleware(CSPMiddleware):
    """django-csp's, with the site's own policy written once instead of twice for each answer."""

    OF_ITS_OWN = ("_csp_config", "_csp_update", "_csp_replace", "_csp_exempt")

    def __init__(self, get_response: GetResponse) -> None:
        super().__init__(get_response)
        self.site_policy = build_policy()

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        """An answer with a policy of its own, or a page that used its nonce, is django-csp's."""
        if hasattr(request, "_csp_nonce") or any(hasattr(response, o) for o in self.OF_ITS_OWN):
            return super().process_response(request, response)
        response.setdefault(HEADER, self.site_policy)
        return response


class RequestLimitsMiddleware:
    """Refuses what no view should have to deal with, and makes the trailing slash optional."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        try:
            self._check(request)
        except AuthError as error:
            return problem_response(error)
        path = request.path_info
        if path.endswith("/") and len(path) > 1 and not _resolves(path):
            request.path_info = path.rstrip("/") or "/"
        return self.get_response(request)

    def _check(self, request: HttpRequest) -> None:
        to_api = request.path_info.startswith(API_PREFIX)
        if settings.HTTPS_ONLY and to_api and not request.is_secure():
            raise HTTPSRequired
        given = request.META.get("CONTENT_LENGTH", "")
        length = int(given) if given.isascii() and given.isdigit() else 0
        if request.META.get("HTTP_TRANSFER_ENCODING") and not length:
            raise LengthRequired
        if "%00" in request.META.get("QUERY_STRING", "") and not to_api:
            raise MalformedRequest
        if length > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            _drain(request, length)
            raise BodyTooLarge


def rate_limit_headers(usages: Sequence[Usage]) -> dict[str, str]:
    """What is allowed and what is left of it (draft-ietf-httpapi-ratelimit-headers)."""
    if not usages:
        return {}
    policies = [f'"{u.meter.name}";q={u.meter.quota};w={u.meter.seconds}' for u in usages]
    left = [f'"{u.meter.name}";r={u.remaining};t={u.resets_in}' for u in usages]
    return {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(left)}


def _drain(request: HttpRequest, length: int) -> None:
    remaining = min(length, DRAINED_BYTES)
    try:
        while remaining > 0 and (chunk := request.read(min(remaining, 65_536))):
            remaining -= len(chunk)
    except UnreadablePostError:
        return


def _resolves(path: str) -> bool:
    try:
        resolve(path)
    except Resolver404:
        return False
    return True


def _known_method(request: HttpRequest) -> str:
    known = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
    return request.method if request.method in known else "OTHER"
