"""Formats whose lines are a word and phones: what is written, refused, read and found wrong, to the byte."""

import gzip
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from g2p_batch.errors import InputError, UsageError
from g2p_batch.formats import FORMATS
from g2p_batch.formats.cmudict import SYMBOLS
from g2p_batch.formats.kind import Expected
from g2p_batch.formats.lexicon import WriteOptions
from g2p_batch.formats.sherpa import Repeats
from tests.helpers.lexicons import (
    PLAIN,
    Row,
    accepted,
    batch,
    entries,
    golden,
    mfa_reads,
    nasty_rows,
    problems,
    reasons,
    said,
    write,
)

SPOKEN = ("mfa", "mfa-prob", "kaldi", "kaldi-prob", "icefall", "sherpa")
READ = said("read", "ɹ iː d", "ɹ ɛ d", "ɹ iː d", "ɹ ɪ d", logprobs=(-0.5, -1.25, -2, -9)) + said("zoë", "z oʊ i")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("mfa", "read\tɹ iː d\nread\tɹ ɛ d\nread\tɹ ɪ d\nzoë\tz oʊ i\n"),
        ("mfa-prob", "read\t1.00\tɹ iː d\nread\t0.47\tɹ ɛ d\nread\t0.01\tɹ ɪ d\nzoë\t1.00\tz oʊ i\n"),
        ("kaldi", "read ɹ iː d\nread ɹ ɛ d\nread ɹ ɪ d\nzoë z oʊ i\n"),
        ("kaldi-prob", "read 1.00 ɹ iː d\nread 0.47 ɹ ɛ d\nread 0.01 ɹ ɪ d\nzoë 1.00 z oʊ i\n"),
        ("icefall", "read ɹ iː d\nzoë z oʊ i\n"),
        ("sherpa", "read ɹ iː d\nzoë z oʊ i\n"),
        ("charsiu", "read\tɹiːd,ɹɛd,ɹɪd\nzoë\tzoʊi\n"),
    ],
)
@pytest.mark.parametrize("each", [1, 2, 3, 100])
def test_variants_follow_their_word_once_each_however_rows_are_batched(
    tmp_path: Path, name: str, content: str, each: int
) -> None:
    assert write(name, READ, tmp_path / "lexicon", each=each).read_text(encoding="utf-8") == content
    assert problems(name, tmp_path / "lexicon") == []


def test_cmudict_numbers_variants(tmp_path: Path) -> None:
    rows = [*said("read", "R IY1 D", "R EH1 D", "R IY1 D", "R IH0 D"), *said("record", "R AH0 K AO1 R D")]
    assert write("cmudict", rows, tmp_path / "cmudict", each=2).read_text() == (
        "read R IY1 D\nread(2) R EH1 D\nread(3) R IH0 D\nrecord R AH0 K AO1 R D\n"
    )
    assert problems("cmudict", tmp_path / "cmudict") == []


@pytest.mark.parametrize("name", [*SPOKEN, "charsiu", "cmudict"])
def test_no_rows_make_an_empty_file_that_is_right(tmp_path: Path, name: str) -> None:
    assert write(name, [], tmp_path / "lexicon").read_bytes() == b""
    assert problems(name, tmp_path / "lexicon") == []
    assert entries(name, tmp_path / "lexicon") == []


@pytest.mark.parametrize(
    ("logprobs", "column"),
    [
        ((-1, -1), ["1.00", "1.00"]),
        ((-2, -1), ["0.37", "1.00"]),
        ((None, -1), ["1.00", "1.00"]),
        ((None, None), ["1.00", "1.00"]),
        ((0, -30), ["1.00", "0.01"]),
        ((-100, -100.0625), ["1.00", "0.94"]),
    ],
)
@pytest.mark.parametrize(("name", "separator"), [("mfa-prob", "\t"), ("kaldi-prob", " ")])
def test_probabilities_are_relative_to_the_best_variant(
    tmp_path: Path, name: str, separator: str, logprobs: tuple[float | None, ...], column: list[str]
) -> None:
    rows = [*said("b", "b", "p", logprobs=logprobs), *said("c", "k", logprobs=[-7])]
    lines = write(name, rows, tmp_path / "lexicon").read_text().splitlines()
    assert [line.split(separator)[1] for line in lines] == [*column, "1.00"]


