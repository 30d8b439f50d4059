import unicodedata

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from g2p_batch.languages import LANGUAGES
from g2p_batch.model.contract import Contract, Geometry
from g2p_batch.words.filter import REASONS, REJECTS, WORDS, WordFilter, distinct
from g2p_batch.words.wordlist import ROWS

GEOMETRY = Geometry(
    d_model=256,
    d_ff=1024,
    d_kv=64,
    heads=6,
    encoder_layers=12,
    decoder_layers=4,
    vocab=384,
    activation="gelu_new",
    gated=True,
    relative_buckets=32,
    relative_max_distance=128,
    norm_epsilon=1e-6,
    logit_scale=1.0,
)


def contract(prefix="space", languages=tuple(LANGUAGES), max_source_bytes=64):
    return Contract("tiny", "tiny@1", "0" * 64, prefix, languages, GEOMETRY, max_source_bytes, 64)


def batches(rows, size=65536):
    """Batches of rows (word, lang) or (word, lang, reason), as the reader gives them."""
    columns = (
        list(zip(*((n, *row, *[None] * (3 - len(row))) for n, row in enumerate(rows, 1)), strict=True)) or [()] * 4
    )
    table = pa.table([pa.array(column, field.type) for column, field in zip(columns, ROWS, strict=True)], schema=ROWS)
    return table.to_batches(max_chunksize=size)


def planned(rows, normalize="nfc", size=65536, **facts):
    """Distinct words as (lang, word, src_bytes, row) and rejects as (row, lang, word, reason)."""
    parted = WordFilter(contract(**facts), normalize)
    parts = [parted(batch) for batch in batches(rows, size)]
    good = pa.Table.from_batches([part[0] for part in parts], WORDS)
    bad = pa.Table.from_batches([part[1] for part in parts], REJECTS)
    first, which = distinct(good)
    assert len(rows) == len(which) + len(bad)
    assert good.select(["lang", "word"]).equals(good.select(["lang", "word"]).take(first[which]))
    words = [(row["lang"], row["word"], row["src_bytes"], row["row"]) for row in good.take(first).to_pylist()]
    return words, [tuple(row.values()) for row in bad.to_pylist()]


def test_words_are_told_once_with_their_first_row_in_its_order():
    rows = [("süß", "ger"), ("Zug", "ger"), ("hello", "eng-us"), ("Zug", "de-AT"), ("ab", "ger"), ("Zug", "ger")]
    expected = [
        ("ger", "süß", 12, 1),
        ("ger", "Zug", 10, 2),
        ("eng-us", "hello", 15, 3),
        ("ger", "ab", 9, 5),
    ]
    assert planned(rows) == (expected, [])


@pytest.mark.parametrize(("prefix", "src_bytes"), [("space", 13), ("none", 12)])
def test_the_length_counts_the_bytes_of_the_prefix_that_the_contract_puts_before_a_word(prefix, src_bytes):
    assert planned([("ไทย"[:2], "tha")], prefix=prefix) == ([("tha", "ไท", src_bytes, 1)], [])


def test_the_same_word_of_two_languages_is_two_words():
    assert [word[:2] for word in planned([("no", "ita"), ("no", "spa")])[0]] == [("ita", "no"), ("spa", "no")]


@pytest.mark.parametrize(
    ("normalize", "lang", "word", "expected"),
    [
        ("nfc", "vie-n", "tiê\u0301ng", "tiếng"),
        ("nfc", "gre", "αυτ\u1f79", "αυτ\u03cc"),
        ("nfc", "grc", "αὐτ\u1f79", "αὐτ\u1f79"),
        ("nfkc", "grc", "αὐτ\u1f79", "αὐτ\u1f79"),
        ("nfc", "fra", "ﬁlm", "ﬁlm"),
        ("nfkc", "fra", "ﬁlm", "film"),
        ("none", "fra", "e\u0301te\u0301", "e\u0301te\u0301"),
        ("none", "fra", " a\u00a0", "a"),
        ("nfc", "fra", "\u3000pomme de terre\t", "pomme de terre"),
        ("nfc", "mri", "Ranga", "Ranga"),
        ("nfc", "fas", "می\u200cشود", "می\u200cشود"),
    ],
)
def test_words_get_their_unicode_form_and_lose_blanks_around_them(normalize, lang, word, expected):
    words, rejects = planned([(word, lang)], normalize)
    assert [(lang, expected)] == [word[:2] for word in words]
    assert rejects == []


