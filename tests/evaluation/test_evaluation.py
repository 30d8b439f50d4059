"""Evaluation against oracles, laws and small examples worked out by hand."""

import gzip
import importlib.util
import io
import json
import unicodedata
from collections import Counter

import jiwer
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from g2p_batch.errors import InputError, UsageError
from g2p_batch.evaluation import evaluate
from g2p_batch.evaluation.calibration import Calibration, calibration, mean_logprob, tokens
from g2p_batch.evaluation.edits import distances
from g2p_batch.evaluation.error_rates import METRICS, ErrorCounts, commonest
from g2p_batch.evaluation.reference import MISSING, REFERENCE, read_hypotheses, read_reference
from g2p_batch.words.wordlist import STDIN, WordLists

ANSWERED = pa.schema([*REFERENCE, ("pron", pa.string()), ("logprob", pa.float32()), ("status", pa.string())])

prons = st.text("aɪ\N{COMBINING TILDE}ˈːt͡ʃ", min_size=1, max_size=8)
langs = st.sampled_from(["eng-us", "fra", "zho-s"])
rows = st.lists(st.tuples(langs, st.lists(prons, min_size=1, max_size=3, unique=True), prons), min_size=1, max_size=12)


lawful = settings(deadline=None, max_examples=50)


def answered(rows):
    """Words of (lang, variants, hypothesis), or of (lang, variants, hypothesis, logprob, status)."""
    whole = [(lang, str(place), *rest, *[None] * (3 - len(rest[1:]))) for place, (lang, *rest) in enumerate(rows)]
    return pa.table(
        [pa.array(column, field.type) for column, field in zip(zip(*whole, strict=True), ANSWERED, strict=True)],
        schema=ANSWERED,
    )


def graphemes(prons, langs):
    """Cut at base characters: marks and modifier letters stay with the one before them; a tie bar joins."""
    assert len(prons) == len(langs)
    return pa.array([cut(pron) for pron in prons.to_pylist()], pa.list_(pa.string()))


def cut(pron):
    phones = []
    for character in pron:
        joined = phones and (unicodedata.category(character) in ("Mn", "Lm") or phones[-1].endswith("\u0361"))
        if joined:
            phones[-1] += character
        else:
            phones.append(character)
    return phones


# Rates


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


def test_the_earliest_of_equally_near_variants_is_the_nearest():
    found = distances(["ab", "x"], ["ac", "ad", "ab", "y", "x", "x"], np.array([0, 3, 6]))
    assert [column.tolist() for column in (found.first, found.nearest, found.variant)] == [[1, 1], [0, 0], [2, 4]]
    assert distances(["b"], ["a", "c"], np.array([0, 2])).variant.tolist() == [0]


# Errors


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


def test_without_a_segmenter_there_are_no_phones_to_count():
    found = evaluate(answered([("fra", ["a"], "b")]))
    assert (found.errors, found.total.phones, found.total.rates()["per"]) == ({}, 0, None)


# Scores


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


# References


def reference(tmp_path, text, name="ref.tsv", **options):
    (tmp_path / name).write_bytes(text.encode())
    return read_reference(WordLists((str(tmp_path / name),), **options))


def variants(found):
    return {(row["lang"], row["word"]): row["prons"] for row in found.words.to_pylist()}


def test_repeated_rows_and_commas_are_variants_in_the_order_of_the_file(tmp_path):
    found = reference(
        tmp_path,
        "word\tlang\tpron\n"
        "tomato\teng-us\ttəˈmeɪtoʊ,təˈmɑtoʊ\n"
        "été\tfr\tete\n"
        "tomato\ten-US\ttəˈmɑtoʊ,tomato\n"
        "a\tger\ta,b\n"  # German dictionaries repeat the row: this comma is part of the pronunciation
        "e\N{COMBINING ACUTE ACCENT}t\N{LATIN SMALL LETTER E WITH ACUTE}\tfra\t ete2 \n",
    )
    assert variants(found) == {
        ("eng-us", "tomato"): ["təˈmeɪtoʊ", "təˈmɑtoʊ", "tomato"],
        ("fra", "été"): ["ete", "ete2"],
        ("ger", "a"): ["a,b"],
    }
    assert (found.rows, found.rejects) == (5, {})


