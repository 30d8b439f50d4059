"""Looking words up in a model's exceptions."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from g2p_batch.words.dictionary import EXCEPTION, Dictionary
from g2p_batch.words.filter import WORDS
from g2p_batch.words.spelling import SEPARATOR

ROWS = [
    ("eng-us", "the", "ðə"),
    ("eng-us", "the", "ði"),
    ("eng-us", "polish", "ˈpɑlɪʃ"),
    ("eng-us", "Polish", "ˈpoʊlɪʃ"),
    ("eng-us", "york", "ˈjɔɹk"),
    ("ita", "the", "tɛ"),
]


@pytest.fixture
def dictionary(tmp_path: Path) -> Dictionary:
    pq.write_table(
        pa.Table.from_pylist([dict(zip(EXCEPTION.names, row, strict=True)) for row in ROWS], EXCEPTION), tmp_path / "e"
    )
    return Dictionary(tmp_path / "e")


def words(*rows: tuple[str, str, str | None]) -> pa.Table:
    columns = {"word": [r[0] for r in rows], "lang": [r[1] for r in rows], "asked": [r[2] for r in rows]}
    filled = {
        name: columns.get(name, [0] * len(rows) if pa.types.is_integer(WORDS.field(name).type) else [None] * len(rows))
        for name in WORDS.names
    }
    return pa.table(filled, schema=WORDS)


def said(dictionary: Dictionary, table: pa.Table) -> list[tuple[str, str, int]]:
    found = dictionary.find(table)
    word = table["word"].take(pa.array(found.word)).to_pylist()
    assert found.held.tolist() == [n in found.word for n in range(len(table))]
    return list(zip(word, found.pron.to_pylist(), found.rank.to_pylist(), strict=True))


def test_a_word_is_found_as_written_or_else_as_it_is_asked_with_all_variants(dictionary: Dictionary) -> None:
    table = words(
        ("The", "eng-us", "the"),
        ("dog", "eng-us", None),
        ("the", "ita", None),
        ("Polish", "eng-us", "polish"),
        ("POLISH", "eng-us", "polish"),
        ("the", "eng-us", None),
        ("New York", "eng-us", f"new{SEPARATOR}york"),
        ("the", "dut", None),
    )
    assert said(dictionary, table) == [
        ("The", "ðə", 1),
        ("The", "ði", 2),
        ("the", "tɛ", 1),
        ("Polish", "ˈpoʊlɪʃ", 1),
        ("POLISH", "ˈpɑlɪʃ", 1),
        ("the", "ðə", 1),
        ("the", "ði", 2),
    ]


def test_nothing_is_found_of_nothing(dictionary: Dictionary) -> None:
    assert said(dictionary, words()) == []
    assert said(dictionary, WORDS.empty_table()) == []
    assert said(dictionary, words(("a", "dut", None))) == []
