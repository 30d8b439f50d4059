"""Sequitur G2P: what it would train on."""

from pathlib import Path
from typing import Any

import pytest

from tests.helpers.awkward import LANGUAGES, held, real, said
from tests.helpers.lexicons import lexeme, write

sequitur: Any = pytest.importorskip("g2p", reason="needs sequitur-g2p, of the extra `clients`")
pytestmark = pytest.mark.clients


def sample(path: Path) -> list[tuple[str, list[str]]]:
    return [("".join(letters), [*phones]) for letters, phones in sequitur.loadPlainSample(str(path), "utf-8")]


@pytest.mark.parametrize("name", ["mfa", "kaldi", "icefall"])
@pytest.mark.parametrize("lang", LANGUAGES)
def test_it_has_every_word_that_the_format_holds_with_its_phones(tmp_path: Path, name: str, lang: str) -> None:
    rows = held(name, real(lang))
    assert len(rows) > 80
    assert sample(write(name, rows, tmp_path / "lexicon")) == said(rows)


def test_variants_are_samples_of_their_own(tmp_path: Path) -> None:
    rows = lexeme("read", "ɹ iː d", "ɹ ɛ d")
    assert sample(write("mfa", rows, tmp_path / "lexicon")) == said(rows)
