"""Error rates against oracles, laws and small examples worked out by hand."""

import importlib.util
import json

import jiwer
import pytest
from hypothesis import given
from hypothesis import strategies as st

from g2p_batch.errors import PackageError
from g2p_batch.evaluation import evaluate
from g2p_batch.evaluation.error_rates import METRICS, ErrorCounts, StatusCounts
from tests.evaluation.words import answered, cut, graphemes, lawful, rows


@lawful
@given(rows)
def test_cer_and_wer_are_what_jiwer_computes_of_first_variants(words):
    rates = evaluate(answered(words)).total.rates()
    first, got = [variants[0] for _, variants, _ in words], [pron for _, _, pron in words]
    assert rates["cer"] == pytest.approx(jiwer.cer(first, got), abs=1e-12)
    assert rates["wer"] == pytest.approx(jiwer.wer(first, got), abs=1e-12)


@lawful
@given(rows)
def test_per_is_what_jiwer_computes_of_phones_as_words(words):
    rates = evaluate(answered(words), graphemes).total.rates()
    first, got = (
        [" ".join(cut(pron)) for pron in prons]
        for prons in ([variants[0] for _, variants, _ in words], [pron for _, _, pron in words])
    )
    assert rates["per"] == pytest.approx(jiwer.wer(first, got), abs=1e-12)


@lawful
@given(rows)
def test_what_any_variant_allows_is_never_more_than_what_the_first_one_does(words):
    for tally in evaluate(answered(words), graphemes).languages.values():
        rates = tally.rates()
        for name in ("cer", "wer", "per"):
            assert rates[f"any_{name}"] <= rates[name]


@lawful
@given(rows)
def test_saying_any_variant_is_right_and_saying_the_first_is_right_by_every_measure(words):
    said = {place: [(lang, variants, variants[place]) for lang, variants, _ in words] for place in (0, -1)}
    assert set(evaluate(answered(said[0]), graphemes).total.rates().values()) == {0.0}
    rates = evaluate(answered(said[-1]), graphemes).total.rates()
    assert {rates["any_cer"], rates["any_wer"], rates["any_per"]} == {0.0}


@lawful
@given(rows)
def test_edits_are_as_many_in_either_direction(words):
    here = evaluate(answered([(lang, variants[:1], pron) for lang, variants, pron in words]), graphemes)
    back = evaluate(answered([(lang, [pron], variants[0]) for lang, variants, pron in words]), graphemes)
    for field in ("wrong", "character_edits", "phone_edits"):
        assert getattr(here.total, field) == getattr(back.total, field)


@lawful
@given(rows, st.randoms())
def test_counts_do_not_depend_on_the_order_of_words_and_add_up(words, random):
    found = evaluate(answered(words), graphemes)
    shuffled = random.sample(words, len(words))
    assert evaluate(answered(shuffled), graphemes).languages == found.languages
    parts = [evaluate(answered([word]), graphemes).total for word in words]
    assert sum(parts, ErrorCounts()) == found.total


def test_rates_of_words_worked_out_by_hand():
    words = [
        ("eng-us", ["abcd"], "abcd"),
        ("eng-us", ["ab", "abxy"], "abxz"),  # two edits to the first variant, one to the second
        ("fra", ["ab"], ""),
        ("fra", ["a"], None, None, "too_long"),
    ]
    found = evaluate(answered(words))
    assert found.languages == {
        "eng-us": ErrorCounts(2, 2, 1, 1, 6, 2, 1),
        "fra": ErrorCounts(2, 1, 1, 1, 2, 2, 2),
    }
    assert found.unscored == {"too_long": 1}
    assert found.languages["eng-us"].rates() == {
        "cer": 2 / 6,
        "wer": 0.5,
        "any_cer": 1 / 6,
        "any_wer": 0.5,
        "per": None,
        "any_per": None,
    }
    assert found.mean() == pytest.approx(
        {"cer": (2 / 6 + 1) / 2, "wer": 0.75, "any_cer": (1 / 6 + 1) / 2, "any_wer": 0.75, "per": None, "any_per": None}
    )
    assert found.total.rates()["cer"] == 4 / 8


def test_a_language_without_a_hypothesis_has_counts_and_no_rates():
    found = evaluate(answered([("fra", ["a"], None, None, "missing"), ("ger", ["b"], "b")]), graphemes)
    assert found.languages["fra"] == ErrorCounts(words=1)
    assert set(found.languages["fra"].rates().values()) == {None}
    assert found.mean()["per"] == 0.0


def test_nothing_to_score_is_no_trouble():
    found = evaluate(answered([("fra", ["a"], None, None, "missing")]), graphemes)
    assert (found.total, found.errors, found.calibrations) == (ErrorCounts(words=1), {}, {})
    assert found.mean() == dict.fromkeys(METRICS)


def test_without_a_segmenter_there_are_no_phones_to_count():
    found = evaluate(answered([("fra", ["a"], "b")]))
    assert (found.errors, found.total.phones, found.total.rates()["per"]) == ({}, 0, None)


def test_everything_is_told_as_json():
    words = [("fra", ["a"], "b", -1.0, "ok"), ("fra", ["a"], None, None, "too_long")]
    record = json.loads(evaluate(answered(words), graphemes).to_json({"reference": "ref.tsv"}))
    assert record["reference"] == "ref.tsv"
    assert record["languages"]["fra"]["cer"] == record["all words"]["per"] == record["mean of languages"]["wer"] == 1.0
    assert record["unscored"] == {"too_long": 1}
    assert record["errors"] == {"fra": [{"wanted": "a", "got": "b", "count": 1}]}
    assert record["calibrations"]["logprob"] == {
        **{"words": 1, "wrong": 1, "low_words": 1, "low_wrong": 1},
        **{"held": 1.0, "most": 1.0, "lift": 1.0},
    }


def test_without_rapidfuzz_an_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(PackageError, match=r"needs rapidfuzz: `pip install 'g2p-batch\[eval\]'`"):
        evaluate(answered([("fra", ["a"], "b")]))


def test_wrong_words_are_counted_by_status_and_in_the_lowest_tenth_of_each_language():
    words = [
        ("fra", ["o"], "o", -0.5, "ok"),
        ("fra", ["o"], "u", -9.0, "repeated"),
        ("fra", ["o"], "u", -0.1, "repeated"),
        ("fra", ["o"], "o", -0.2, "repeated"),
        ("zho-s", ["o"], "u", -0.3, "ok"),
        ("zho-s", ["o"], "o", -0.4, None),
        ("zho-s", ["o"], None, None, "no_known_letter"),
    ]
    found = evaluate(answered(words))
    assert found.statuses == {
        "fra": {"ok": StatusCounts(1, 0), "repeated": StatusCounts(3, 2)},
        "zho-s": {"ok": StatusCounts(1, 1)},
    }
    assert found.all_statuses == {"ok": StatusCounts(2, 1), "repeated": StatusCounts(3, 2)}
    assert {tag: (tenth.low_words, tenth.low_wrong, tenth.wrong) for tag, tenth in found.lowest.items()} == {
        "fra": (1, 1, 2),
        "zho-s": (1, 0, 1),
    }
    assert found.unscored == {"no_known_letter": 1}