@pytest.mark.parametrize("each", [1, 2, 100])
def test_sherpa_refuses_words_that_differ_from_an_earlier_one_in_ascii_case(each: int) -> None:
    english = said("POLISH", "p", "b") + said("Polish", "p oʊ") + said("a", "ə") + said("polish", "p ɒ", "p")
    other = said("polish", "p", lang="pol") + said("É", "e", lang="pol") + said("é", "i", lang="pol")
    rows, repeats = batch(english + other), Repeats()
    found = [repeats(rows.slice(at, each), PLAIN) for at in range(0, len(rows), each)]
    counted = [None, None, "differs_in_case", None, "differs_in_case", "differs_in_case", None, None, None]
    assert [reason for some in found for reason in some.to_pylist()] == counted


REFUSED: tuple[tuple[str, Row, str], ...] = (
    *((name, Row("a", "", None), "no_phones") for name in (*SPOKEN, "cmudict", "kaldi-dict")),
    *((name, Row("a", "", []), "no_phones") for name in SPOKEN),
    *((name, *said("a b", "a"), "space_in_word") for name in (*SPOKEN, "cmudict")),
    *((name, *said("a\u00a0b", "a"), "space_in_word") for name in SPOKEN),
    *((name, *said("\u3000", "a"), "space_in_word") for name in SPOKEN),
    *((name, *said("a\tb", "a"), "control_character") for name in (*SPOKEN, "charsiu")),
    *((name, *said("\x7f", "a"), "control_character") for name in SPOKEN),
    *((name, *said("\ufeffa", "a"), "byte_order_mark") for name in (*SPOKEN, "charsiu")),
    *((name, Row("a", "a b", ["a b"]), "whitespace_in_phone") for name in SPOKEN),
    *((name, Row("a", "a", ["a", ""]), "whitespace_in_phone") for name in SPOKEN),
    *((name, *said("<eps>", "a"), "reserved_word") for name in SPOKEN[:5]),
    *((name, *said("#0", "a"), "reserved_word") for name in SPOKEN[:5]),
    *((name, *said("a", "a #1"), "reserved_phone") for name in (*SPOKEN[:5], "kaldi-dict")),
    *((name, *said("a", "a b_E"), "reserved_phone") for name in ("mfa", "kaldi", "kaldi-dict")),
    ("mfa", said("a", "1 a")[0], "number_as_first_phone"),
    ("mfa-prob", said("a", "1: a")[0], "number_as_first_phone"),
    ("mfa", said("a", "0.5 a")[0], "number_as_first_phone"),
    ("mfa", said("a", "a spn")[0], "reserved_phone"),
    ("mfa", said("´", "a")[0], "space_in_word"),
    ("mfa", said("<unk>", "a")[0], "reserved_word"),
    ("kaldi-dict", said("!SIL", "a")[0], "reserved_word"),
    ("kaldi-dict", said("a", "SIL a")[0], "reserved_phone"),
    ("cmudict", said("a", "AA1 tʃ")[0], "not_arpabet"),
    ("cmudict", said("été", "EY0")[0], "not_ascii"),
    ("cmudict", said("a", "AA1", lang="fra")[0], "not_eng_us"),
    ("cmudict", said("a(2)", "AA1")[0], "variant_mark"),
    ("cmudict", said(";;;", "AA1")[0], "comment_mark"),
    ("cmudict", said("#1", "AA1")[0], "comment_mark"),
    ("charsiu", Row("a", "a b", None), "space_in_pronunciation"),
    ("charsiu", Row("a", "a,b", None), "comma_in_pronunciation"),
    ("charsiu", Row("a", "", None), "no_pronunciation"),
)


@pytest.mark.parametrize(("name", "row", "reason"), REFUSED)
def test_a_row_that_readers_would_misread_is_refused_and_its_neighbours_are_not(
    name: str, row: Row, reason: str
) -> None:
    good = said("ok", "AA1" if name == "cmudict" else "ɔ kː")
    assert reasons(name, [*good, row, *good]) == [None, reason, None]


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("mfa", said("1", "a 1 0.5")[0]),
        ("mfa", said("(x)", "a1 1b")[0]),
        ("mfa", said("a", "11 a")[0]),
        ("kaldi", said("1", "1 0.5")[0]),
        ("kaldi", said("#1", "a")[0]),
        ("icefall", said("a", "#x a_B")[0]),
        ("sherpa", said("<eps>", "#0 <eps>")[0]),
        ("cmudict", said("a(b)", "AA")[0]),
        ("charsiu", Row("a b,c", "a", None)),
    ],
)
def test_what_only_looks_strange_is_accepted(name: str, row: Row) -> None:
    assert reasons(name, [row]) == [None]


