"""The files of configs/cluster/slurm on a real Slurm of one node, with the real command line and a slow fake model."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from g2p_batch.model.contract import save_json
from tests.helpers.command import SLOW, install
from tests.helpers.fake_model import CONTRACT
from tests.helpers.slurm_lab import BATCH_FILES, Lab, lab, left, missing, until

pytestmark = [pytest.mark.slurm, pytest.mark.skipif(missing() is not None, reason=missing() or "")]

WORDS = "word\tlang\n" + "".join(f"{'abcdefghij'[i % 10] * (i % 13 + 1)}{i}\tfra\n" for i in range(512))
SHARDS = 32


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    root = tmp_path_factory.mktemp("slurm")
    program = install(root / "bin", SLOW)
    (root / "model").mkdir()
    save_json(root / "model" / "contract.json", CONTRACT)
    (root / "words.tsv").write_text(WORDS)
    with lab(root, [program.parent]) as made:
        made.environment["G2P_TEST_SHARD_S"] = "0"
        local = ("generate", "words.tsv", "--model", "model", "--shard-words", "16", "-o", "local.tsv", "--scores")
        made.call("g2p-batch", *local)
        yield made
    assert left(root) == [], "the lab left processes"


@pytest.fixture
def here(slurm: Lab, request: pytest.FixtureRequest) -> Path:
    """A planned run of 32 shards, a second each, in a folder of the test's own."""
    folder = slurm.root / request.node.name
    folder.mkdir()
    slurm.environment["G2P_TEST_SHARD_S"] = "1"
    plan = ("plan", "../words.tsv", "--model", "../model", "--shard-words", "16", "--run-dir", "run")
    slurm.call("g2p-batch", *plan, cwd=folder)
    return folder


def receipts(folder: Path) -> dict[str, bytes]:
    done = folder / "run" / "done"
    return {path.name: path.read_bytes() for path in done.glob("*.json")} if done.exists() else {}


def launched(slurm: Lab, folder: Path, tasks: int) -> tuple[str, str]:
    return slurm.launch(folder, tasks, "run", "lexicon.tsv", "--scores")


def logs(folder: Path) -> str:
    return "".join(f"{path.name}: {path.read_text()}\n" for path in sorted(folder.glob("*.log")))


def require_lexicon(slurm: Lab, folder: Path) -> None:
    assert (folder / "lexicon.tsv").exists(), logs(folder)
    assert (folder / "lexicon.tsv").read_bytes() == (slurm.root / "local.tsv").read_bytes()


def test_submit_plans_decodes_with_four_tasks_and_merges(slurm: Lab) -> None:
    folder = slurm.root / "submitted"
    folder.mkdir()
    slurm.environment["G2P_TEST_SHARD_S"] = "0.1"
    arguments = ("../words.tsv", "--model", "../model", "--shard-words", "16")
    said = slurm.call(BATCH_FILES / "submit.sh", "4", "run", "lexicon.tsv", *arguments, cwd=folder)
    _, plan, _, array, _, merge = said.split()
    slurm.wait(merge)
    assert len(receipts(folder)) == SHARDS, logs(folder)
    assert sorted(path.name for path in folder.glob("g2p-run*")) == [f"g2p-run-{array}_{i}.log" for i in range(4)]
    assert (folder / f"g2p-plan-{plan}.log").read_text().startswith("512 rows read: 512 words in 32 shards")
    assert [line.split("\t")[:3] for line in (folder / "lexicon.tsv").read_text().splitlines()] == [
        line.split("\t")[:3] for line in (slurm.root / "local.tsv").read_text().splitlines()
    ]


def test_a_drained_element_alone_goes_back_into_the_queue(slurm: Lab, here: Path) -> None:
    array, merge = launched(slurm, here, 4)
    until(lambda: len(receipts(here)) >= 4, 60, logs(here))
    slurm.signal(f"{array}_0", "USR1")
    log = here / f"g2p-run-{array}_0.log"
    until(lambda: "Drained by SIGUSR1" in log.read_text(), 30, logs(here))
    done = len([name for name in receipts(here) if int(name[:6]) % 4 == 0])
    assert 0 < done < SHARDS // 4
    until(lambda: slurm.facts(f"{array}_0")["Restarts"] == "1", 30, "the element is not requeued")
    assert f"Drained by SIGUSR1: Slurm job {array}_0 goes back into the queue\n" in log.read_text()
    assert "Error" not in log.read_text().replace("error: *** JOB", "")
    slurm.wait(merge)
    assert [slurm.facts(f"{array}_{i}")["Restarts"] for i in range(4)] == ["1", "0", "0", "0"]
    require_lexicon(slurm, here)


def test_a_launch_with_another_number_of_tasks_does_the_rest(slurm: Lab, here: Path) -> None:
    array, merge = launched(slurm, here, 4)
    until(lambda: len(receipts(here)) >= 8, 60, logs(here))
    slurm.call("scancel", array)
    slurm.wait(merge)
    kept = receipts(here)
    assert 0 < len(kept) < SHARDS
    assert not (here / "lexicon.tsv").exists()
    refusal = (here / f"g2p-merge-{merge}.log").read_text()
    assert f"Error: {SHARDS - len(kept)} shards of run missing (" in refusal
    _, merge = launched(slurm, here, 7)
    slurm.wait(merge)
    now = receipts(here)
    assert len(now) == SHARDS
    assert {name: now[name] for name in kept} == kept, "what was done is not done again"
    require_lexicon(slurm, here)


def test_a_preempted_array_drains_makes_way_and_ends_its_work(slurm: Lab, here: Path) -> None:
    _, merge = launched(slurm, here, 4)
    until(lambda: len(receipts(here)) >= 4, 60, logs(here))
    urgent = slurm.call(
        *("sbatch", "--parsable", "--partition=high", "--exclusive", "--output=urgent.out"),
        *("--wrap", "squeue -h -r -t RUNNING -o %i"),
        cwd=here,
    )
    slurm.wait(urgent)
    assert (here / "urgent.out").read_text().split() == [urgent], "the urgent job has the node for itself"
    assert logs(here).count("Drained by SIGUSR1") == 4, logs(here)
    slurm.wait(merge)
    require_lexicon(slurm, here)


def test_a_night_submits_the_next_one_and_decodes(slurm: Lab) -> None:
    folder = slurm.root / "nights"
    folder.mkdir()
    slurm.environment["G2P_TEST_SHARD_S"] = "0"
    arguments = ("../words.tsv", "nights", "--model", "../model")
    first = slurm.call("sbatch", "--parsable", BATCH_FILES / "nightly.sbatch", *arguments, cwd=folder)
    slurm.wait(first)
    (lexicon,) = folder.glob("nights/*/lexicon.parquet")
    assert pq.read_metadata(lexicon).num_rows == 512
    (following,) = slurm.call("squeue", "-h", "--name=g2p-nightly", "-o", "%i %T %S").splitlines()
    number, state, start = following.split()
    assert (state, start[11:]) == ("PENDING", "02:30:00")
    slurm.call("scancel", number)
