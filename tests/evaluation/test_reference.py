"""References from files of every kind."""

import gzip
import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from g2p_batch.errors import InputError
from g2p_batch.evaluation.reference import read_reference
from g2p_batch.storage.locations import STDIN
from g2p_batch.words.wordlist import WordLists
from tests.evaluation.words import reference


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


@pytest.mark.parametrize(
    ("rows", "prons"),
    [
        ("hello\thaʊs\nice cream\taɪs kɹiːm\n", ["haʊs", "aɪs kɹiːm"]),
        ("hello\th aʊ s\nice cream\taɪ s\n", ["haʊs", "aɪs"]),
        ("hello\t/haʊs/\nice cream\t[aɪs]\n", ["haʊs", "aɪs"]),
        ("hello\tHH AH0 L OW1\nice cream\tAY1 S\n", ["həˈɫoʊ", "ˈaɪs"]),
        ("hello\th@loU\nice cream\taIs\n", ["həloʊ", "aɪs"]),
    ],
)
def test_pronunciations_are_read_as_those_of_lexicons_are(tmp_path, rows, prons):
    (tmp_path / "ref.tsv").write_text(f"word\tpron\n{rows}", encoding="utf-8")
    words = read_reference(WordLists((str(tmp_path / "ref.tsv"),), lang="eng-us")).words
    assert words["prons"].to_pylist() == [[pron] for pron in prons]


def test_a_reference_in_several_alphabets_is_an_error(tmp_path):
    (tmp_path / "ref.tsv").write_text("word\tpron\na\tə\nthe\tDH AH0\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"ref\.tsv, line 1: ə is IPA, and line 2, DH AH0, is ARPAbet"):
        read_reference(WordLists((str(tmp_path / "ref.tsv"),), lang="eng-us"))
