"""Whether this process lives, whether it can serve, and its numbers."""

import hmac
import time
from datetime import timedelta
from functools import cache
from typing import ClassVar

from django.conf import settings
from django.core.cache import cache as shared
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import bearer_credential
from accounts.mail_metrics import MailCollector
from security.api.throttling import Limits
from security.audit_metrics import AuditCollector
from security.errors import AuthError, NotAuthenticated, PermissionMissing
from security.keyring import keyring
from security.metrics import exposition
from security.models import JobRun
from security.shared_cache import FAILURES
from sessions_app.metrics import SessionCollector

STARTED = time.monotonic()
# The worker beats every 15 seconds.
OLDEST_HEARTBEAT = timedelta(seconds=60)
# Without these no request can be served; the others only degrade.
ESSENTIAL = ("database", "migrations", "signing_key")


class PublicView(APIView):
    authentication_classes = ()
    permission_classes = ()
    # Load balancers and monitors ask as often as they like.
    limits: ClassVar[Limits] = {}


class RootView(PublicView):
    """Name, version and where to go from here."""

    @extend_schema(exclude=True)
    def get(self, request: Request) -> Response:
        base = settings.PUBLIC_URL
        links = {
            "api": f"{base}/api/v1",
            "docs": f"{base}/docs",
            "openapi": f"{base}/openapi.json",
            "jwks": f"{base}/.well-known/jwks.json",
            "health": f"{base}/health",
        }
        # Where it is shown to some networks only, it is not told to the others.
        if not settings.AUTH_CONSOLE_NETWORKS:
            links["console"] = f"{base}/admin/"
        return Response(
            {"name": settings.PROJECT_NAME, "version": settings.VERSION, "links": links}
        )


class LiveView(PublicView):
    """The process answers; nothing else is touched."""

    @extend_schema(operation_id="health_live", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        return Response({"status": "alive"})


class ReadyView(PublicView):
    """200 while requests can be served, also when degraded; 503 while they can't."""

    @extend_schema(operation_id="health_ready", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        return _health()


class HealthView(PublicView):
    """The same, with the words that clients of older systems look for."""

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        return _health()


class MetricsView(APIView):
    """Prometheus text, for the metrics token or a caller who may view metrics."""

    permission_classes = ()

    def perform_authentication(self, request: Request) -> None:
        if not self._has_metrics_token():
            super().perform_authentication(request)

    def check_throttles(self, request: Request) -> None:
        """The quota is a user's, and to ask for the user would refuse the metrics token."""
        if not self._has_metrics_token():
            super().check_throttles(request)

    @extend_schema(responses={(200, "text/plain"): str})
    def get(self, request: Request) -> HttpResponse:
        if not self._has_metrics_token():
            if request.user is None:
                raise NotAuthenticated
            if not request.user.has_perm("security.view_metrics"):
                raise PermissionMissing
        body, content_type = exposition(SessionCollector(), AuditCollector(), MailCollector())
        return HttpResponse(body, content_type=content_type)

    def _has_metrics_token(self) -> bool:
        try:
            given = bearer_credential(self.request) or ""
        except AuthError:
            return False
        expected = settings.AUTH_METRICS_TOKEN
        return bool(expected) and hmac.compare_digest(given.encode(), expected.encode())


def _health() -> Response:
    checks = {
        "database": _database(),
        "cache": _cache(),
        "migrations": _migrations(),
        "signing_key": _signing_key(),
        "worker": _worker(),
    }
    able = all(checks[name] for name in ESSENTIAL)
    status = "unhealthy"
    if able:
        status = "healthy" if all(checks.values()) else "degraded"
    body = {
        "status": status,
        "database": "connected" if checks["database"] else "disconnected",
        "version": settings.VERSION,
        "timestamp": timezone.now(),
        "uptime_seconds": int(time.monotonic() - STARTED),
        "checks": {name: "ok" if fine else "failing" for name, fine in checks.items()},
    }
    headers = {"Cache-Control": "no-store"} | ({} if able else {"Retry-After": "5"})
    return Response(body, status=200 if able else 503, headers=headers)


def _database() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return False
    return True


def _cache() -> bool:
    try:
        shared.set("health", 1, 10)
    except FAILURES:
        return False
    return True


@cache
def _all_migrated() -> bool:
    """True for good: the code of this process does not change. Raises while some are missing."""
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise LookupError("unapplied migrations")
    return True


def _migrations() -> bool:
    try:
        return _all_migrated()
    except (LookupError, DatabaseError):
        return False


def _signing_key() -> bool:
    try:
        return bool(keyring.signing_pair())
    except (AuthError, DatabaseError):
        return False


def _worker() -> bool:
    try:
        oldest = timezone.now() - OLDEST_HEARTBEAT
        return JobRun.objects.filter(name=JobRun.HEARTBEAT, succeeded_at__gte=oldest).exists()
    except DatabaseError:
        return False