def test_rows_that_say_nothing_are_counted(tmp_path):
    text = "word\tlang\tpron\na\tfra\ta\nb\tfra\t \nc\teng-us\t,\n\tfra\tx\nd\t\td\nragged\nk\tklingon\tk\n"
    found = reference(tmp_path, text)
    assert variants(found) == {("fra", "a"): ["a"], ("", "d"): ["d"], ("klingon", "k"): ["k"]}
    assert (found.rows, found.rejects) == (7, {"no_pronunciation": 2, "empty": 1, "ragged": 1})


def test_ancient_greek_keeps_its_form_and_others_are_composed(tmp_path):
    word = "α\N{COMBINING ACUTE ACCENT}"
    found = reference(tmp_path, f"word\tlang\tpron\n{word}\tgrc\ta\n{word}\tgre\ta\n")
    assert [*variants(found)] == [("grc", word), ("gre", "ά")]


def test_tags_that_only_a_model_has_are_taken_as_they_are(tmp_path):
    path = tmp_path / "ref.tsv"
    path.write_text("word\tlang\tpron\na\tde\ta\nb\tger\tb\n")
    found = read_reference(WordLists((str(path),)), tags=["de"])
    assert [*variants(found)] == [("de", "a"), ("ger", "b")]


@pytest.mark.parametrize("kind", ["ref.tsv.gz", "ref.csv", "ref.parquet", "stdin"])
def test_references_are_read_from_every_kind_of_file(tmp_path, kind):
    path, table = tmp_path / kind, {"IPA": ["ete", "ãfã"], "word": ["été", "enfant"], "lang": ["fra", "fra"]}
    tsv = "IPA\tword\tlang\nete\tété\tfra\nãfã\tenfant\tfra\n".encode()
    stdin = None
    if kind == "ref.parquet":
        table["lang"] = pa.array(table["lang"]).dictionary_encode()
        pq.write_table(pa.table(table), path)
    elif kind == "stdin":
        path, stdin = STDIN, io.BytesIO(tsv)
    else:
        path.write_bytes(gzip.compress(tsv) if kind.endswith("gz") else tsv.replace(b"\t", b","))
    found = read_reference(WordLists((str(path),)), stdin=stdin)
    assert variants(found) == {("fra", "été"): ["ete"], ("fra", "enfant"): ["ãfã"]}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "r.tsv",
            "word\tlang\na\tfra\n",
            "has none of the columns pron, pronunciation, ipa but word, lang: call it pron",
        ),
        (
            "r.tsv",
            "a\tfra\ta\n",
            "has none of the columns word, words, grapheme, graphemes, orthography, spelling but a, fra, a: "
            "call it word in the header",
        ),
        ("r.txt", "a\n", "is a plain list of words: give .tsv, .csv or .parquet with a header that names word, lang"),
        ("r.tsv", "word\tpron\na\ta\n", "has none of the columns lang, language,"),
        ("r.tsv", "word\tlang\tpron\n", "holds no words: fill it, or leave it out"),
        ("r.tsv", "word\tlang\tpron\na\tfra\t\n", "holds no word with a pronunciation: fill the column pron"),
    ],
)
def test_what_is_no_reference_is_an_error(tmp_path, name, text, message):
    with pytest.raises(InputError) as error:
        reference(tmp_path, text, name)
    assert f"{tmp_path / name} {message}" in str(error.value)


# Hypotheses


def looked_up(tmp_path, truth, text, name="lexicon.tsv", lang=None):
    (tmp_path / name).write_text(text)
    return read_hypotheses(str(tmp_path / name), lang, truth)


REF = "word\tlang\tpron\nété\tfra\tete\nhello\teng-us\thəˈloʊ\nabsent\tfra\tx\nh\tfra\tx\n"


def test_a_lexicon_answers_with_its_first_pronunciation_and_missing_words_are_told(tmp_path):
    truth = reference(tmp_path, REF)
    text = (
        "word\tlang\tpron\tlogprob\tstatus\nhello\teng-us\tone\t-0.5\tok\nhello\teng-us\ttwo\t-1\tok\n"
        "other\tfra\tx\t-3\tok\nété\tfr-FR\tete\t\tok\nh\tfra\t\t-2\tempty\n"
    )
    assert [tuple(row.values()) for row in looked_up(tmp_path, truth, text).drop_columns("prons").to_pylist()] == [
        ("fra", "été", "ete", None, None),
        ("eng-us", "hello", "one", -0.5, None),
        ("fra", "absent", None, None, MISSING),
        ("fra", "h", "", -2.0, None),
    ]


