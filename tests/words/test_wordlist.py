"""Which columns of word lists hold what."""

import gzip
import io
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from g2p_batch.errors import InputError, UsageError
from g2p_batch.storage.locations import STDIN
from g2p_batch.words.inputs import find_files
from g2p_batch.words.wordlist import ROWS, Further, WordLists, open_word_lists, read
from tests.helpers.word_lists import PACKERS, PLAIN, failure, rows, written

ENGLISH = {"lang": "eng-us"}
NO_NAME = (
    "none of which is the known name of a column: name the column of words with --word-column and that of languages "
    "with --lang-column (or give --lang TAG), by name, or by number where there is no header"
)


@pytest.fixture
def stdin(monkeypatch):
    def feed(content):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content.encode())))

    return feed


@pytest.mark.parametrize(
    ("content", "options", "expected"),
    [
        ("ábc\tspa\nb\tger\n", {}, [("ábc", "spa", None), ("b", "ger", None)]),
        ("ábc\nb\n", {"lang": "spa"}, [("ábc", "spa", None), ("b", "spa", None)]),
        ("ábc\tˈabk\nb\tbe\n", {"lang": "spa", "word_column": "1"}, [("ábc", "spa", None), ("b", "spa", None)]),
        ("Orthography\tn\tLanguage\nábc\t7\tspa\n", {}, [("ábc", "spa", None)]),
        ("lang\tword\nspa\tábc\n", {}, [("ábc", "spa", None)]),
        ("lang\tword\nspa\tábc\n", {"lang": "ger"}, [("ábc", "ger", None)]),
        ("head\tcode\nábc\tspa\n", {"word_column": "head", "lang_column": "code"}, [("ábc", "spa", None)]),
        ("word\thead\nx\tábc\n", {"word_column": "head", "lang": "spa"}, [("ábc", "spa", None)]),
        ("\n\nword\tlang\nábc\tspa\n", {}, [("ábc", "spa", None)]),
        ("\nábc\tspa\n", {}, [("", None, None), ("ábc", "spa", None)]),
        ("spa\tspa\n", {"word_column": "spa", "lang_column": "spa"}, "rename all but one"),
    ],
)
def test_columns_are_found_by_name_by_option_or_by_place(tmp_path, content, options, expected):
    path = written(tmp_path, "words.tsv", content)
    if isinstance(expected, str):
        assert failure(path, **options).endswith(expected)
    else:
        assert rows(path, **options) == expected


@pytest.mark.parametrize(
    ("content", "lang", "expected"),
    [
        ("hello\nworld\n", "eng-us", [("hello", "eng-us", None), ("world", "eng-us", None)]),
        ("hello\teng-us\n", None, [("hello", "eng-us", None)]),
        ("word\tlang\nhello\teng-us\n", None, [("hello", "eng-us", None)]),
    ],
)
def test_standard_input_is_text_or_tsv(stdin, content, lang, expected):
    stdin(content)
    assert rows(STDIN, lang=lang) == expected


ENGLISH = {"lang": "eng-us"}
NO_NAME = (
    "none of which is the known name of a column: name the column of words with --word-column and that of languages "
    "with --lang-column (or give --lang TAG), by name, or by number where there is no header"
)


