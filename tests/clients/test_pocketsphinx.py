"""PocketSphinx: a decoder with our dictionary and its own model of English."""

from pathlib import Path
from typing import Any

import pytest

from g2p_batch.formats.cmudict import SYMBOLS
from g2p_batch.formats.lexicon import WriteOptions
from tests.helpers.awkward import awkward, held, refused, said
from tests.helpers.lexicons import Row, lexeme, write

pocketsphinx: Any = pytest.importorskip("pocketsphinx", reason="needs pocketsphinx, of the extra `clients`")
pytestmark = pytest.mark.clients

PHONES = tuple(sorted(symbol for symbol in SYMBOLS if symbol.isalpha()))
FOR_IT = WriteOptions(reader="pocketsphinx")
HARD = awkward("eng-us", PHONES)


def looked_up(dictionary: Path, words: list[str]) -> list[tuple[str, list[str]]]:
    """Return what a decoder with a dictionary has for words; nothing where it has none."""
    model = pocketsphinx.get_model_path("en-us/en-us")
    decoder = pocketsphinx.Decoder(hmm=model, dict=str(dictionary), lm=None, loglevel="FATAL")
    return [(word, (decoder.lookup_word(word) or "").split()) for word in words]


def test_it_has_every_word_that_the_format_holds_with_its_phones(tmp_path: Path) -> None:
    rows = held("cmudict", HARD, FOR_IT)
    assert {"don't", "'tis", '"', "=x", "C++", "AT&T", "()", "(s)he", "[NOISE]", "TRUE"} <= {row.word for row in rows}
    path = write("cmudict", rows, tmp_path / "words.dict", FOR_IT)
    assert looked_up(path, [row.word for row in rows]) == said(rows)


def test_its_model_has_every_phone_without_stress_and_none_with(tmp_path: Path) -> None:
    rows = [row for phone in sorted(SYMBOLS) for row in lexeme(f"w{phone.lower()}", f"{phone} T")]
    plain = write("cmudict", rows, tmp_path / "plain.dict")
    assert {word for word, phones in looked_up(plain, [row.word for row in rows]) if phones} == {
        f"w{phone.lower()}" for phone in PHONES
    }
    stressless = write("cmudict", rows, tmp_path / "stressless.dict", FOR_IT)
    found = looked_up(stressless, [row.word for row in rows])
    assert found == [(word, [phones[0].rstrip("012"), "T"]) for word, phones in said(rows)]


def test_variants_are_those_of_their_word(tmp_path: Path) -> None:
    rows = lexeme("read", "R IY1 D", "R EH1 D") + lexeme("reader", "R IY1 D ER0")
    path = write("cmudict", rows, tmp_path / "words.dict", FOR_IT)
    assert looked_up(path, ["read", "read(2)", "read(3)", "reader"]) == [
        ("read", ["R", "IY", "D"]),
        ("read(2)", ["R", "EH", "D"]),
        ("read(3)", []),
        ("reader", ["R", "IY", "D", "ER"]),
    ]


@pytest.mark.parametrize("reason", ["variant_mark", "comment_mark"])
def test_it_drops_what_is_refused_for_this(tmp_path: Path, reason: str) -> None:
    rows = [row for row in refused("cmudict", reason, HARD) if not by_itself(row)]
    assert rows
    path = write("cmudict", rows + lexeme("zoo", "Z UW"), tmp_path / "words.dict")
    assert looked_up(path, [row.word for row in rows]) == [(row.word, []) for row in rows]
    assert looked_up(path, ["zoo"]) == [("zoo", ["Z", "UW"])]


def by_itself(row: Row) -> bool:
    """Tell a `#` that PocketSphinx takes and other readers of CMUdict do not."""
    return row.word.startswith("#") and not row.word.startswith("##")


def test_it_does_not_start_with_a_word_of_its_own(tmp_path: Path) -> None:
    rows = refused("cmudict", "reserved_word", HARD)
    assert [row.word for row in rows] == ["<s>", "</s>", "<sil>"]
    for row in rows:
        with pytest.raises(RuntimeError, match="Failed to initialize"):
            looked_up(write("cmudict", [row], tmp_path / "words.dict"), [])
