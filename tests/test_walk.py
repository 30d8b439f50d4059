"""ARCHITECTURE.md lists the modules that a word meets on its way into a lexicon: a run is followed, and compared."""

import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from g2p_batch.workers.processes import LocalProcesses
from g2p_batch.workers.shard import RunContext
from g2p_batch.workers.worker import Message, ShardRunner
from tests.cli.commandline import run

TOOLS = (
    *("cli.", "storage", "formats.", "phones.", "languages", "counts", "signals", "model.contract", "model.shipped"),
    "words.spelling.characters",
)
"""Parts and modules that are met on the way more than once, or for one format only."""

ROOT = Path(__file__).parents[1]


def listed() -> list[str]:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").split("\n## The way of a word\n")[1].split("\n## ")[0]
    return [row.split("`")[1] for row in text.splitlines() if row.startswith("| `")]


class _Worker:
    """Runs shards in this process, where they can be followed."""

    def __init__(self, context: RunContext) -> None:
        self.said: deque[Message] = deque()
        self._runner = ShardRunner(context, self.said.append)

    def run(self, shard: int) -> None:
        self._runner.run(shard)

    def kill(self) -> None:
        """Leave it: it is this process."""


def said(_backend: LocalProcesses, workers: Sequence[_Worker], _seconds: float) -> Iterator[tuple[_Worker, Message]]:
    for worker in workers:
        while worker.said:
            yield worker, worker.said.popleft()


class Follower:
    """Lists modules of the package by their first call, from `driver.generate` on."""

    def __init__(self) -> None:
        self.modules: list[str] = []
        self._began = False

    def __call__(self, frame: FrameType, event: str, _argument: Any) -> None:
        module, function = str(frame.f_globals.get("__name__", "")), frame.f_code.co_name
        self._began |= (module, function) == ("g2p_batch.driver", "generate")
        if event == "call" and self._began and module.startswith("g2p_batch.") and not function.startswith("__"):
            name = module.removeprefix("g2p_batch.")
            if name not in self.modules:
                self.modules.append(name)


@pytest.fixture
def followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the modules that a run of the bundled model meets, in their order."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(LocalProcesses, "start_worker", lambda _backend, context: _Worker(context))
    monkeypatch.setattr(LocalProcesses, "messages", said)
    Path("words.tsv").write_text("word\tlang\nhello\teng-us\n“bonjour!”\tfra\nx\tfra\n\tfra\n", encoding="utf-8")
    Path("old.dict").write_text("x\tks\n", encoding="utf-8")
    command = ("generate", "words.tsv", "--lexicon", "fra=old.dict", "--phones", "ipa", "--workers", "1", "-o")
    assert run(*command, "once.tsv").exit_code == 0  # modules are loaded, the model is compiled
    follower = Follower()
    threading.setprofile(follower)
    sys.setprofile(follower)
    try:
        ran = run(*command, "again.tsv")
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    assert ran.exit_code == 0, ran.stderr
    return follower.modules


def test_a_word_meets_the_modules_that_the_architecture_lists_in_this_order(followed: list[str]) -> None:
    steps = listed()
    assert len(steps) == len(set(steps))
    assert steps[:2] == ["cli.generate", "cli.run_options"]
    assert [module for module in followed if module in steps[2:]] == steps[2:]
    assert [module for module in followed if module not in steps and not module.startswith(TOOLS)] == []
