"""A local issuer for the tests that need no service."""

from collections.abc import Iterator

import pytest

from tests.authclient.issuing import Issuer, running_issuer


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with running_issuer() as issuer:
        yield issuer
