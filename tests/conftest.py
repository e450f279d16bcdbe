"""People, clients and running services for every test."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.core.cache import cache

from accounts.models import Role, User
from security import meters, shared_cache, streaks
from security.key_rotation import ensure_first_keys
from security.keyring import keyring
from security.meters import LocalCounters
from security.streaks import LocalStreaks
from tests.client import PASSWORD, Client
from tests.leg import LEG
from tests.service import CHEAP_HASH, Service

settings.STORAGES["staticfiles"]["BACKEND"] = (
    "django.contrib.staticfiles.storage.StaticFilesStorage"
)


# The first leg runs these for all. Some start services of their own, whatever the leg …
ONCE = (
    "tests/house/",
    "tests/journeys/",
    "tests/faults/",
    "tests/authclient/",
    "tests/console/test_cookies.py",
    "tests/security/test_wire.py",
    # … and in others the database and the cache have no part.
    "tests/security/test_headers.py",
    "tests/security/test_cors.py",
    "tests/security/test_http.py",
    "tests/accounts/test_forged_tokens.py",
    "tests/accounts/test_imported_hashes.py",
    "tests/accounts/test_breached_passwords.py",
    "tests/accounts/test_mail_server.py",
    "tests/accounts/test_mass_assignment.py",
    "tests/accounts/test_matrix.py",
)


def belongs_to_leg(item: pytest.Item) -> bool:
    if LEG == "embedded" and item.get_closest_marker("shared"):
        return False
    once = item.nodeid.startswith(ONCE) or item.get_closest_marker("browser")
    return LEG == "shared" or not once


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items[:] = [item for item in items if belongs_to_leg(item)]


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    """The signing keys are made once: making RSA keys takes longer than most tests."""
    with django_db_blocker.unblock():
        ensure_first_keys()


@pytest.fixture(autouse=True)
def fresh_keyring() -> Iterator[None]:
    """A test's changes to the keys are rolled back, so the process must forget them too."""
    yield
    keyring.forget()


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine's cache is not a slow one: which of the two it is, is no test's business."""
    monkeypatch.setattr(shared_cache, "SLOW_SECONDS", 10.0)


@pytest.fixture
def limits_on(db: None, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits and lockout as they are by default, with nothing counted yet."""
    settings.AUTH_LIMITS = True
    cache.clear()
    monkeypatch.setattr(meters, "local_counters", LocalCounters())
    monkeypatch.setattr(streaks, "local_streaks", LocalStreaks())


@pytest.fixture
def client(db: None) -> Client:
    """An HTTP client that is not signed in."""
    return Client()


@pytest.fixture
def make_user(db: None) -> Callable[..., User]:
    def make(name: str, *, role: str = "user", password: str = PASSWORD, **fields: Any) -> User:
        user = User(email=f"{name}@example.com", username=name, tier="free", **fields)
        user.role = Role.objects.get(pk=role)
        user.set_password(password)
        user.save()
        return user

    return make


@pytest.fixture
def alice(make_user: Callable[..., User]) -> User:
    """An ordinary user."""
    return make_user("alice", first_name="Alice", last_name="Liddell")


@pytest.fixture
def bob(make_user: Callable[..., User]) -> User:
    """Another ordinary user."""
    return make_user("bob")


@pytest.fixture
def admin(make_user: Callable[..., User]) -> User:
    """Who may do everything."""
    return make_user("root", role="admin")


@pytest.fixture
def operator(admin: User) -> Client:
    """An admin who is signed in."""
    client = Client()
    client.sign_in("root")
    return client


@pytest.fixture(scope="session")
def embedded_service() -> Iterator[Service]:
    """What `make run` gives a newcomer: SQLite, one process, worker and beat."""
    with Service.embedded(**CHEAP_HASH) as service:
        yield service


@pytest.fixture(scope="session")
def shared_service() -> Iterator[Service]:
    """Two web processes on PostgreSQL and Redis."""
    urls = os.environ["TEST_DATABASE_URL"], os.environ["TEST_REDIS_URL"]
    with Service.shared(*urls, **CHEAP_HASH) as service:
        yield service
