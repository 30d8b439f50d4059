"""The comparison of all ways to run, on a small list and an engine that repeats words."""

import importlib.util
from math import gcd
from pathlib import Path

import pytest

from tests.helpers import slurm_lab
from tests.lab.same_lexicon import KINDS, SCATTER, WAYS, make_list, prepared, table

WORDS = 4000

pytestmark = [
    pytest.mark.ray,
    pytest.mark.slurm,
    pytest.mark.s3,
    pytest.mark.skipif(slurm_lab.missing() is not None, reason=slurm_lab.missing() or ""),
    *(
        pytest.mark.skipif(importlib.util.find_spec(part) is None, reason=f"needs {part}")
        for part in ("ray", "moto", "obstore")
    ),
]


def test_all_ways_to_run_make_one_lexicon_whatever_disturbs_them(tmp_path: Path) -> None:
    make_list(tmp_path / "words.tsv", WORDS)
    task = prepared(tmp_path, None, ("--shard-words", "100"), 0.3)
    found = {way: run(task, way) for way, run in WAYS.items()}
    assert {made.sha256 for made in found.values()} == {found["local"].sha256}, table(found)
    lines = found["local"].lexicon.decode().splitlines()
    assert len(lines) == WORDS + 1
    assert lines[1].split("\t")[0] == lines[1].split("\t")[2], "the engine repeats words"
    assert min(made.core_seconds for made in found.values()) > 0.5, "the programs have been watched"
    assert found["ray"].meanwhile == "2 actors killed"
    assert found["slurm"].meanwhile.startswith("task 0 of 4 requeued; cancelled; 7 tasks did ")


def test_no_two_words_of_a_made_up_list_are_alike(tmp_path: Path) -> None:
    make_list(tmp_path / "words.tsv", 50_000)
    lines = (tmp_path / "words.tsv").read_text(encoding="utf-8").splitlines()[1:]
    assert len(set(lines)) == 50_000
    assert gcd(SCATTER, KINDS) == 1
    assert {len(line.split("\t")[0]) for line in lines} == {6, 8, 10, 12}
