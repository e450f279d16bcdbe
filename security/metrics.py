"""The numbers an operator watches, in Prometheus form."""

import os

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

REQUESTS = Counter("auth_requests_total", "Requests answered.", ["method", "route", "status"])
LATENCY = Histogram(
    "auth_request_seconds",
    "Time to answer, in seconds.",
    ["route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
SIGN_INS = Counter("auth_sign_ins_total", "Sign-in attempts by their result.", ["result"])
REFRESHES = Counter("auth_refreshes_total", "Refresh attempts by their result.", ["result"])
BREACH_CHECKS = Counter(
    "auth_breach_checks_total",
    "Passwords looked up in the range service, by result; failed and skipped ones pass.",
    ["result"],
)
LIMITED = Counter("auth_limited_total", "Requests beyond a limit, by its name.", ["limit"])


def exposition(*collectors: Collector) -> tuple[bytes, str]:
    """Every metric as Prometheus text with its content type, summed over the web processes.

    `collectors` tell what no process counts by itself.
    """
    asked = CollectorRegistry()
    for collector in collectors:
        asked.register(collector)
    counted: CollectorRegistry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        counted = CollectorRegistry()
        MultiProcessCollector(counted)  # type: ignore[no-untyped-call]
    return generate_latest(counted) + generate_latest(asked), CONTENT_TYPE_LATEST
