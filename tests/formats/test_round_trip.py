"""What a format accepts is written, passes its validator and reads back."""

from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from g2p_batch.formats.cmudict import SYMBOLS
from g2p_batch.formats.kind import Expected
from g2p_batch.formats.lexicon import WriteOptions
from g2p_batch.formats.registry import FORMATS
from tests.helpers.lexicons import (
    PHONE_LINE_FORMATS,
    PLAIN,
    Row,
    accepted,
    batch,
    entries,
    golden,
    mfa_reads,
    nasty_rows,
    problems,
    write,
)


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


@pytest.mark.parametrize("name", PHONE_LINE_FORMATS)
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
def test_what_is_accepted_for_training_passes_for_it(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Row], each: int
) -> None:
    options = WriteOptions(reader="phonetisaurus")
    path = write("mfa", kept("mfa", rows, options), tmp_path_factory.mktemp("nasty") / "mfa", options, each)
    assert problems("mfa", path, Expected(reader="phonetisaurus")) == []
    assert not {*"}|_;"} & {*path.read_text(encoding="utf-8")}


@settings(max_examples=100, deadline=None)
@given(rows=nasty_rows(), each=st.integers(1, 4))
def test_what_cmudict_accepts_passes_and_reads_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Row], each: int
) -> None:
    arpabet = [row._replace(phones=[sorted(SYMBOLS)[len(phone)] for phone in row.phones or ()]) for row in rows]
    some = kept("cmudict", arpabet)
    path = write("cmudict", some, tmp_path_factory.mktemp("nasty") / "cmudict", each=each)
    assert problems("cmudict", path) == []
    plain = write("cmudict", some, path.with_name("plain"), WriteOptions(reader="pocketsphinx"), each)
    assert problems("cmudict", plain, Expected(reader="pocketsphinx")) == []
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


@pytest.mark.parametrize("name", [*PHONE_LINE_FORMATS, "charsiu"])
@pytest.mark.parametrize("lang", sorted({row.lang for row in golden()}))
def test_the_golden_words_pass(tmp_path: Path, name: str, lang: str) -> None:
    rows = kept(name, golden(lang), WriteOptions(space_in_word="_"))
    assert name == "sherpa" or len(rows) > 0.8 * len(golden(lang))
    path = write(name, rows, tmp_path / "lexicon", WriteOptions(space_in_word="_"))
    assert problems(name, path) == []
    assert {word for word, _, _ in entries(name, path)} <= {row.word.replace(" ", "_") for row in rows} | {
        row.word for row in rows
    }
