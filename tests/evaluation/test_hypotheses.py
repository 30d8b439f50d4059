"""Hypotheses looked up in lexicons."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from g2p_batch.errors import InputError
from g2p_batch.evaluation import evaluate
from g2p_batch.evaluation.reference import MISSING, read_hypotheses
from tests.evaluation.words import graphemes, langs, lawful, prons, reference


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
        with pytest.raises(InputError, match=f"{name} does not name the language of its words: give --lang TAG"):
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
