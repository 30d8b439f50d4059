"""`--engine`: who decodes."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

from g2p_batch.workers import ray_workers
from g2p_batch.workers.processes import LocalProcesses
from g2p_batch.workers.ray_workers import RayActors
from tests.cli.commandline import LEXICON, Ran, generate, run, words
from tests.helpers.fake_model import Opened


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str | None, int | None]]:
    """What is asked of a Ray that is never started: its workers are processes, and it prints like Ray."""
    ray = pytest.importorskip("ray")
    asked: list[tuple[str | None, int | None]] = []
    processes = LocalProcesses.on_cores(3)

    def start(_ray: Any, address: str | None, workers: int | None) -> None:
        asked.append((address, workers))
        sys.stdout.write("Ray has something to say\n")

    monkeypatch.setattr(ray_workers, "_start", start)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 1.0})
    for name in ("start_worker", "messages"):
        method = getattr(processes, name)
        monkeypatch.setattr(RayActors, name, lambda _self, *arguments, method=method: method(*arguments))
    return asked


def test_generate_and_run_decode_where_the_engine_says(
    opened: list[Opened], asked: list[tuple[str | None, int | None]]
) -> None:
    ran = generate(words(), "--lang", "eng-us", "--engine", "ray", "--ray-address", "head:6379", "--workers", "3")
    assert (ran.exit_code, ran.stdout) == (0, "")
    assert "Ray has something to say" in ran.stderr
    assert Path("lexicon.tsv").read_text(encoding="utf-8") == LEXICON
    assert run("plan", words(), "--lang", "eng-us", "--model", "model", "--run-dir", "big.run").exit_code == 0
    assert run("run", "big.run", "--engine", "ray").exit_code == 0
    assert asked == [("head:6379", 3), (None, None)]
    assert run("merge", "big.run", "-o", "again.tsv").exit_code == 0
    assert Path("again.tsv").read_text(encoding="utf-8") == LEXICON


def test_ray_that_is_not_installed_is_named_before_any_work(
    opened: list[Opened], monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "ray" else find(name))
    message = "Error: --engine ray needs Ray: `pip install 'g2p-batch[ray]'`, on all nodes of a cluster\n"
    assert generate(words(), "--lang", "eng-us", "--engine", "ray") == Ran(1, "", message)
    assert not Path("lexicon.tsv.run").exists()