def test_standard_input_with_a_named_column_has_a_header_even_of_one_cell(stdin):
    stdin("head\nhello\n")
    assert rows(STDIN, lang="eng-us", word_column="head") == [("hello", "eng-us", None)]


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        ("a.txt", "a\n", {}, "is a plain list of words: name their language with --lang TAG"),
        (
            "a.txt",
            "a\n",
            {"lang_column": "lang"},
            "is a plain list of words without columns: give --lang TAG and no column names",
        ),
        ("a.txt", "", {"lang": "ger"}, "holds no words: fill it, or leave it out"),
        ("a.txt", "\r\n\n", {"lang": "ger"}, "holds no words: fill it, or leave it out"),
        ("a.tsv", "word\tlang\n", {}, "holds no words: fill it, or leave it out"),
        ("a.txt", b"\xff\xfea\0\n\0", {"lang": "ger"}, "is UTF-16: give --encoding utf-16"),
        ("a.txt", "a\n".encode("utf-32"), {"lang": "ger"}, "is UTF-32: give --encoding utf-32"),
        (
            "a.tsv",
            "word\tpron\na\tb\n",
            {},
            "has none of the columns lang, language, tag, lang_tag, language_tag, locale but word, pron: "
            "name the column of languages with --lang-column, or give --lang TAG",
        ),
        (
            "a.tsv",
            "head\tlang\na\tger\n",
            {},
            "has none of the columns word, words, grapheme, graphemes, orthography, spelling but head, lang: "
            "name the column of words with --word-column",
        ),
        (
            "a.tsv",
            "word\tlang\na\tger\n",
            {"lang_column": "Code"},
            "has no column 'Code' but word, lang: name the column of languages with --lang-column, or give --lang TAG",
        ),
        (
            "a.tsv",
            "a\tb\tc\n",
            {},
            f"begins with 'a', 'b', 'c', {NO_NAME}",
        ),
        (
            "a.tsv",
            "a\n",
            {},
            f"begins with 'a', {NO_NAME}",
        ),
        (
            "a.tsv",
            "word\tword\tlang\na\tb\tger\n",
            {},
            "has more than one column 'word' among word, word, lang: rename all but one",
        ),
        (
            "a.csv",
            '"word,lang\na,ger\n',
            {},
            "has a stray quote in its first line: write it as RFC 4180 asks, or as .tsv",
        ),
        ("a.docx", "a", {}, "is a plain list of words: name their language with --lang TAG"),
        ("a.csv", "rank,token,count\n1,the,9\n", ENGLISH, f"begins with 'rank', 'token', 'count', {NO_NAME}"),
        ("a.tsv", "the\t9\nof\t8\n", ENGLISH, f"begins with 'the', '9', {NO_NAME}"),
        ("a.tsv", "the\tcount\n", {}, f"begins with 'the', 'count', {NO_NAME}"),
        ("a.tsv", "a\tb\tc\td\te\tf\n", ENGLISH, f"begins with 'a', 'b', 'c', 'd', 'e', ..., {NO_NAME}"),
        (
            "a.csv",
            "word;freq\nthe;9\n",
            {},
            "begins with 'word;freq', separated by semicolons: save it with commas, or as .tsv with tabs",
        ),
        (
            "words",
            "the 22038615\nof 12\n",
            ENGLISH,
            "has a number behind each word, such as 'the 22038615': cut it off, or write .tsv and name --word-column",
        ),
        (
            "en.dic",
            "3\nabandon/DGS\nabase/DGS\nthe\n",
            ENGLISH,
            "is a Hunspell dictionary, whose words carry flags: expand it with `unmunch`, or cut off the first "
            "line and all from / on",
        ),
        ("a.txt", gzip.compress(b"a\n", mtime=0), ENGLISH, "is gzip: let its name end in .gz"),
        ("a.csv", b"PK\x03\x04...", {}, "is a ZIP archive, as .xlsx and .ods are: save the sheet as .tsv or .csv"),
        ("a.txt", b"PAR1...", ENGLISH, "is Parquet: let its name end in .parquet"),
        (
            "a.txt",
            "the\n".encode("utf-16-le"),
            ENGLISH,
            "looks like UTF-16 without a mark: give --encoding utf-16-le",
        ),
        (
            "a.txt",
            "the\n".encode("utf-16-be"),
            ENGLISH,
            "looks like UTF-16 without a mark: give --encoding utf-16-be",
        ),
        ("a.txt", bytes(100), ENGLISH, "is no text: give a word list"),
        ("a.tsv", "a\tb\n", ENGLISH | {"word_column": "3"}, "has 2 columns, and no column 3: count from 1"),
        (
            "a.tsv",
            "a\tb\n",
            {"word_column": "1"},
            "has no header: give --lang TAG, or --lang-column with a number too",
        ),
    ],
)
def test_an_input_that_cannot_be_used_is_an_error_that_names_it_and_the_way_out(
    tmp_path, name, content, options, message
):
    path = written(tmp_path, name, content)
    assert failure(path, **options) == f"{path} {message}"


def test_empty_standard_input_is_an_error(stdin):
    stdin("")
    assert failure(STDIN, lang="ger") == "standard input holds no words: fill it, or leave it out"


def test_errors_of_every_input_come_before_the_first_row(tmp_path):
    good = written(tmp_path, "good.txt", PLAIN)
    with pytest.raises(InputError):
        read(WordLists((str(good), str(tmp_path / "missing.txt")), lang="eng-us"))


def test_a_fixed_language_and_a_language_column_exclude_each_other(tmp_path):
    path = written(tmp_path, "words.tsv", "word\tlang\na\tger\n")
    with pytest.raises(UsageError, match="--lang and --lang-column exclude each other"):
        read(WordLists((str(path),), lang="ger", lang_column="lang"))


# Further columns

PRON, SCORE = Further(("pron", "ipa")), Further(("score",), required=False)


def further_rows(path, **options):
    """Read rows with the columns pron and score."""
    table = pa.Table.from_batches(read(WordLists((str(path),), further=(PRON, SCORE), **options), 2))
    assert table.column_names == [*ROWS.names, "pron", "score"]
    return [tuple(row.values())[1:] for row in table.to_pylist()]


@pytest.mark.parametrize("packed", PACKERS)
@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (".tsv", "IPA\tlang\tword\nˈa\tfra\tx\n\tfra\ty\nb\tfra\nc\tfra\tz\n"),
        (".csv", 'IPA,lang,word\n"ˈa",fra,x\n,fra,y\nb,fra\n"c",fra,z\n'),
    ],
)
def test_further_columns_are_read_beside_word_and_language(tmp_path, kind, packed, content):
    line = content.splitlines()[3]
    assert further_rows(written(tmp_path, f"words{kind}{packed}", PACKERS[packed](content.encode()))) == [
        ("x", "fra", None, "ˈa", None),
        ("y", "fra", None, "", None),
        (line, None, "ragged", None, None),
        ("z", "fra", None, "c", None),
    ]


