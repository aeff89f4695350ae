"""Requests a second of a key."""

from __future__ import annotations

import pytest

from quintet.ecommerce.search.limits import RateError, RateLimit


def test_a_key_has_its_burst_then_its_rate_and_no_other_key_suffers() -> None:
    now = 100.0
    limit = RateLimit(5, burst=2, clock=lambda: now)
    for _ in range(10):
        limit.take("one")
    with pytest.raises(RateError, match=r"'one' has more than 5 requests a second: wait 0\.2 s") as refused:
        limit.take("one")
    assert refused.value.retry_after == pytest.approx(0.2)
    limit.take("other")
    now += 0.2
    limit.take("one")
    with pytest.raises(RateError):
        limit.take("one")


def test_what_was_not_used_is_kept_up_to_the_burst() -> None:
    now = 0.0
    limit = RateLimit(1, burst=3, clock=lambda: now)
    now = 1000.0
    for _ in range(3):
        limit.take("key")
    with pytest.raises(RateError):
        limit.take("key")


def test_without_a_rate_there_is_no_limit() -> None:
    limit = RateLimit(None)
    for _ in range(10_000):
        limit.take("key")


def test_a_rate_below_one_lets_one_through() -> None:
    limit = RateLimit(0.1, clock=lambda: 0.0)
    limit.take("key")
    with pytest.raises(RateError):
        limit.take("key")
