"""Phonetisaurus: a model trained from our dictionary, and the alignment that it was trained on."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from g2p_batch.formats.lexicon import WriteOptions
from tests.helpers.awkward import LANGUAGES, held, real, refused, said
from tests.helpers.lexicons import lexeme, write

phonetisaurus: Any = pytest.importorskip("phonetisaurus", reason="needs phonetisaurus, of the extra `clients`")
pytestmark = pytest.mark.clients

FOR_IT = WriteOptions(reader="phonetisaurus")


def train(dictionary: Path, folder: Path) -> "subprocess.CompletedProcess[str]":
    folder.mkdir()
    command = ["phonetisaurus-train", "--lexicon", str(dictionary), "--seq2_del", "--ngram_order", "3"]
    environment = phonetisaurus.guess_environment()
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def aligned(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield the words and phones of an alignment, whose pairs are as `a|b}p|t`, with `_` for nothing."""
    for line in (folder / "train/model.corpus").read_text(encoding="utf-8").splitlines():
        letters, phones = zip(*(pair.split("}") for pair in line.split(" ")), strict=True)
        yield (
            "".join("".join(letter.split("|")) for letter in letters),
            [phone for some in phones for phone in some.split("|") if phone != "_"],
        )


@pytest.mark.parametrize("lang", LANGUAGES)
def test_it_trains_on_every_word_with_its_phones(tmp_path: Path, lang: str) -> None:
    rows = [row for row in held("mfa", real(lang), FOR_IT) if len(row.phones or ()) <= 2 * len(row.word)]
    assert len(rows) > 60
    done = train(write("mfa", rows, tmp_path / "words.dict", FOR_IT), tmp_path / "model")
    assert done.returncode == 0, done.stderr[-2000:]
    assert list(aligned(tmp_path / "model")) == said(rows)


@pytest.mark.parametrize("word", ["a|b", "a}b", "a_b"])
def test_it_stops_at_a_lexicon_with_a_word_that_is_refused_for_it(tmp_path: Path, word: str) -> None:
    rows = held("mfa", real("eng-us"), FOR_IT) + lexeme(word, "a b")
    assert [row.word for row in refused("mfa", "separator", rows, FOR_IT)] == [word]
    done = train(write("mfa", rows, tmp_path / "words.dict"), tmp_path / "model")
    assert done.returncode == 1
    assert f"Bad line contains reservered character:\n\t{word}" in done.stderr


def test_its_package_reads_every_word_that_is_held_for_it_as_it_was_written(tmp_path: Path) -> None:
    rows = held("mfa", real("eng-us"), FOR_IT)
    path = write("mfa", rows, tmp_path / "words.dict", FOR_IT)
    with path.open(encoding="utf-8") as file:
        assert list(phonetisaurus.load_lexicon(file).items()) == [(word, [phones]) for word, phones in said(rows)]
    both = write("mfa", lexeme("x", "a") + lexeme("x(2)", "b"), tmp_path / "both.dict")
    with both.open(encoding="utf-8") as file:
        assert dict(phonetisaurus.load_lexicon(file)) == {"x": [["a"], ["b"]]}
