"""configs/cluster/nightly.sh, night after night, with the real command line on a fake model."""

import os
import subprocess
from pathlib import Path

import pytest

from g2p_batch.model.contract import save_json
from g2p_batch.run.run_directory import RunDir
from tests.helpers.command import ROOT, SLOW, install
from tests.helpers.fake_model import CONTRACT

SCRIPT = ROOT / "configs" / "cluster" / "nightly.sh"
WORDS = [f"{'abcdefg'[i % 7] * (i % 9 + 1)}{i}\tfra\n" for i in range(90)]


def program(folder: Path, name: str, body: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{body}\n")
    (folder / name).chmod(0o755)


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with the model, and with programs that stand for the command line and the calendar."""
    (tmp_path / "model").mkdir()
    save_json(tmp_path / "model" / "contract.json", CONTRACT)
    install(tmp_path / "bin", SLOW)
    return tmp_path


def night(here: Path, date: str, *options: str) -> "subprocess.CompletedProcess[str]":
    program(here / "bin", "date", f"echo {date}")
    path = f"{here / 'bin'}{os.pathsep}{os.environ['PATH']}"
    command = [str(SCRIPT), "words.tsv", "nights", "--model", "model", *options]
    environment = os.environ | {"PATH": path, "G2P_TEST_SHARD_S": "0"}
    return subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True, check=False)


def asked(here: Path, date: str) -> int:
    """Return how many words the model was asked in a night."""
    run = RunDir(here / "nights" / date / "run")
    return sum(receipt.words for receipt in run.receipts(run.require_plan()).values())


def test_every_night_asks_the_new_words_alone_and_writes_the_lexicon_of_all(here: Path) -> None:
    for date, words, new in (("2026-02-27", 40, 40), ("2026-02-28", 70, 30), ("2026-03-01", 90, 20)):
        (here / "words.tsv").write_text("word\tlang\n" + "".join(WORDS[:words]), encoding="utf-8")
        done = night(here, date)
        assert done.returncode == 0, done.stderr
        assert asked(here, date) == new
    again = night(here, "2026-03-01")
    assert "lexicon.parquet is complete already" in again.stderr
    generated = subprocess.run(
        [*(str(here / "bin" / "g2p-batch"), "generate", "words.tsv", "--model", "model", "-o", "once.parquet")],
        cwd=here,
        env=os.environ | {"G2P_TEST_SHARD_S": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert generated.returncode == 0, generated.stderr
    assert (here / "nights/2026-03-01/lexicon.parquet").read_bytes() == (here / "once.parquet").read_bytes()


def test_a_night_goes_on_with_the_list_that_it_began_with(here: Path) -> None:
    (here / "words.tsv").write_text("word\tlang\n" + "".join(WORDS[:40]), encoding="utf-8")
    refused = night(here, "2026-02-27", "--workers", "0")
    assert refused.returncode == 2, "the list is copied, nothing is planned"
    (here / "words.tsv").write_text("word\tlang\n" + "".join(WORDS[:50]), encoding="utf-8")
    assert night(here, "2026-02-27").returncode == 0
    assert asked(here, "2026-02-27") == 40


def test_without_words_and_folder_its_use_is_told(here: Path) -> None:
    done = subprocess.run([str(SCRIPT), "words.tsv"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.split(":")[0]) == (2, "usage")
