"""Whether messages arrive, in Prometheus form: read at a scrape, counted by the job."""

from collections.abc import Iterator

from django.db import Error
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from accounts.services.mail_delivery import count_failed, longest_wait
from security.logs import get_logger

logger = get_logger(__name__)


class MailCollector(Collector):
    """Two look-ups by index; without the database the other metrics are told all the same."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        failed = GaugeMetricFamily(
            "auth_mail_failed", "Messages that were given up, counted after the last delivery."
        )
        waiting = GaugeMetricFamily(
            "auth_mail_oldest_waiting_seconds",
            "How long the oldest message that is neither sent nor given up has been waiting.",
        )
        try:
            number = count_failed()
            waiting.add_metric([], longest_wait().total_seconds())
        except Error as error:
            logger.warning("metrics.mail_unknown", error=type(error).__name__)
            return
        if number is not None:
            failed.add_metric([], number)
        yield failed
        yield waiting
