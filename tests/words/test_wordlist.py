import csv
import gzip
import io
import os
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from g2p_batch.errors import InputError, UsageError
from g2p_batch.words import delimited
from g2p_batch.words.wordlist import ROWS, STDIN, SUFFIXES, Further, WordLists, read

PLAIN = "hello\nˈstraße\nภาษา\n"
PLAIN_ROWS = [("hello", "eng-us", None), ("ˈstraße", "eng-us", None), ("ภาษา", "eng-us", None)]
PACKERS = {"": bytes, ".gz": gzip.compress, ".zst": lambda data: pa.compress(data, codec="zstd", asbytes=True)}


def rows(*inputs, batch_rows=65536, **options):
    """Read all rows and check their numbers."""
    batches = list(read(WordLists(tuple(str(name) for name in inputs), **options), batch_rows))
    assert all(batch.schema == ROWS and 0 < len(batch) <= batch_rows for batch in batches)
    table = pa.Table.from_batches(batches, ROWS)
    table.validate(full=True)
    assert table["row"].to_pylist() == list(range(1, len(table) + 1))
    return [(row["word"], row["lang"], row["reason"]) for row in table.to_pylist()]


def written(folder, name, content):
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def failure(*inputs, **options):
    with pytest.raises(InputError) as error:
        rows(*inputs, **options)
    return str(error.value)


@pytest.fixture
def stdin(monkeypatch):
    def feed(content):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content.encode())))

    return feed


# What is read


@pytest.mark.parametrize("packed", PACKERS)
@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (".txt", PLAIN),
        (".tsv", "word\tlang\nhello\teng-us\nˈstraße\teng-us\nภาษา\teng-us\n"),
        (".csv", "word,lang\nhello,eng-us\nˈstraße,eng-us\nภาษา,eng-us\n"),
    ],
)
def test_text_of_every_kind_and_packing_is_read(tmp_path, kind, packed, content):
    path = written(tmp_path, f"words{kind}{packed}", PACKERS[packed](content.encode()))
    assert rows(path, lang="eng-us" if kind == ".txt" else None) == PLAIN_ROWS


@pytest.mark.parametrize("name", ["WORDS.TXT", "a.b.Txt", "words.TXT.GZ"])
def test_suffixes_are_known_in_any_case(tmp_path, name):
    pack = PACKERS[".gz" if name.endswith("GZ") else ""]
    assert rows(written(tmp_path, name, pack(PLAIN.encode())), lang="eng-us") == PLAIN_ROWS


def test_packed_files_of_several_members_are_read_whole(tmp_path):
    path = written(tmp_path, "words.txt.gz", b"".join(gzip.compress(f"{word}\n".encode()) for word in ("a", "b", "c")))
    assert [word for word, _, _ in rows(path, lang="eng-us")] == ["a", "b", "c"]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
@pytest.mark.parametrize("last", ["", "\n", "\n\n\n"])
def test_bom_crlf_and_blank_lines_at_the_end_are_no_words(tmp_path, newline, bom, last):
    content = (bom + "word\tlang\nhello\teng-us\n\nsüß\tger" + last).replace("\n", newline)
    expected = [("hello", "eng-us", None), ("", None, None), ("süß", "ger", None)]
    assert rows(written(tmp_path, "words.tsv", content)) == expected
    plain = (bom + "hello\n\nsüß" + last).replace("\n", newline)
    assert rows(written(tmp_path, "words.txt", plain), lang="ger") == [(w, "ger", None) for w in ("hello", "", "süß")]


@pytest.mark.parametrize(
    ("content", "options", "expected"),
    [
        ("ábc\tspa\nb\tger\n", {}, [("ábc", "spa", None), ("b", "ger", None)]),
        ("ábc\nb\n", {"lang": "spa"}, [("ábc", "spa", None), ("b", "spa", None)]),
        ("ábc\tˈabk\nb\tbe\n", {"lang": "spa"}, [("ábc", "spa", None), ("b", "spa", None)]),
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


def test_standard_input_with_a_named_column_has_a_header_even_of_one_cell(stdin):
    stdin("head\nhello\n")
    assert rows(STDIN, lang="eng-us", word_column="head") == [("hello", "eng-us", None)]


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.dictionary(pa.int32(), pa.string())]
)
def test_parquet_text_of_every_type_is_read(tmp_path, kind):
    words = pa.array(["hello", None, "süß"]).cast(pa.string())
    table = pa.table({"id": [1, 2, 3], "word": words.cast(kind), "lang": ["eng-us", "eng-us", None]})
    pq.write_table(table, tmp_path / "words.parquet")
    expected = [("hello", "eng-us", None), (None, "eng-us", None), ("süß", None, None)]
    assert rows(tmp_path / "words.parquet") == expected
    assert rows(tmp_path / "words.parquet", lang="ger") == [(word, "ger", None) for word, _, _ in expected]
    assert rows(tmp_path / "words.parquet", batch_rows=1) == expected


