"""Histograms hold every value once."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from g2p_batch.reporting.histogram import Histogram

VALUES = st.lists(st.floats(-30, 5), min_size=1, max_size=60)


@given(VALUES, st.integers(2, 40))
def test_bars_hold_every_value_once_side_by_side(values: list[float], most: int) -> None:
    counts = Histogram(-20.0, 0.01, 2000)
    counts.add(np.array([*values, np.nan]))
    bars = [*counts.bars(most)]
    assert len(bars) <= most
    assert sum(bar.count for bar in bars) == counts.total == len(values)
    assert all(left.high == right.low for left, right in pairwise(bars))
    for bar in bars[1:-1]:
        assert bar.count == sum(bar.low - 1e-8 <= value < bar.high - 1e-8 for value in values)


@given(VALUES, st.sampled_from([0.01, 0.05, 0.5, 1.0]))
def test_a_quantile_is_right_to_the_width_of_a_bin(values: list[float], share: float) -> None:
    counts = Histogram(-20.0, 0.01, 2000)
    counts.add(np.array(values))
    true = sorted(min(max(value, -20.0), -0.01) for value in values)[max(1, int(np.ceil(share * len(values)))) - 1]
    assert true - 1e-5 <= counts.quantile(share) <= true + 0.01 + 1e-5


def test_far_values_do_not_flatten_the_rest() -> None:
    counts = Histogram(-200.0, 0.01, 20_000)
    counts.add(np.concatenate([np.linspace(-1, 0, 10_000), [-190.0, -150.0]]))
    first, *rest = counts.bars(30)
    assert (first.low, first.high) == (float("-inf"), rest[0].low)
    assert -1.1 < first.high < -0.9
    assert len(rest) >= 10
