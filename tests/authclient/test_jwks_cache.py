"""When the keys are fetched, how often, and what happens when they can't be."""

from concurrent.futures import ThreadPoolExecutor
from time import monotonic, sleep

import pytest

from authclient.errors import KeysUnavailable
from authclient.jwks_cache import JWKSCache
from security.key_material import generate
from tests.authclient.issuing import Issuer, running_issuer
from tests.waiting import wait_until

DAY = 24 * 60 * 60


class Clock:
    """Stands still until told."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache(issuer: Issuer, clock: Clock) -> JWKSCache:
    return JWKSCache(issuer.jwks_uri, clock=clock)


def known(issuer: Issuer) -> str:
    return issuer.keys[0].kid


def test_the_keys_are_fetched_once_in_their_time(
    cache: JWKSCache, issuer: Issuer, clock: Clock
) -> None:
    for _ in range(3):
        assert cache.key(known(issuer)) is not None
        clock.forward(99)
    assert len(issuer.requests) == 1
    clock.forward(4)
    assert cache.key(known(issuer)) is not None
    assert len(issuer.requests) == 2


def test_nothing_is_fetched_before_it_is_needed(cache: JWKSCache, issuer: Issuer) -> None:
    assert issuer.requests == []


def test_a_new_key_is_found_at_once(cache: JWKSCache, issuer: Issuer, clock: Clock) -> None:
    cache.key(known(issuer))
    clock.forward(1)
    issuer.keys.append(generate("ES256"))
    found = cache.key(issuer.keys[1].kid)
    assert found is not None
    assert found.algorithm == "ES256"


def test_unknown_keys_cause_one_fetch_in_10_seconds(
    cache: JWKSCache, issuer: Issuer, clock: Clock
) -> None:
    cache.key(known(issuer))
    for fetches in (2, 3, 4):
        clock.forward(10)
        for number in range(1000):
            assert cache.key(f"unknown-{number}") is None
            clock.forward(0.0099)
        assert len(issuer.requests) == fetches


def test_a_first_token_with_an_unknown_key_causes_one_fetch(
    cache: JWKSCache, issuer: Issuer
) -> None:
    assert cache.key("unknown") is None
    assert len(issuer.requests) == 1


def test_a_key_that_is_published_no_more_is_gone(
    cache: JWKSCache, issuer: Issuer, clock: Clock
) -> None:
    old = known(issuer)
    cache.key(old)
    issuer.keys = [generate("ES256")]
    clock.forward(299)
    assert cache.key(old) is not None
    clock.forward(1)
    assert cache.key(old) is None


@pytest.mark.parametrize("status", [204, 301, 304, 404, 500, 503])
def test_old_keys_serve_for_a_day_while_there_are_no_new_ones(
    cache: JWKSCache, issuer: Issuer, clock: Clock, status: int
) -> None:
    cache.key(known(issuer))
    issuer.status, issuer.body = status, b""
    clock.forward(DAY - 1)
    assert cache.key(known(issuer)) is not None
    assert len(issuer.requests) == 2
    clock.forward(1)
    with pytest.raises(KeysUnavailable):
        cache.key(known(issuer))
    issuer.status, issuer.body = 200, None
    clock.forward(2)
    assert cache.key(known(issuer)) is not None


def test_a_failing_issuer_is_left_in_peace(
    cache: JWKSCache, issuer: Issuer, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    issuer.status = 500
    for _ in range(100):
        with pytest.raises(KeysUnavailable):
            cache.key(known(issuer))
        clock.forward(0.019)
    assert len(issuer.requests) == 1
    assert len(caplog.records) == 1
    issuer.status = 200
    clock.forward(2)
    assert cache.key(known(issuer)) is not None


def test_nobody_can_say_whose_an_unknown_key_is_while_the_issuer_fails(
    cache: JWKSCache, issuer: Issuer, clock: Clock
) -> None:
    cache.key(known(issuer))
    issuer.status = 500
    clock.forward(1)
    for _ in range(2):
        with pytest.raises(KeysUnavailable):
            cache.key("unknown")
    assert cache.key(known(issuer)) is not None
    issuer.status = 200
    clock.forward(10)
    assert cache.key("unknown") is None


def test_an_issuer_that_is_not_there() -> None:
    with running_issuer() as gone:
        cache = JWKSCache(gone.jwks_uri)
    with pytest.raises(KeysUnavailable):
        cache.key("any")


def test_a_silent_issuer_is_given_up(issuer: Issuer) -> None:
    cache = JWKSCache(issuer.jwks_uri, timeout=0.2)
    issuer.may_answer.clear()
    began = monotonic()
    with pytest.raises(KeysUnavailable):
        cache.key(known(issuer))
    assert monotonic() - began < 2


def test_a_dripping_issuer_is_given_up(issuer: Issuer) -> None:
    """Each piece comes in time, the whole would take almost 3 seconds."""
    cache = JWKSCache(issuer.jwks_uri, timeout=0.5)
    issuer.pause = 0.2
    began = monotonic()
    with pytest.raises(KeysUnavailable):
        cache.key(known(issuer))
    assert monotonic() - began < 2
    assert len(issuer.document()) > 16 * 13


def test_many_threads_share_one_fetch(issuer: Issuer) -> None:
    """At the start, and for a new key."""
    cache = JWKSCache(issuer.jwks_uri)
    for kid, fetches in ((known(issuer), 1), ((spare := generate("ES256")).kid, 2)):
        issuer.may_answer.clear()
        with ThreadPoolExecutor(16) as pool:
            found = [pool.submit(cache.key, kid) for _ in range(16)]
            wait_until(lambda wanted=fetches: len(issuer.requests) == wanted)
            sleep(0.05)
            issuer.may_answer.set()
            assert all(work.result() is not None for work in found)
        assert len(issuer.requests) == fetches
        issuer.keys.append(spare)


def test_who_needs_no_new_keys_does_not_wait_for_them(issuer: Issuer, clock: Clock) -> None:
    cache = JWKSCache(issuer.jwks_uri, clock=clock)
    cache.key(known(issuer))
    clock.forward(300)
    issuer.may_answer.clear()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(cache.key, known(issuer))
        wait_until(lambda: len(issuer.requests) == 2)
        assert cache.key(known(issuer)) is not None
        assert not waiting.done()
        issuer.may_answer.set()
        assert waiting.result() is not None


@pytest.mark.parametrize("uri", ["file:///etc/passwd", "data:,x", "ftp://h/x", "/x", "http:", ""])
def test_keys_come_over_http(uri: str) -> None:
    with pytest.raises(ValueError, match="URL"):
        JWKSCache(uri)