def test_a_parquet_string_that_is_no_utf8_is_one_bad_row(tmp_path):
    raw = pa.array([b"hello", b"caf\xe9", b"ok"], pa.binary())
    words = pa.Array.from_buffers(pa.string(), 3, raw.buffers())
    pq.write_table(pa.table({"word": words}), tmp_path / "words.parquet")
    expected = [("hello", "fra", None), ("caf\ufffd", "fra", "invalid_utf8"), ("ok", "fra", None)]
    assert rows(tmp_path / "words.parquet", lang="fra") == expected


def test_inputs_folders_and_globs_are_read_in_order_and_rows_counted_through(tmp_path):
    folder = tmp_path / "lists"
    (folder / "b" / ".hidden").mkdir(parents=True)
    for name in ("c.txt", "a.txt", "b/z.txt", "b/.hidden/no.txt", ".no.txt", "_SUCCESS", "README.md"):
        written(folder, name, f"{Path(name).stem}\n")
    written(folder, "empty.txt", "")
    more = [written(tmp_path, f"more{n}.txt", f"more{n}\n") for n in (2, 1)]
    found = rows(more[0], folder, tmp_path / "more?.txt", lang="eng-us")
    assert [word for word, _, _ in found] == ["more2", "a", "z", "c", "more1", "more2"]


def test_a_file_whose_name_looks_like_a_glob_is_read(tmp_path):
    assert rows(written(tmp_path, "words[1].txt", PLAIN), lang="eng-us") == PLAIN_ROWS


# Bad rows


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"caf\xe9\tfra", ("caf\ufffd", "fra", "invalid_utf8")),
        (b"caf\xed\xa0\x80\tfra", ("caf\ufffd\ufffd\ufffd", "fra", "invalid_utf8")),
        (b"a\tfr\xe9", ("a", "fr\ufffd", None)),
        ("\ufffd\tfra".encode(), ("\ufffd", "fra", None)),
        (b"lone", ("lone", None, "ragged")),
        (b"a\tb\tc", ("a\tb\tc", None, "ragged")),
        (b"a\xe9\tb\tc", ("a\ufffd\tb\tc", None, "ragged")),
        (b"", ("", None, None)),
        (b"\t", ("", "", None)),
        (b'"\tfra', ('"', "fra", None)),
        (b'5" disk\tfra', ('5" disk', "fra", None)),
        (b'""\tfra', ('""', "fra", None)),
        (b"a\0b\tfra", ("a\0b", "fra", None)),
        (b"a\rb\tfra", ("a\rb", "fra", None)),
        ("a\u2028b\u2029c\x85d\x0be\x0cf\tfra".encode(), ("a\u2028b\u2029c\x85d\x0be\x0cf", "fra", None)),
        pytest.param(b"x" * 10_000_000 + b"\tfra", ("x" * 10_000_000, "fra", None), id="ten-megabytes"),
    ],
)
def test_a_strange_tsv_row_costs_no_other_row(tmp_path, line, expected):
    path = written(tmp_path, "words.tsv", b"word\tlang\nhello\teng-us\n" + line + b"\nworld\teng-us\n")
    assert rows(path) == [("hello", "eng-us", None), expected, ("world", "eng-us", None)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('"quoted","fra"', ("quoted", "fra", None)),
        ('"with, comma",fra', ("with, comma", "fra", None)),
        ('"say ""hi""",fra', ('say "hi"', "fra", None)),
        ('"""",fra', ('"', "fra", None)),
        ('"",fra', ("", "fra", None)),
        ('5" disk,fra', ('5" disk', "fra", None)),
        ('twice "" inside,fra', ('twice "" inside', "fra", None)),
        ('",fra', ('",fra', None, "bad_quoting")),
        ('"open,fra', ('"open,fra', None, "bad_quoting")),
        ('"a"b,fra', ('"a"b,fra', None, "bad_quoting")),
        ('"a","fra', ('"a","fra', None, "bad_quoting")),
        ('"a,b"', ('"a,b"', None, "ragged")),
        ('"a",b,c', ('"a",b,c', None, "ragged")),
        ("a,b,c", ("a,b,c", None, "ragged")),
        ("été,", ("été", "", None)),
        pytest.param('"' + "x" * 10_000_000 + '",fra', ("x" * 10_000_000, "fra", None), id="ten-megabytes"),
    ],
)
def test_csv_quotes_are_those_of_rfc_4180_and_never_reach_the_next_row(tmp_path, line, expected):
    path = written(tmp_path, "words.csv", f'"word",lang\r\nhello,eng-us\r\n{line}\r\n"world",eng-us\r\n')
    assert rows(path) == [("hello", "eng-us", None), expected, ("world", "eng-us", None)]