def test_reasons_of_a_slice_are_those_of_its_rows() -> None:
    rows = batch([*said("a b", "a"), *said("b", "1 a"), Row("c", "", None), *said("d", "d"), *said("e", "1 e", "f #1")])
    whole = FORMATS["mfa"].refuse(rows, PLAIN).to_pylist()
    assert whole == ["space_in_word", "number_as_first_phone", "no_phones", None, *whole[4:]]
    assert whole[4:] == ["number_as_first_phone", "reserved_phone"]
    for at in range(len(rows)):
        assert FORMATS["mfa"].refuse(rows.slice(at), PLAIN).to_pylist() == whole[at:]


def test_a_character_stands_for_spaces_and_no_two_words_become_one(tmp_path: Path) -> None:
    options = WriteOptions(space_in_word="_")
    rows = said("việt nam", "v") + said("a_b", "a") + said(" ", "s")
    assert reasons("mfa", rows, options) == [None, "replacement_in_word", None]
    assert write("mfa", [rows[0], rows[2]], tmp_path / "x.dict", options).read_text() == "việt_nam\tv\n_\ts\n"
    assert reasons("kaldi", said(" 0", "a"), WriteOptions(space_in_word="#")) == ["reserved_word"]


@pytest.mark.parametrize("mark", ["", "ab", " ", "\t", "\u00a0", "\x00"])
def test_only_one_visible_character_can_stand_for_a_space(mark: str) -> None:
    with pytest.raises(UsageError, match="cannot stand for a space in words: give one visible character"):
        WriteOptions(space_in_word=mark)


def tokens_file(folder: Path, content: str = "  0\na 1\ntʃ 2\n") -> Path:
    path = folder / "tokens.txt"
    path.write_text(content, encoding="utf-8")
    return path


def test_sherpa_refuses_tokens_that_the_voice_lacks(tmp_path: Path) -> None:
    options = WriteOptions(tokens=tokens_file(tmp_path))
    rows = said("a", "a tʃ") + said("b", "a b")
    assert reasons("sherpa", rows, options) == [None, "token_not_in_set"]
    path = write("sherpa", rows, tmp_path / "lexicon.txt")
    assert [(found.line, found.what) for found in problems("sherpa", path, Expected(options.tokens))] == [
        (2, f"has the token b, which {options.tokens} lacks: it is skipped")
    ]


@pytest.mark.parametrize("content", ["a\n", "a 1\nb x\n", "a 1 2 x\n"])
def test_a_list_of_tokens_that_is_none_is_an_error(tmp_path: Path, content: str) -> None:
    path = tokens_file(tmp_path, content)
    with pytest.raises(InputError, match=r"tokens\.txt, line \d: is not a token and its number"):
        reasons("sherpa", said("a", "a"), WriteOptions(tokens=path))


def expected_lines(rows: Iterable[Row], best_only: bool) -> list[tuple[str, tuple[str, ...]]]:
    """State what a lexicon has to hold: the variants of each word, without repeats."""
    found = []
    for word, some in groupby(rows, key=lambda row: row.word):
        unique = dict.fromkeys(tuple(row.phones or ()) for row in some)
        found += [(word, phones) for phones in [*unique][: 1 if best_only else None]]
    return found


def kept(name: str, rows: list[Row], options: WriteOptions = PLAIN) -> list[Row]:
    fields = accepted(name, batch(rows), options).to_pylist()
    return [Row(*(row[field] for field in Row._fields)) for row in fields]


@pytest.mark.parametrize("name", SPOKEN)
@settings(max_examples=100, deadline=None)
@given(rows=nasty_rows(), each=st.integers(1, 4))
def test_what_is_accepted_is_written_passes_and_reads_back(
    tmp_path_factory: pytest.TempPathFactory, name: str, rows: list[Row], each: int
) -> None:
    some = kept(name, rows)
    path = write(name, some, tmp_path_factory.mktemp("nasty") / "lexicon", each=each)
    assert problems(name, path) == []
    expected = expected_lines(some, FORMATS[name].best_only)
    assert [(word, tuple(phones or ())) for word, _, phones in entries(name, path)] == expected
    if name.startswith("mfa"):
        assert [phones for _, _, phones in mfa_reads(path.read_text(encoding="utf-8"))] == [p for _, p in expected]


