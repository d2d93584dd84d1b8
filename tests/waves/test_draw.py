"""Lotteries over customers: stable, independent of each other, as large as asked for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waves.draw import BUCKETS, Draw, bucket_of, threshold

BUCKET = st.integers(0, BUCKETS - 1)
NAMES = st.lists(st.text(max_size=8), min_size=1, max_size=4)


@given(st.text())
def test_a_bucket_is_in_range_and_stays(key: str) -> None:
    assert 0 <= bucket_of(key) < BUCKETS
    assert bucket_of(key) == bucket_of(key)


@given(NAMES, BUCKET, BUCKET)
def test_no_two_buckets_share_a_ticket(names: list[str], one: int, other: int) -> None:
    draw = Draw.named(*names)
    assert 0 <= draw.ticket(one) < BUCKETS
    assert (draw.ticket(one) == draw.ticket(other)) == (one == other)


@given(NAMES, BUCKET)
def test_the_arithmetic_fits_a_signed_64_bit_integer(names: list[str], bucket: int) -> None:
    draw = Draw.named(*names)
    assert 0 < draw.a < BUCKETS
    assert 0 <= draw.b < BUCKETS
    assert bucket * draw.a + draw.b < 1 << 63


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_draws_nobody_out(one: float, other: float) -> None:
    small, large = sorted([one, other])
    assert 0 <= threshold(small) <= threshold(large) <= BUCKETS


def test_none_and_all() -> None:
    assert (threshold(0), threshold(1)) == (0, BUCKETS)


@pytest.mark.parametrize(("left", "right"), [(("a", "bc"), ("ab", "c")), (("a",), ("a", "")), (("a", "b"), ("b", "a"))])
def test_names_make_different_lotteries(left: tuple[str, ...], right: tuple[str, ...]) -> None:
    assert Draw.named(*left) != Draw.named(*right)


@pytest.mark.parametrize("share", [0.01, 0.05, 0.5])
def test_a_share_of_many_and_a_share_of_that_share(share: float) -> None:
    """Two lotteries over 20,000 customers: each takes its share within four deviations, and both do of the other."""
    one, other = Draw.named("campaign", "x", "holdout"), Draw.named("wave", "x", "y", "holdout")
    buckets = [bucket_of(f"customer {n}") for n in range(20_000)]
    first = [bucket for bucket in buckets if one.ticket(bucket) < threshold(share)]
    both = sum(other.ticket(bucket) < threshold(0.5) for bucket in first)
    assert abs(len(first) - 20_000 * share) < 4 * (20_000 * share * (1 - share)) ** 0.5
    assert abs(both - len(first) / 2) < 4 * (len(first) / 4) ** 0.5


def test_draws_stay_what_they_were() -> None:
    """A campaign's holdout must not change under it: these were drawn by the first release."""
    draw = Draw.named("campaign", "autumn-renewal", "holdout")
    assert (bucket_of("C-1001"), draw.a, draw.b) == (420_527_075, 1_030_628_945, 1_315_146_209)