def test_bytes_of_one_character_on_two_lines_do_not_make_it(tmp_path):
    path = written(tmp_path, "words.txt", b"a\xc3\n\xa9b\n")
    assert rows(path, lang="fra") == [("a\ufffd", "fra", "invalid_utf8"), ("\ufffdb", "fra", "invalid_utf8")]


def test_a_line_without_end_is_cut_and_the_next_one_is_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(delimited, "_BLOCK_BYTES", 8)
    monkeypatch.setattr(delimited, "_LONGEST_LINE_BYTES", 32)
    path = written(tmp_path, "words.txt", "a\n" + "x" * 1000 + "\nhello\n")
    words = [word for word, _, _ in rows(path, lang="eng-us")]
    assert words[0] == "a"
    assert words[1].strip("x") == ""
    assert len(words[1]) < 64
    assert words[2:] == ["hello"]


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\t\n\r"), max_size=6).map(str.encode)
LINE = st.one_of(
    st.tuples(CELL, CELL).map(b"\t".join),
    st.binary(max_size=8).map(lambda raw: raw.translate(None, b"\r\n")),
    st.just(b""),
)


@given(lines=st.lists(LINE, max_size=12), block=st.integers(1, 40), batch_rows=st.integers(1, 5), crlf=st.booleans())
@settings(max_examples=150, deadline=None)
def test_any_lines_give_one_row_each_whatever_the_blocks(tmp_path_factory, lines, block, batch_rows, crlf):
    newline = b"\r\n" if crlf else b"\n"
    path = tmp_path_factory.mktemp("any") / "words.tsv"
    path.write_bytes(newline.join([b"word\tlang", *lines, b"last\teng-us"]) + newline)
    expected = []
    for line in lines:
        cells = line.split(b"\t")
        word = cells[0].decode(errors="replace")
        if not line:
            expected.append(("", None, None))
        elif len(cells) != 2:
            expected.append((line.decode(errors="replace"), None, "ragged"))
        else:
            reason = "invalid_utf8" if word.encode() != cells[0] else None
            expected.append((word, cells[1].decode(errors="replace"), reason))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delimited, "_BLOCK_BYTES", block)
        assert rows(path, batch_rows=batch_rows) == [*expected, ("last", "eng-us", None)]


WORD = st.text(st.characters(codec="utf-8", exclude_characters="\n\r"), min_size=1, max_size=6)


@given(words=st.lists(st.tuples(WORD, st.booleans()), max_size=12), stray=LINE)
@settings(max_examples=100, deadline=None)
def test_what_a_csv_writer_writes_is_read_back_beside_any_stray_line(tmp_path_factory, words, stray):
    lines = io.StringIO()
    for word, always in words:
        quoting = csv.QUOTE_ALL if always else csv.QUOTE_MINIMAL
        csv.writer(lines, quoting=quoting, lineterminator="\n").writerow([word, "fra"])
    path = tmp_path_factory.mktemp("any") / "words.csv"
    path.write_bytes(b"word,lang\n" + lines.getvalue().encode() + stray + b"\n" + lines.getvalue().encode() + b"a,fra")
    expected = [(word, "fra", None) for word, _ in words]
    found = rows(path)
    assert found[: len(words)] == expected
    assert found[len(words) + 1 :] == [*expected, ("a", "fra", None)]


