"""Lines of text: a bad row costs no other row."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from g2p_batch.words import delimited
from tests.helpers.word_lists import rows, written


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
