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
    assert run("export", "someone/model", "-o", "out", "--prefix", "none", "--name", "mine") == Ran(
        0, "", "Exported fake to out: prefix `<TAG>:`, 4 languages\n"
    )
    assert asked == ["someone/model", None, "none", tuple(LANGUAGES), Path("out"), "mine"]
