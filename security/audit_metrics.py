"""Whether the trail is whole and being chained, in Prometheus form, read at a scrape."""

from collections.abc import Iterator

from django.db import Error
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from security.audit_chain import last_verdict, oldest_unchained
from security.logs import get_logger

logger = get_logger(__name__)


class AuditCollector(Collector):
    """Two look-ups by index; without the database the other metrics are told all the same."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        whole = GaugeMetricFamily(
            "auth_audit_chain_ok", "1 if the last verification of the audit trail found it whole."
        )
        waiting = GaugeMetricFamily(
            "auth_audit_oldest_unchained_seconds",
            "How long the oldest event without a link of the chain has been waiting for one.",
        )
        try:
            verdict = last_verdict()
            waiting.add_metric([], oldest_unchained().total_seconds())
        except Error as error:
            logger.warning("metrics.audit_unknown", error=type(error).__name__)
            return
        if verdict is not None:
            whole.add_metric([], int(verdict))
        yield whole
        yield waiting
