"""The single edits between pronunciations."""

from collections import Counter

import numpy as np
from hypothesis import given

from g2p_batch.evaluation import evaluate
from g2p_batch.evaluation.edits import distances
from g2p_batch.evaluation.error_rates import commonest
from tests.evaluation.words import answered, graphemes, lawful, rows


def test_the_earliest_of_equally_near_variants_is_the_nearest():
    found = distances(["ab", "x"], ["ac", "ad", "ab", "y", "x", "x"], np.array([0, 3, 6]))
    assert [column.tolist() for column in (found.first, found.nearest, found.variant)] == [[1, 1], [0, 0], [2, 4]]
    assert distances(["b"], ["a", "c"], np.array([0, 2])).variant.tolist() == [0]


def test_errors_are_counted_by_language_against_the_nearest_variant():
    words = [
        ("eng-us", ["xyz", "kæt"], "kat"),
        ("eng-us", ["kæ"], "ka"),
        ("eng-us", ["t͡ʃa"], "ʃa"),
        ("fra", ["ab"], "b"),
        ("fra", ["b"], "bˈ"),
        ("ger", ["a"], "a"),
    ]
    found = evaluate(answered(words), graphemes)
    assert found.errors == {
        "eng-us": {("æ", "a"): 2, ("t͡ʃ", "ʃ"): 1},
        "fra": {("a", None): 1, ("b", "bˈ"): 1},
        "ger": {},
    }
    assert commonest(found.all_errors, 2) == [(("æ", "a"), 2), (("a", None), 1)]


@lawful
@given(rows)
def test_the_errors_are_as_many_as_the_edits(words):
    found = evaluate(answered(words), graphemes)
    for tag, errors in found.errors.items():
        assert sum(errors.values()) == found.languages[tag].any_phone_edits


def test_errors_without_a_phone_on_one_side_sort_beside_those_with_both():
    errors = Counter({("b", None): 2, (None, "a"): 2, ("a", "b"): 2, ("z", "z"): 3})
    assert [edit for edit, _ in commonest(errors, 9)] == [("z", "z"), (None, "a"), ("a", "b"), ("b", None)]