def test_further_columns_of_parquet_may_be_dictionaries_and_numbers(tmp_path):
    table = pa.table(
        {
            "word": ["x", "y"],
            "ipa": pa.array(["a", None]).dictionary_encode(),
            "score": pa.array([-0.1, None], pa.float32()),
        }
    )
    pq.write_table(table, tmp_path / "words.parquet")
    assert further_rows(tmp_path / "words.parquet", lang="fra") == [
        ("x", "fra", None, "a", "-0.1"),
        ("y", "fra", None, None, None),
    ]


def test_a_further_cell_that_is_no_utf8_rejects_its_row_alone(tmp_path):
    path = written(tmp_path, "words.tsv", b"word\tlang\tpron\nx\tfra\t\xe9\ny\tfra\te\n")
    assert further_rows(path) == [
        ("x", "fra", "invalid_utf8", "\N{REPLACEMENT CHARACTER}", None),
        ("y", "fra", None, "e", None),
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "w.tsv",
            "word\tlang\nx\tfra\n",
            "w.tsv has none of the columns pron, ipa but word, lang: call it pron in the",
        ),
        ("w.tsv", "word\tlang\tpron\tpron\n", "w.tsv has more than one column 'pron' among"),
        ("w.txt", "x\n", "w.txt is a plain list of words: give .tsv, .csv or .parquet with a header that names word,"),
    ],
)
def test_a_missing_or_doubtful_further_column_is_an_error(tmp_path, name, content, message):
    assert message in failure(written(tmp_path, name, content), further=(PRON, SCORE))


def test_a_further_column_of_lists_is_an_error(tmp_path):
    pq.write_table(pa.table({"word": ["x"], "lang": ["fra"], "pron": [["a"]]}), tmp_path / "w.parquet")
    assert "not text, in its column 'pron': write it as strings" in failure(tmp_path / "w.parquet", further=(PRON,))


@pytest.mark.parametrize(
    ("name", "content", "options", "expected"),
    [
        ("words", "the\nof\n", {}, ["the", "of"]),
        ("words.lst", "the\nof\n", {}, ["the", "of"]),
        ("en.dic", "the\nof\n", {}, ["the", "of"]),
        ("words", "word\tfreq\nthe\t9\n", {}, ["the"]),
        ("words.data", "word,freq\nthe,9\n", {"kind": "csv"}, ["the"]),
        ("words.csv", "the,of\nto\n", {"kind": "txt"}, ["the,of", "to"]),
        ("a.tsv", "9\tthe\n8\tof\n", {"word_column": "2"}, ["the", "of"]),
        ("a.tsv", "1\t2\n8\tof\n", {"word_column": "2"}, ["of"]),
        ("a.txt", "caf\xe9\n".encode("latin-1"), {"encoding": "latin-1"}, ["café"]),
        ("a.txt", "café\nno\n".encode("utf-16"), {"encoding": "utf-16"}, ["café", "no"]),
        ("a.tsv", "word\tn\nœil\t1\n".encode("cp1252"), {"encoding": "cp1252"}, ["œil"]),
    ],
)
def test_files_are_read_under_any_name_and_in_any_encoding(tmp_path, name, content, options, expected):
    path = written(tmp_path, name, content)
    assert [row[0] for row in rows(path, **ENGLISH, **options)] == expected


def test_a_file_in_another_encoding_than_said_is_an_error(tmp_path):
    path = written(tmp_path, "a.txt", b"a\n" * 100_000 + b"caf\xe9\n")
    assert failure(path, **ENGLISH, encoding="ascii").startswith(f"{path} is in another encoding ('ascii' codec")


@pytest.mark.parametrize(
    ("inputs", "options", "message"),
    [
        (("-", "-"), {}, "standard input can be read once: give - once"),
        (("-",), {"encoding": "latin-1"}, "--encoding is for files: pipe standard input through `iconv -t UTF-8`"),
        (("a.txt",), {"encoding": "klingon"}, "--encoding klingon is unknown"),
        (("a.txt",), {"encoding": "base64"}, "--encoding base64 is unknown"),
        (("a.txt",), {"encoding": "undefined"}, "--encoding undefined is unknown"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(inputs, options, message):
    with pytest.raises(UsageError, match=message):
        WordLists(inputs, **ENGLISH, **options)


def test_empty_files_of_a_folder_are_passed_over_and_named(tmp_path):
    for name, content in (("a.tsv", ""), ("b.txt", "\n"), ("c.tsv", "word\nthe\n")):
        written(tmp_path, name, content)
    opened = open_word_lists(WordLists((str(tmp_path),), **ENGLISH), find_files([str(tmp_path)]))
    assert opened.empty == (f"{tmp_path}/a.tsv", f"{tmp_path}/b.txt")
    assert [batch["word"].to_pylist() for batch in opened.batches()] == [["the"]]
