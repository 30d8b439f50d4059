"""What formats write whose lines are a word and phones, to the byte."""

from pathlib import Path

import pytest

from g2p_batch.formats.kind import Expected
from g2p_batch.formats.lexicon import WriteOptions
from tests.helpers.lexicons import (
    PHONE_LINE_FORMATS,
    Row,
    entries,
    lexeme,
    problems,
    write,
)

READ = lexeme("read", "ɹ iː d", "ɹ ɛ d", "ɹ iː d", "ɹ ɪ d", logprobs=(-0.5, -1.25, -2, -9)) + lexeme("zoë", "z oʊ i")


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
    rows = [*lexeme("read", "R IY1 D", "R EH1 D", "R IY1 D", "R IH0 D"), *lexeme("record", "R AH0 K AO1 R D")]
    assert write("cmudict", rows, tmp_path / "cmudict", each=2).read_text() == (
        "read R IY1 D\nread(2) R EH1 D\nread(3) R IH0 D\nrecord R AH0 K AO1 R D\n"
    )
    assert problems("cmudict", tmp_path / "cmudict") == []


@pytest.mark.parametrize("each", [1, 2, 100])
def test_cmudict_without_stress_has_each_variant_once(tmp_path: Path, each: int) -> None:
    options = WriteOptions(reader="pocketsphinx")
    rows = [*lexeme("read", "R IY1 D", "R IY0 D", "R EH1 D"), *lexeme("record", "R AH0 K AO1 R D")]
    path = write("cmudict", rows, tmp_path / "cmudict", options, each)
    assert path.read_text() == "read R IY D\nread(2) R EH D\nrecord R AH K AO R D\n"
    assert problems("cmudict", path, Expected(reader="pocketsphinx")) == []


@pytest.mark.parametrize("name", [*PHONE_LINE_FORMATS, "charsiu", "cmudict"])
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
    rows = [*lexeme("b", "b", "p", logprobs=logprobs), *lexeme("c", "k", logprobs=[-7])]
    lines = write(name, rows, tmp_path / "lexicon").read_text().splitlines()
    assert [line.split(separator)[1] for line in lines] == [*column, "1.00"]


def test_a_writer_of_phones_takes_no_rows_without(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="rows without phones: a"):
        write("mfa", [Row("a", "a", None)], tmp_path / "x.dict")
