"""The numbers of sessions, in Prometheus form: read at a scrape, counted by the hourly job."""

from collections.abc import Iterator

from django.db import Error
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from security.logs import get_logger
from sessions_app.services.pruning import oldest_prunable, session_counts

logger = get_logger(__name__)


class SessionCollector(Collector):
    """Three look-ups by index; without the database the other metrics are told all the same."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        rows = GaugeMetricFamily(
            "auth_sessions", "Rows of sessions, counted after the last pruning.", labels=["state"]
        )
        oldest = GaugeMetricFamily(
            "auth_sessions_oldest_prunable_seconds",
            "How long the oldest session that is due for pruning has been over; 0 without one.",
        )
        try:
            for state, count in session_counts().items():
                rows.add_metric([state], count)
            oldest.add_metric([], oldest_prunable().total_seconds())
        except Error as error:
            logger.warning("metrics.sessions_unknown", error=type(error).__name__)
            return
        yield rows
        yield oldest