def test_spellings_that_normalise_alike_are_one_word():
    assert planned([("é", "fra"), ("e\u0301", "fra"), (" é", "fr")]) == ([("fra", "é", 9, 1)], [])


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (("caf\ufffd", "fra", "invalid_utf8"), "invalid_utf8"),
        (("a\tb\tc", None, "ragged"), "ragged"),
        (('",fra', None, "bad_quoting"), "bad_quoting"),
        (("", "klingon", "ragged"), "ragged"),
        (("", "fra"), "empty"),
        (("", None), "empty"),
        ((None, "fra"), "empty"),
        (("\u3000 \t\r\u2028", "fra"), "empty"),
        (("a\0b", "fra"), "control_character"),
        (("a\tb", "fra"), "control_character"),
        (("a\x85b", "klingon"), "control_character"),
        (("\x7f", "fra"), "control_character"),
        (("a", "klingon"), "unknown_language"),
        (("a", "en"), "unknown_language"),
        (("a", ""), "unknown_language"),
        (("a", None), "unknown_language"),
        (("x" * 100, "uzb"), "unknown_language"),
        (("x" * 58, "fra"), "too_long"),
        (("ф" * 29, "fra"), "too_long"),
        pytest.param(("x" * 10_000_000, "fra"), "too_long", id="word-of-ten-megabytes"),
        pytest.param(("a", "x" * 10_000_000), "unknown_language", id="language-of-ten-megabytes"),
    ],
)
def test_a_bad_row_is_rejected_as_it_was_with_the_first_reason_and_costs_no_other_row(row, reason):
    known = tuple(tag for tag in LANGUAGES if tag != "uzb")
    words, rejects = planned([("avant", "fra"), row, ("après", "fra")], languages=known)
    assert words == [("fra", "avant", 12, 1), ("fra", "après", 13, 3)]
    assert rejects == [(2, row[1], row[0], reason)]
    assert reason in REASONS


@pytest.mark.parametrize("word", ["x" * 57, "ф" * 28, "a\u2028b", '"', "œuf d'autruche", "\U00020bb7野家"])
def test_a_strange_word_that_fits_is_a_word(word):
    assert planned([(word, "fra")]) == ([("fra", word, 7 + len(word.encode()), 1)], [])


def test_a_language_that_only_this_model_has_is_known():
    assert planned([("pixwa", "tlh")], languages=("tlh",)) == ([("tlh", "pixwa", 12, 1)], [])


def test_no_rows_are_no_words():
    assert planned([]) == ([], [])


def test_words_do_not_depend_on_how_rows_are_cut_into_batches():
    rows = [(f"w{n % 37}", ("fra", "ger", "klingon")[n % 3]) for n in range(300)]
    assert planned(rows, size=7) == planned(rows)


WORD = st.one_of(
    st.sampled_from(["a", " a", "é", "e\u0301", "", "b\0", "ö" * 40, "a b"]),
    st.text(max_size=5),
    st.none(),
)
LANG = st.sampled_from(["ger", "de", "fra", "grc", "en", "klingon", "", None])


def plain(word):
    return unicodedata.normalize("NFKC", word).strip()


@given(
    rows=st.lists(st.tuples(WORD, LANG, st.sampled_from([None, None, None, "ragged"])), max_size=30),
    size=st.integers(1, 9),
    normalize=st.sampled_from(["nfc", "nfkc", "none"]),
)
@settings(max_examples=60, deadline=None)
def test_every_row_is_a_word_a_duplicate_or_a_reject(rows, size, normalize):
    words, rejects = planned(rows, normalize, size)
    assert len({word[:2] for word in words}) == len(words)
    assert [word[3] for word in words] == sorted(word[3] for word in words)
    assert [reject[0] for reject in rejects] == sorted({reject[0] for reject in rejects})
    for lang, word, src_bytes, row in words:
        assert src_bytes == len(f"<{lang}>: {word}".encode()) <= 64
        given_word, given_lang, reason = rows[row - 1]
        assert reason is None
        assert lang == {"de": "ger"}.get(given_lang, given_lang)
        assert plain(word) == plain(given_word)
    for row, lang, word, reason in rejects:
        assert rows[row - 1][:2] == (word, lang)
        assert reason in REASONS
