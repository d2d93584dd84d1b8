"""How long work adapts the number of customers it takes at once."""

from __future__ import annotations

import pytest

from waves.stride import LEAST, Stride


@pytest.mark.parametrize(
    ("size", "seconds", "following"),
    [
        (20_000, 0.5, 20_000),
        (20_000, 0.71, 10_000),
        (20_000, 3.0, 2_500),
        (20_000, 900.0, LEAST),
        (20_000, 0.19, 40_000),
        (40_000, 0.01, 50_000),
        (LEAST, 5.0, LEAST),
    ],
)
def test_a_stride_follows_the_time_it_took(size: int, seconds: float, following: int) -> None:
    assert Stride(50_000, size).after(seconds) == Stride(50_000, following)


@pytest.mark.parametrize(("most", "first"), [(50_000, 25_000), (1_500, LEAST), (30, 30), (1, 1)])
def test_the_first_stride_is_within_its_bounds(most: int, first: int) -> None:
    stride = Stride.up_to(most)
    assert stride.size == first
    assert stride.after(9.0).size == min(first, LEAST) if most < LEAST else stride.after(9.0).size >= LEAST
    assert stride.after(0.0).size <= most