@settings(max_examples=100, deadline=None)
@given(rows=nasty_rows(), each=st.integers(1, 4))
def test_what_cmudict_accepts_passes_and_reads_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Row], each: int
) -> None:
    arpabet = [row._replace(phones=[sorted(SYMBOLS)[len(phone)] for phone in row.phones or ()]) for row in rows]
    some = kept("cmudict", arpabet)
    path = write("cmudict", some, tmp_path_factory.mktemp("nasty") / "cmudict", each=each)
    assert problems("cmudict", path) == []
    assert [(word, tuple(phones or ())) for word, _, phones in entries("cmudict", path)] == expected_lines(some, False)


@settings(max_examples=100, deadline=None)
@given(rows=nasty_rows(), each=st.integers(1, 4))
def test_what_charsiu_accepts_passes_and_reads_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Row], each: int
) -> None:
    some = kept("charsiu", rows)
    path = write("charsiu", some, tmp_path_factory.mktemp("nasty") / "charsiu", each=each)
    assert problems("charsiu", path) == []
    assert [(word, pron) for word, pron, _ in entries("charsiu", path)] == list(
        dict.fromkeys((row.word, row.pron) for row in some)
    )


@pytest.mark.parametrize("name", [*SPOKEN, "charsiu"])
@pytest.mark.parametrize("lang", sorted({row.lang for row in golden()}))
def test_the_golden_words_pass(tmp_path: Path, name: str, lang: str) -> None:
    rows = kept(name, golden(lang), WriteOptions(space_in_word="_"))
    assert len(rows) > 0.8 * len(golden(lang))
    path = write(name, rows, tmp_path / "lexicon", WriteOptions(space_in_word="_"))
    assert problems(name, path) == []
    assert {word for word, _, _ in entries(name, path)} <= {row.word.replace(" ", "_") for row in rows} | {
        row.word for row in rows
    }


