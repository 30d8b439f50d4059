"""Several pronunciations of a word: whether one is right, and whether probabilities say how often they are."""

import pyarrow as pa
import pytest

from g2p_batch.evaluation.oracle import Bin, OracleCounts, oracle

WORDS = [
    {"lang": "a", "prons": ["abc"], "variants": [{"pron": "xbc", "prob": 0.5}, {"pron": "abc", "prob": 0.25}]},
    {"lang": "a", "prons": ["abc", "ab"], "variants": [{"pron": "ab", "prob": 0.95}]},
    {"lang": "b", "prons": ["abcd"], "variants": [{"pron": "", "prob": 0.04}, {"pron": "xxcd", "prob": 0.02}]},
    {"lang": "b", "prons": ["abcd"], "variants": None},
]
SCHEMA = pa.schema(
    [
        ("lang", pa.string()),
        ("prons", pa.list_(pa.string())),
        ("variants", pa.list_(pa.struct([("pron", pa.string()), ("prob", pa.float32())]))),
    ]
)


def test_the_nearest_pronunciation_counts_and_words_without_any_do_not() -> None:
    found = oracle(pa.Table.from_pylist(WORDS, SCHEMA), 2)
    assert found.languages == {"a": OracleCounts(2, 0, 6, 0), "b": OracleCounts(1, 1, 4, 2)}
    assert found.total == OracleCounts(3, 1, 10, 2)
    assert (found.total.wer, found.total.cer) == (pytest.approx(1 / 3), pytest.approx(0.2))


def test_probabilities_are_compared_with_shares_of_right_ones() -> None:
    found = oracle(pa.Table.from_pylist(WORDS, SCHEMA), 2)
    assert found.bins == (
        Bin(2, pytest.approx(0.03), 0),
        Bin(1, pytest.approx(0.25), 1),
        Bin(1, pytest.approx(0.5), 0),
        Bin(1, pytest.approx(0.95), 1),
    )
    assert found.calibration_error == pytest.approx((0.06 + 0.75 + 0.5 + 0.05) / 5)
    record = found.as_record()
    assert (record["variants"], record["all words"]["wrong"], len(record["bins"])) == (2, 1, 4)


def test_without_words_there_is_nothing() -> None:
    found = oracle(pa.Table.from_pylist([], SCHEMA), 2)
    assert (found.languages, found.bins, found.calibration_error, found.total.wer) == ({}, (), 0.0, 0.0)