def test_a_lexicon_keeps_its_languages_where_one_is_given_for_the_reference(tmp_path):
    truth = reference(tmp_path, "word\tpron\nno\tnoː\n", lang="ger")
    for text, pron in (("word\tlang\tpron\nno\tspa\tno\nno\tde\tnoː\n", "noː"), ("word\tpron\nno\tnu\n", "nu")):
        (tmp_path / "lexicon.tsv").write_text(text)
        found = read_hypotheses(str(tmp_path / "lexicon.tsv"), "ger", truth)
        assert found["pron"].to_pylist() == [pron]


def test_a_lexicon_without_scores_has_no_calibration(tmp_path):
    found = looked_up(tmp_path, reference(tmp_path, REF), "word\tlang\tpron\nété\tfra\tete\n")
    assert evaluate(found).calibrations == {}


def test_scores_of_a_parquet_lexicon_are_read_exactly(tmp_path):
    logprob = pa.array(np.array([-0.1, -1e-8], np.float32))
    table = {"word": ["été", "hello"], "lang": ["fra", "eng-us"], "pron": ["ete", "x"], "logprob": logprob}
    pq.write_table(pa.table(table), tmp_path / "lexicon.parquet")
    found = read_hypotheses(str(tmp_path / "lexicon.parquet"), None, reference(tmp_path, REF))
    assert found["logprob"].combine_chunks()[:2].equals(logprob)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("mfa.dict", "hello\th ə l ˈoʊ\nhello\tx\nother\ty\n"),
        ("lexicon.txt", "<UNK> SPN\nhello h ə l ˈoʊ\nhello x\n"),
        ("lexicon.jsonl", '{"word": "hello", "lang": "eng-us", "pron": "həlˈoʊ"}\n'),
    ],
)
def test_lexicons_of_other_tools_are_read(tmp_path, name, text):
    found = looked_up(tmp_path, reference(tmp_path, REF), text, name, "eng-us")
    assert found["pron"].to_pylist() == [None, "həlˈoʊ", None, None]
    assert found["status"].to_pylist() == [MISSING, None, MISSING, MISSING]
    if "jsonl" not in name:
        with pytest.raises(UsageError, match=f"{name} does not say the language of its words: give --lang TAG"):
            looked_up(tmp_path, reference(tmp_path, REF), text, name)


def test_a_lexicon_of_another_tool_without_words_is_an_error(tmp_path):
    with pytest.raises(InputError, match=r"mfa\.dict holds no words"):
        looked_up(tmp_path, reference(tmp_path, REF), "", "mfa.dict", "eng-us")


def test_scores_that_are_no_numbers_are_an_error(tmp_path):
    with pytest.raises(InputError, match=r"lexicon\.tsv has a logprob that is no number"):
        looked_up(tmp_path, reference(tmp_path, REF), "word\tlang\tpron\tlogprob\nété\tfra\tete\tlow\n")


@lawful
@given(st.lists(st.tuples(langs, st.sampled_from("abc"), prons), min_size=1, max_size=10))
def test_every_word_of_a_reference_is_itself_in_a_lexicon_of_it(tmp_path_factory, entries):
    folder = tmp_path_factory.mktemp("law")
    text = "word\tlang\tpron\n" + "".join(f"{word}\t{lang}\t{pron}\n" for lang, word, pron in entries)
    truth = reference(folder, text)
    assert len(truth.words) == len({(lang, word) for lang, word, _ in entries})
    assert sum(map(len, truth.words["prons"].to_pylist())) == len(set(entries))
    found = evaluate(looked_up(folder, truth, text), graphemes)
    assert (found.unscored, set(found.total.rates().values())) == ({}, {0.0})


# What is told


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
    with pytest.raises(UsageError, match=r"needs rapidfuzz: `pip install 'g2p-batch\[eval\]'`"):
        evaluate(answered([("fra", ["a"], "b")]))


def test_errors_without_a_phone_on_one_side_sort_beside_those_with_both():
    errors = Counter({("b", None): 2, (None, "a"): 2, ("a", "b"): 2, ("z", "z"): 3})
    assert [edit for edit, _ in commonest(errors, 9)] == [("z", "z"), (None, "a"), ("a", "b"), ("b", None)]
