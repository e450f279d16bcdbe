"""The numbers an operator watches, in Prometheus form."""

import os

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

REQUESTS = Counter("auth_requests_total", "Requests answered.", ["method", "route", "status"])
LATENCY = Histogram(
    "auth_request_seconds",
    "Time to answer, in seconds.",
    ["route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
SIGN_INS = Counter("auth_sign_ins_total", "Sign-in attempts by their result.", ["result"])
REFRESHES = Counter("auth_refreshes_total", "Refresh attempts by their result.", ["result"])


def exposition() -> tuple[bytes, str]:
    """Every metric as Prometheus text with its content type, summed over the web processes."""
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry), CONTENT_TYPE_LATEST
    return generate_latest(), CONTENT_TYPE_LATEST
