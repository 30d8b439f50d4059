"""NLTK's reader of CMUdict, whose lines have the number of a variant between word and phones."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from g2p_batch.formats.cmudict import SYMBOLS
from tests.helpers.awkward import awkward, held, said
from tests.helpers.lexicons import lexeme, write

nltk: Any = pytest.importorskip("nltk", reason="needs nltk, of the extra `clients`")
pytestmark = pytest.mark.clients

DOCS = (Path(__file__).parents[2] / "docs/formats.md").read_text(encoding="utf-8")


def read(folder: Path, name: str) -> list[tuple[str, list[str]]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nltk.data, "path", [str(folder)])  # it reads nothing elsewhere
        return list(nltk.corpus.reader.CMUDictCorpusReader(str(folder), [name], encoding="utf-8").entries())


def as_documented(folder: Path) -> None:
    """Make `cmudict` from `words.dict` with the command that the documentation gives."""
    command = re.search("^awk .*?> cmudict$", DOCS, re.MULTILINE | re.DOTALL)
    assert command
    subprocess.run(["sh", "-c", command[0]], cwd=folder, check=True)


def test_the_documented_command_makes_what_it_reads(tmp_path: Path) -> None:
    rows = held("cmudict", awkward("eng-us", tuple(sorted(SYMBOLS)))) + lexeme("read", "R IY1 D", "R EH1 D")
    write("cmudict", rows, tmp_path / "words.dict")
    as_documented(tmp_path)
    assert read(tmp_path, "cmudict") == [(word.lower(), phones) for word, phones in said(rows)]


def test_without_it_the_first_phone_is_lost(tmp_path: Path) -> None:
    write("cmudict", lexeme("read", "R IY1 D", "R EH1 D"), tmp_path / "words.dict")
    assert read(tmp_path, "words.dict") == [("read", ["IY1", "D"]), ("read(2)", ["EH1", "D"])]
