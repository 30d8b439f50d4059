"""Lines that others wrote are read, or refused by file and line."""

import gzip
from pathlib import Path

import pytest

from g2p_batch.errors import InputError
from g2p_batch.formats.registry import FORMATS
from tests.helpers.lexicons import (
    entries,
)


@pytest.mark.parametrize(
    ("name", "content", "read"),
    [
        ("mfa", b"\xef\xbb\xbfa\t0.5\t0.3\t1.0\t1.2\tb c\r\n\r\na\td\n", [("a", "bc"), ("a", "d")]),
        ("kaldi", b"a\tb c\n", [("a", "bc")]),
        ("icefall", b" a  b\tc \n", [("a", "bc")]),
        ("charsiu", "việt nam\tviət,na\n".encode(), [("việt nam", "viət"), ("việt nam", "na")]),
        ("cmudict", b"a AH0\na(2) EY1 # letter\nB B IY1\n", [("a", "AH0"), ("a", "EY1"), ("B", "BIY1")]),
        ("cmudict", b";;; # old\n## older\nA  AH0\nA(1)  EY1\nD\xc9J  D\n", [("a", "AH0"), ("a", "EY1"), ("déj", "D")]),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_what_others_write_is_read(
    tmp_path: Path, name: str, content: bytes, read: list[tuple[str, str]], packed: bool
) -> None:
    path = tmp_path / "lexicon"
    path.write_bytes(gzip.compress(content) if packed else content)
    assert [(word, pron) for word, pron, _ in entries(name, path)] == read


def test_readers_tell_rank_and_probability(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("a\t0.5\tb\na\t1.0\tc\nd\te\n")
    rows = [row for one in FORMATS["mfa"].read(tmp_path / "x") for row in one.to_pylist()]
    assert [(row["rank"], row["prob"], row["lang"]) for row in rows] == [
        (1, 0.5, None),
        (2, 1.0, None),
        (1, None, None),
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("mfa", b"a\tb\nc\n", "line 2: c has no pronunciation: add one, or delete the line"),
        ("mfa", b"a\t1: b\n", "line 1: 1: is no probability: begin the pronunciation with a phone"),
        ("mfa", b"a\t\xe9\n", "line 1: is not UTF-8: convert the file with `iconv -t UTF-8`"),
        ("kaldi", b"a\n", "line 1: a has no pronunciation: add one, or delete the line"),
        ("kaldi-prob", b"a b c\n", "line 1: a has no probability between 0 and 1: is this a lexicon of format kaldi?"),
        ("charsiu", b"a b\n", "line 1: is not a word, a tab and pronunciations with commas between them"),
        ("cmudict", b"a\n", "line 1: a has no pronunciation: add one, or delete the line"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / "lexicon"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        entries(name, path)
    assert str(caught.value) == f"{path}, {message}"
