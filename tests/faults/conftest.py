"""Servers that a test may stop, freeze or spoil, and the service on them."""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from tests.faults.proxy import Proxy
from tests.servers import PrivateServers
from tests.service import CHEAP_HASH, Service


@pytest.fixture(scope="module")
def servers() -> Iterator[PrivateServers]:
    private = PrivateServers()
    yield private
    private.stop()


@pytest.fixture(scope="module")
def proxy(servers: PrivateServers) -> Iterator[Proxy]:
    """Between the service and Redis."""
    with Proxy(servers.valkey()) as running:
        yield running


@pytest.fixture(scope="module")
def service(servers: PrivateServers, proxy: Proxy) -> Iterator[Service]:
    prepared = Service.shared(servers.postgresql(), proxy.url, **CHEAP_HASH)
    keep_what_is_committed(prepared)
    with prepared as running:
        yield running


def keep_what_is_committed(service: Service) -> None:
    """As in production: the tests' servers may else lose the last moments when they are killed."""
    url = service.environment["DATABASE_URL"]
    with psycopg.connect(url, autocommit=True) as database:
        name = sql.Identifier(database.info.dbname)
        database.execute(sql.SQL("ALTER DATABASE {} SET synchronous_commit = on").format(name))
