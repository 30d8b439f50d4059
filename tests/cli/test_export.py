"""`export`."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from g2p_batch.languages import LANGUAGES
from g2p_batch.model import compiler
from tests.cli.commandline import Ran, run
from tests.helpers.fake_model import CONTRACT


def test_export_hands_on_prefix_and_name(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def made(*arguments: Any) -> Any:
        asked.extend(arguments)
        return replace(CONTRACT, prefix="none")

    monkeypatch.setattr(compiler, "require_exporter", lambda model: None)
    monkeypatch.setattr(compiler, "export", made)
    Path("it.json").write_text('{"fra": {"é": 1}}', encoding="utf-8")
    assert run(
        "export", "someone/model", "-o", "out", "--prefix", "none", "--name", "mine", "--alphabet", "it.json"
    ) == Ran(0, "", "Exported fake to out: prefix `<TAG>:`, 4 languages\n")
    assert asked == ["someone/model", None, "none", tuple(LANGUAGES), {"fra": {"é": 1}}, None, Path("out"), "mine"]


def test_an_alphabet_may_be_counted_from_the_training_words(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(compiler, "require_exporter", lambda model: None)
    monkeypatch.setattr(compiler, "export", lambda *arguments: asked.extend(arguments) or CONTRACT)
    Path("train.tsv").write_text("word\tlang\tpron\né\tfr\te\ne\u0301\tfra\te\n\tfra\ta\n", encoding="utf-8")
    assert run("export", "someone/model", "-o", "out", "--alphabet", "train.tsv").exit_code == 0
    assert asked[4] == {"fra": {"é": 1}}
