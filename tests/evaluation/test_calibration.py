"""Whether low scores find wrong words."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from g2p_batch.evaluation import evaluate
from g2p_batch.evaluation.calibration import Calibration, calibration, mean_logprob, tokens
from tests.evaluation.words import answered, graphemes, lawful


def test_tokens_are_the_bytes_and_the_end():
    assert tokens(pa.array(["æ", "a", ""])).to_pylist() == [3, 2, 1]


def test_a_mean_is_the_sum_over_the_units_and_no_unit_counts_as_one():
    scores = mean_logprob(pa.array([-3.0, None, -1.0], pa.float32()), pa.array([2, 1, 0], pa.int32()))
    assert scores.to_pylist() == [-1.5, None, -1.0]
    assert scores.type == pa.float32()


def test_every_kind_of_score_is_calibrated_over_the_words_that_have_one():
    # Of ten words with a score one is wrong, and the lowest in sum; means of tokens and phones are lowest for others.
    words = [("fra", ["aaaaaaaa"], "aaaaaaab", -8.0, "ok"), ("fra", ["i"], "i", -6.0, "ok")]
    words += [("fra", ["aˈˈˈˈˈˈˈ"], "aˈˈˈˈˈˈˈ", -7.0, "ok"), ("fra", ["x"], "y", None, "ok")]
    words += [("fra", ["o"], "o", -0.1, "ok")] * 7
    found = evaluate(answered(words), graphemes).calibrations
    assert found == {
        "logprob": Calibration(10, 1, 1, 1),
        "logprob per token": Calibration(10, 1, 1, 0),
        "logprob per phone": Calibration(10, 1, 1, 0),
    }


@pytest.mark.parametrize(
    ("scores", "wrong", "expected"),
    [
        ([-1.0, -2, -3, -4, -5, -6, -7, -8, -9, -10], [9], Calibration(10, 1, 1, 1)),
        ([-1.0, -2, -3, -4, -5, -6, -7, -8, -9, -10], [0, 9], Calibration(10, 2, 1, 1)),
        ([-1.0, -2, -3, -4, -5, -6, -7, -8, -9, -10, -11], [0, 1], Calibration(11, 2, 2, 0)),
        ([-1.0] * 10, [0], Calibration(10, 1, 1, 1)),
        ([-1.0, None, -2.0], [1, 2], Calibration(2, 1, 1, 1)),
        ([None], [0], Calibration(0, 0, 0, 0)),
    ],
)
def test_the_lowest_tenth_is_looked_at(scores, wrong, expected):
    flags = np.isin(np.arange(len(scores)), wrong)
    assert calibration(pa.array(scores, pa.float32()), flags) == expected


def test_the_share_of_the_lowest_tenth_beside_what_is_possible():
    found = Calibration(words=100, wrong=20, low_words=10, low_wrong=8)
    assert (found.held, found.lift, found.most) == (0.4, 4.0, 0.5)
    nothing = Calibration(0, 0, 0, 0)
    assert (nothing.held, nothing.lift, nothing.most) == (0.0, 0.0, 0.0)


@lawful
@given(st.lists(st.tuples(st.floats(-50, 0, width=32), st.booleans()), min_size=1, max_size=50))
def test_a_score_that_knows_what_is_wrong_holds_the_most_that_a_tenth_can(words):
    wrong = np.array([flag for _, flag in words])
    oracle = calibration(pa.array(-wrong.astype(np.float32)), wrong)
    assert oracle.held == pytest.approx(oracle.most)
    found = calibration(pa.array([score for score, _ in words], pa.float32()), wrong)
    assert 0 <= found.held <= found.most <= 1