BROKEN: tuple[tuple[str, bytes, list[tuple[int, str]]], ...] = (
    ("mfa", b"a\n", [(1, "gives a no pronunciation")]),
    ("mfa", b"ok\tk\n\na\t0.5\n", [(3, "gives a no pronunciation")]),
    ("mfa", b"a\t1: a\n", [(1, "has 1: as first phone, which MFA reads as a probability and cannot")]),
    ("mfa", b"a\t1.5\ta\n", [(1, "has the probability 1.5, which is not between 0.01 and 1")]),
    ("mfa", b"a\t0.001\ta\n", [(1, "has the probability 0.001, which is not between 0.01 and 1")]),
    ("mfa", b"a\t0.5\t9.9\t9.9\t9.9\ta\n", []),
    ("mfa", b"a\tb\r\n<unk>\tspn", []),
    ("mfa", b"a\ta sil\n", [(1, "has the reserved phone sil")]),
    ("mfa", b"<eps>\ta\n", [(1, "has the reserved word <eps>")]),
    ("mfa", b"a\rb\tc\n", [(1, "holds a carriage return, which ends the line for MFA")]),
    ("mfa", b"\xef\xbb\xbfa\tb\n", [(1, "begins with a byte order mark, which becomes part of the first word")]),
    ("mfa", b"a\tb\nb\t\xe9\n", [(2, "is not UTF-8")]),
    ("kaldi", b"a b\n\xff c\n", [(2, "is not UTF-8")]),
    ("kaldi", b"a b", [(1, "does not end in a line break")]),
    ("kaldi", b"a b\r\n", [(1, "holds whitespace other than blank and tab: U+000D")]),
    ("kaldi", "a b\u00a0c\n".encode(), [(1, "holds whitespace other than blank and tab: U+00A0")]),
    ("kaldi", "a b\n\u3000 c\n".encode(), [(2, "holds whitespace other than blank and tab: U+3000")]),
    ("kaldi", b"a b\n\nc d\n", [(2, "is empty")]),
    ("kaldi", b"a b\nc d\na b\n", [(3, "is there twice")]),
    ("kaldi", b"<s> b\n#0 c\n", [(1, "has the reserved word <s>"), (2, "has the reserved word #0")]),
    ("kaldi", b"a\n", [(1, "gives a no pronunciation")]),
    ("kaldi", b"a #b\n", [(1, "has the reserved phone #b")]),
    ("kaldi", b"a b_I\n", [(1, "has the reserved phone b_I")]),
    ("kaldi", b"a\tb c\n", []),
    ("kaldi-prob", b"a 1.0 b\n", []),
    ("kaldi-prob", b"a 0 b\n", [(1, "has no probability between 0 and 1 after a")]),
    ("kaldi-prob", b"a 1.1 b\n", [(1, "has no probability between 0 and 1 after a")]),
    ("kaldi-prob", b"a nan b\n", [(1, "has no probability between 0 and 1 after a")]),
    ("kaldi-prob", b"a b c\n", [(1, "has no probability between 0 and 1 after a")]),
    ("kaldi-prob", b"a 0.5\n", [(1, "gives a no pronunciation")]),
    ("icefall", b"a\n\n", [(1, "gives a no pronunciation"), (2, "is empty")]),
    ("icefall", b"<eps> b\n", [(1, "has the reserved word <eps>")]),
    ("icefall", b"a b\na c\n", [(2, "gives a another pronunciation, and icefall takes one")]),
    ("icefall", b"a #0\n", [(1, "has the reserved token #0")]),
    ("icefall", b"a \xff\n", [(1, "is not UTF-8")]),
    ("sherpa", b"a b\nA c\n", [(2, "has A again: sherpa-onnx ignores it")]),
    ("sherpa", b"a\n", [(1, "gives a no pronunciation")]),
    ("sherpa", b"\n", [(1, "is empty")]),
    ("cmudict", b"a AH0\na(2) EY1 # letter\n", []),
    ("cmudict", b"a  AH0\n", [(1, "has more than one blank between fields")]),
    ("cmudict", b";;; x\n", [(1, "begins with a comment mark"), (1, "has x, which is no symbol of ARPAbet")]),
    ("cmudict", b"a AH3\n", [(1, "has AH3, which is no symbol of ARPAbet")]),
    ("cmudict", b"a AH0\na EY1\n", [(2, "has a again")]),
    ("cmudict", b"a(2) AH0\n", [(1, "has a(2) before a")]),
    ("cmudict", "é EY1\n".encode(), [(1, "has é, which is not ASCII")]),
    ("cmudict", b"a\n\n", [(1, "gives a no pronunciation"), (2, "is empty")]),
    ("charsiu", b"a b\tc,d\n", []),
    ("charsiu", b"a\n", [(1, "has no tab between word and pronunciation")]),
    ("charsiu", b"\ta\n", [(1, "has no word")]),
    ("charsiu", b"a\tb,\n", [(1, "gives a an empty pronunciation")]),
    ("charsiu", b"a\tb c\n", [(1, "holds whitespace in the pronunciation")]),
    ("charsiu", b"a\tb\tc\n", [(1, "holds whitespace in the pronunciation")]),
    ("charsiu", b"a\tb\r\n", [(1, "holds a carriage return, which becomes part of the pronunciation")]),
    ("charsiu", b"a\t\xe9\n", [(1, "is not UTF-8")]),
)


@pytest.mark.parametrize(("name", "content", "found"), BROKEN)
def test_a_validator_finds_this(tmp_path: Path, name: str, content: bytes, found: list[tuple[int, str]]) -> None:
    (tmp_path / "lexicon").write_bytes(content)
    assert [(one.line, one.what) for one in problems(name, tmp_path / "lexicon")] == found


@pytest.mark.parametrize(
    ("name", "content", "read"),
    [
        ("mfa", b"\xef\xbb\xbfa\t0.5\t0.3\t1.0\t1.2\tb c\r\n\r\na\td\n", [("a", "bc"), ("a", "d")]),
        ("kaldi", b"a\tb c\n", [("a", "bc")]),
        ("icefall", b" a  b\tc \n", [("a", "bc")]),
        ("charsiu", "việt nam\tviət,na\n".encode(), [("việt nam", "viət"), ("việt nam", "na")]),
        ("cmudict", b"a AH0\na(2) EY1 # letter\nB B IY1\n", [("a", "AH0"), ("a", "EY1"), ("B", "BIY1")]),
        ("cmudict", b";;; # old\nA  AH0\nA(1)  EY1\nD\xc9J  D\n", [("a", "AH0"), ("a", "EY1"), ("déj", "D")]),
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


def test_a_writer_of_phones_takes_no_rows_without(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="rows without phones: a"):
        write("mfa", [Row("a", "a", None)], tmp_path / "x.dict")