# Inputs that cannot be read


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
        ("a.txt", b"\xff\xfea\0\n\0", {"lang": "ger"}, "is UTF-16: convert it with `iconv -f UTF-16 -t UTF-8`"),
        ("a.txt", "a\n".encode("utf-32"), {"lang": "ger"}, "is UTF-32: convert it with `iconv -f UTF-32 -t UTF-8`"),
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
            "has no header, and in its first line the number of cells is not 2 but 3: "
            "begin it with a line that names the columns word and lang, or give --lang TAG",
        ),
        (
            "a.tsv",
            "a\n",
            {},
            "has no header, and in its first line the number of cells is not 2 but 1: "
            "begin it with a line that names the columns word and lang, or give --lang TAG",
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
        ("a.docx", "a", {}, f"is of no known kind: let its name end in one of {', '.join(SUFFIXES)}"),
    ],
)
def test_an_input_that_cannot_be_used_is_an_error_that_names_it_and_the_way_out(
    tmp_path, name, content, options, message
):
    path = written(tmp_path, name, content)
    assert failure(path, **options) == f"{path} {message}"


@pytest.mark.parametrize(
    ("name", "content", "begin"),
    [
        ("a.txt.gz", b"no gzip", "cannot be read (zlib inflate failed"),
        ("a.txt.zst", b"no zstd", "cannot be read (ZSTD decompress failed"),
        ("a.txt.gz", gzip.compress(PLAIN.encode(), mtime=0)[:-9], "cannot be read (Truncated compressed stream"),
        ("a.parquet", b"no parquet at all", "cannot be read (Parquet magic bytes not found"),
    ],
)
def test_a_damaged_file_is_an_error_that_names_it(tmp_path, name, content, begin):
    path = written(tmp_path, name, content)
    message = failure(path, lang="ger")
    assert message.startswith(f"{path} {begin}")
    assert message.endswith("the file is damaged or not what its name says")


def test_a_parquet_column_of_numbers_is_an_error(tmp_path):
    path = tmp_path / "words.parquet"
    pq.write_table(pa.table({"word": [1, 2]}), path)
    assert failure(path, lang="ger") == f"{path} has int64, not text, in its column 'word': write it as strings"


def test_missing_files_folders_without_lists_and_globs_without_matches_are_errors(tmp_path):
    assert failure(tmp_path / "no.txt") == f"{tmp_path}/no.txt does not exist: check the path"
    assert failure(tmp_path / "*.txt") == f"{tmp_path}/*.txt matches no file: check the pattern"
    assert failure(tmp_path) == f"{tmp_path} holds no word list: their names end in {', '.join(SUFFIXES)}"


def test_a_pipe_and_a_name_that_is_not_utf8_are_errors(tmp_path):
    os.mkfifo(tmp_path / "pipe.txt")
    assert failure(tmp_path / "pipe.txt") == f"{tmp_path}/pipe.txt is a pipe or a device: give - and pipe it in"
    (tmp_path / "pipe.txt").unlink()
    (tmp_path / "\udcff.txt").write_text(PLAIN)
    shown = f"'{tmp_path}/\\udcff.txt' has a name that is not UTF-8: rename it, or give - and pipe it in"
    assert failure(tmp_path / "\udcff.txt", lang="ger") == failure(tmp_path, lang="ger") == shown


def test_closed_standard_input_matters_only_where_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.stdin", None)
    path = written(tmp_path, "words.txt", PLAIN)
    assert len(list(read(WordLists((str(path),), lang="ger"))))
    assert failure(STDIN, lang="ger") == "standard input holds no words: fill it, or leave it out"


def test_a_file_and_a_folder_that_may_not_be_read_are_errors(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    path = written(tmp_path, "words.txt", PLAIN)
    monkeypatch.setattr(Path, "open", refuse)
    assert failure(path, lang="ger") == f"{path} may not be read: change its permissions"
    monkeypatch.setattr("os.scandir", refuse)
    assert failure(tmp_path, lang="ger") == f"{tmp_path} may not be read: change its permissions"
    monkeypatch.setattr(Path, "is_dir", refuse)
    assert failure(path, lang="ger") == f"{path} may not be read: change its permissions"


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
