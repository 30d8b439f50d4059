"""Which format a lexicon has that somebody gives, and what every format has in common."""

import gzip
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pytest

from g2p_batch.errors import InputError, UsageError
from g2p_batch.formats.existing import ExistingLexicon
from g2p_batch.formats.lexicon import LEXICON, WriteOptions
from g2p_batch.formats.registry import FORMATS, readable_format
from g2p_batch.formats.word_lines import by_word
from tests.helpers.lexicons import Row, batch, lexeme, write

TOLD: tuple[tuple[str, bytes, str], ...] = (
    ("x.tsv", b"word\tlang\tpron\na\tfra\tb\n", "tsv"),
    ("x.tsv", b"a b\tc,d\n", "charsiu"),
    ("X.TSV.gz", b"a\tc\n", "charsiu"),
    ("x.jsonl", b'{"word": "a", "pron": "b"}\n', "jsonl"),
    ("x.dict", b"a\tb c\n", "mfa"),
    ("x.dict", b"a\t0.5\tB\n", "mfa"),
    ("x.dict", b"a B\nc tS\n", "mfa"),
    ("x.dict", b"xin ch\xc3\xa0o\ts i n\n", "wikipron"),
    ("x.tsv", b"a\tb c\nd\te\n", "wikipron"),
    ("x.tsv", b"a\t/b/, /c/\nd\t/e f/\n", "ipa-dict"),
    ("en_US.txt", b"a\t/b/, /c/\n", "ipa-dict"),
    ("x.dict", b"A 1 AH0\nA 2 EY1\n", "cmudict"),
    ("cmudict-nltk.txt", b"A 1 AH0\n", "cmudict"),
    ("x.dict", b"", "mfa"),
    ("x.dict", b"a AH0\na(2) EY1 # letter\n", "cmudict"),
    ("x.dict.gz", b";;; x\nA  AH0\n", "cmudict"),
    ("cmudict-0.7b", b"A  AH0\n", "cmudict"),
    ("x.dict", b";;; \xe9\nD\xc9J  D\n", "cmudict"),
    ("cmudict.tsv", b"word\tpron\na\tb\n", "tsv"),
    ("x.tsv", b"\xef\xbb\xbfword\tpron\r\na\tb\r\n", "tsv"),
    ("lexicon.txt", b"a b\n", "kaldi"),
    ("lexiconp.txt", b"a 1.0 b\n", "kaldi-prob"),
    ("lexicon.txt.zst", b"a b\n", "kaldi"),
)


def read_lexicon(path: Path, name: str | None = None) -> Iterator[pa.RecordBatch]:
    return ExistingLexicon(path, format_name=name).entries("eng-us")


def packed(name: str, content: bytes) -> bytes:
    if name.endswith(".zst"):
        return pa.compress(content, codec="zstd", asbytes=True)  # type: ignore[no-any-return]
    return gzip.compress(content) if name.endswith(".gz") else content


@pytest.mark.parametrize(("name", "content", "expected"), TOLD)
def test_name_and_beginning_tell_the_format(tmp_path: Path, name: str, content: bytes, expected: str) -> None:
    path = tmp_path / name
    path.write_bytes(packed(name, content))
    assert readable_format(path).name == expected
    words = [word for one in read_lexicon(path) for word in one["word"].to_pylist()]
    assert (words != []) == (content != b"")


def test_a_byte_order_mark_is_no_part_of_the_first_word(tmp_path: Path) -> None:
    (tmp_path / "cmudict.dict").write_bytes(b"\xef\xbb\xbfa AH0\n")
    assert next(read_lexicon(tmp_path / "cmudict.dict"))["word"].to_pylist() == ["a"]


def test_a_folder_is_kaldis(tmp_path: Path) -> None:
    folder = write("kaldi-dict", lexeme("a", "b c"), tmp_path / "dict")
    assert [
        (row["word"], row["pron"], row["phones"], row["line"])
        for one in read_lexicon(folder)
        for row in one.to_pylist()
    ] == [("a", "bc", ["b", "c"], 3)]


