"""Small trainings: toy lexicons, tiny shapes, and a watcher that keeps what it hears."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from click.testing import CliRunner, Result

from g2p_batch import cli
from g2p_compile.train.data import Examples
from g2p_compile.train.preparation import Files, Prepared, prepare
from g2p_compile.train.recipe import Recipe

# The tensors are tiny and the cores shared: waking a second thread costs more than it brings.
torch.set_num_threads(1)

TINY = "d_model=64,d_ff=64,heads=2,d_kv=32,encoder_layers=1,decoder_layers=1"
LETTERS = "abcdefghiklm"
MAPPINGS = {"eng-us": "ɑbtdefgɪklmn", "ger": "pfʁŋçxøyœɐɛh"}
"""Phones of the letters, in two languages that agree in none."""


def lexicon(path: Path, rows: Sequence[tuple[str, str, str]]) -> str:
    path.write_text("".join(f"{a}\t{b}\t{c}\n" for a, b, c in (("lang", "word", "pron"), *rows)), encoding="utf-8")
    return str(path)


def toy(path: Path) -> str:
    """Write words of one letter, each pronounced as the phone of the letter and a schwa."""
    rows = [
        (tag, word, f"{phone}ə")
        for tag, phones in MAPPINGS.items()
        for word, phone in zip(LETTERS, phones, strict=True)
    ]
    return lexicon(path, rows)


def prepared(path: str, recipe: Recipe | None = None, **files: Any) -> Prepared:
    return prepare(recipe or Recipe(shape=TINY), Files((path,), **files))


def texts(examples: Examples) -> list[tuple[str, str, str]]:
    """Return prefix, word and pronunciation of each example."""

    def cut(texts: Any) -> list[str]:
        return [bytes(texts.data[a:b]).decode() for a, b in zip(texts.offsets[:-1], texts.offsets[1:], strict=True)]

    prefixes = cut(examples.prefixes)
    langs = [prefixes[lang] for lang in examples.lang]
    return list(zip(langs, cut(examples.words), cut(examples.prons), strict=True))


def run(*arguments: str | Path) -> Result:
    """Run `g2p-batch train`."""
    return CliRunner().invoke(cli.main, ["train", *map(str, arguments)])


def quick(data: str, folder: Path, *options: str | Path) -> Result:
    """Train a tiny model for 20 steps."""
    fixed = ("--shape", TINY, "--steps", "20", "--batch-tokens", "256", "--warmup", "2", "--dropout", "0.1")
    return run(data, "-o", folder, *fixed, "--log-steps", "5", "--save-steps", "7", *options)


class Listener:
    """Watches a training and keeps the records of its log."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def start(self, step: int, steps: int) -> None:
        self.left = steps - step

    def advance(self, loss: float) -> None:
        self.left -= 1

    def tell(self, line: str) -> None:
        self.lines.append(json.loads(line))
