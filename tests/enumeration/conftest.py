"""People of every kind."""

from collections.abc import Callable

import pytest

from accounts.models import User
from accounts.services.decoys import decoys
from tests.enumeration.seeing import make_people


@pytest.fixture
def people(make_user: Callable[..., User]) -> None:
    """Somebody of each kind; it is not known yet what kinds of hashes they have."""
    make_people(make_user)
    decoys.forget()
    decoys.draw("")


@pytest.fixture
def concealed(settings: pytest.FixtureRequest) -> None:
    settings.AUTH_CONCEAL_ACCOUNTS = True  # type: ignore[attr-defined]
    settings.AUTH_EMAIL_VERIFICATION = "required"  # type: ignore[attr-defined]