def test_a_name_of_a_format_wins(tmp_path: Path) -> None:
    (tmp_path / "x.tsv").write_text("a\tb c\n")
    assert readable_format(tmp_path / "x.tsv", "mfa").name == "mfa"
    with pytest.raises(UsageError, match=r"there is no format 'xls': choose tsv, .* or sequitur"):
        readable_format(tmp_path / "x.tsv", "xls")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "x.tsv",
            b"a\t1.5\tb c\n",
            "has no header with word and pron, and not two cells a line: name its format, as sequitur:x.tsv does, or "
            "phonetisaurus or mfa-prob",
        ),
        (
            "words.txt",
            b"a b\n",
            "does not tell its format: name it, as mfa:words.txt does, one of tsv, charsiu, parquet, jsonl, mfa, "
            "mfa-prob, kaldi, kaldi-prob, kaldi-dict, icefall, sherpa, cmudict, pls, wikipron, ipa-dict, "
            "phonetisaurus, sequitur, or rename the file to end in .tsv, .parquet, .jsonl, .dict or .pls",
        ),
    ],
)
def test_what_does_not_tell_is_an_error(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as caught:
        readable_format(tmp_path / name)
    assert str(caught.value) == f"{tmp_path / name} {message}"


@pytest.mark.parametrize("name", ["cmudict.json", "cmudict.csv", "cmudict"])
def test_a_name_like_cmudicts_is_not_believed_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text('{"a": ["AH0"]}\n')
    with pytest.raises(InputError, match="does not tell its format"):
        readable_format(tmp_path / name)


def test_a_file_that_is_absent_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent\.dict does not exist: check the path"):
        readable_format(tmp_path / "absent.dict")


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_refuses_by_row_and_takes_none(name: str) -> None:
    known = FORMATS[name]
    none = known.refuse(batch([]), WriteOptions())
    assert (none.type, len(none)) == (pa.string(), 0)
    rows = [*lexeme("ok", "AA1", "AA0"), Row("ok", "AA1", ["AA1"]), Row("a\x00b", "", None)]
    reasons = known.refuse(batch(rows), WriteOptions())
    assert reasons.to_pylist()[:3] == [None] * 3
    assert (reasons[3].as_py() is None) == (name == "parquet")
    assert reasons.type == pa.string()


@pytest.mark.parametrize("name", FORMATS)
def test_a_slice_is_written_like_a_copy(tmp_path: Path, name: str) -> None:
    rows = [*lexeme("b", "AA1 B"), *lexeme("ok", "AA1", "AA0 K"), *lexeme("zz", "Z")]
    whole = batch(rows)
    sliced = [whole.slice(1, 1), whole.slice(2, 1), whole.slice(3, 0)]
    FORMATS[name].write(sliced, tmp_path / "sliced", WriteOptions())
    write(name, rows[1:3], tmp_path / "copied", each=1 if name == "parquet" else 5)
    read = [
        [row for one in FORMATS[name].read(tmp_path / path) for row in one.to_pylist()] for path in ("sliced", "copied")
    ]
    assert read[0] == read[1]
    assert [row["word"] for row in read[0]] == ["ok"] * (1 if FORMATS[name].best_only else 2)


@pytest.mark.parametrize("each", range(1, 8))
def test_batches_are_cut_between_words(each: int) -> None:
    rows = batch([*lexeme("a", "a", "b", "c"), *lexeme("b", "b"), *lexeme("c", "a", "b", "c", "d")])
    pieces = list(by_word(rows.slice(at, each) for at in range(0, len(rows), each)))
    assert pa.Table.from_batches(pieces, LEXICON).to_pylist() == rows.to_pylist()
    words = [piece["word"].to_pylist() for piece in pieces]
    assert all(one[-1] != other[0] for one, other in pairwise(words))


def test_entries_without_pronunciation_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "x.tsv").write_text("word\tpron\na\tb\nc\t\na\td\n")
    rows = [row for one in read_lexicon(tmp_path / "x.tsv") for row in one.to_pylist()]
    assert [(row["word"], row["pron"], row["rank"]) for row in rows] == [("a", "b", 1), ("a", "d", 2)]


def test_ranks_stay_in_range_however_many_variants_a_word_has(tmp_path: Path) -> None:
    (tmp_path / "lexicon.txt").write_text("".join(f"a {'b' * n}\n" for n in range(1, 201)))
    ranks = [rank for one in read_lexicon(tmp_path / "lexicon.txt") for rank in one["rank"].to_pylist()]
    assert (ranks[0], ranks[126], ranks[199]) == (1, 127, 127)
