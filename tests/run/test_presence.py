"""Commands at work on one run directory: they share it, and whoever takes its data away goes alone."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from g2p_batch.driver import plan_run
from g2p_batch.errors import BusyError
from g2p_batch.model.contract import save_json
from g2p_batch.run import presence
from g2p_batch.run.leftovers import collect_leftovers
from g2p_batch.run.plan import planned
from g2p_batch.run.presence import alone, at_work, is_attended
from g2p_batch.run.run_directory import Plan, RunDir
from g2p_batch.signals import Stop
from g2p_batch.storage import owner
from g2p_batch.storage.locations import Location, located
from tests.helpers.fake_model import CONTRACT
from tests.helpers.runs import LEXICON, job_in

ROOT = Path(__file__).parents[2]
ATTENDING = """
import sys
from contextlib import nullcontext
from g2p_batch.errors import BusyError
from g2p_batch.run.presence import alone, at_work
from g2p_batch.run.run_directory import RunDir
from g2p_batch.storage.locations import located

run, deed = RunDir(located(sys.argv[1])), sys.argv[2]
try:
    with at_work(run), alone(run, deed) if deed else nullcontext():
        print("here", flush=True)
        sys.stdin.readline()
except BusyError as error:
    print(error, flush=True)
"""


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.s3)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Location:
    return tmp_path / "run" if request.param == "folder" else located(request.getfixturevalue("s3_bucket")) / "run"


class Other:
    """Another process at a run directory."""

    def __init__(self, place: Location, deed: str = "") -> None:
        command = [sys.executable, "-c", ATTENDING, str(place), deed]
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.who = f"process {self.process.pid} of {os.uname().nodename}"

    def said(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip()

    def end(self) -> None:
        self.process.communicate("\n")

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "_PATIENCE_S", 0.2)


def names(run: RunDir) -> list[str]:
    return [file.name for file in run.store.list("")]


def test_commands_at_work_share_a_run_and_leave_nothing(place: Location) -> None:
    run, other = RunDir(place), Other(place)
    assert other.said() == "here"
    with at_work(run):
        assert is_attended(run)
        assert len(names(run)) == 2
    other.end()
    assert names(run) == []
    assert not is_attended(run)


def test_what_killed_commands_said_is_removed_by_the_next_that_comes(place: Location) -> None:
    run = RunDir(place)
    for _ in range(2):
        other = Other(place)
        assert other.said() == "here"
        other.kill()
    with at_work(run):
        assert len(names(run)) == 1


@pytest.mark.usefixtures("impatient")
def test_who_goes_alone_is_refused_while_another_is_at_work_and_not_when_that_was_killed(place: Location) -> None:
    run, other = RunDir(place), Other(place)
    assert other.said() == "here"
    with pytest.raises(BusyError) as caught, alone(run, "pruned"):
        raise AssertionError("not alone")
    assert str(caught.value) == (
        f"{place} cannot be pruned: {other.who} is at work on it: stop it, or wait until it has ended (on a machine "
        "that was lost it counts as such after 10 minutes)"
    )
    other.kill()
    with alone(run, "pruned"):
        assert names(run) == ["alone-000001.json"]
    assert names(run) == []


@pytest.mark.usefixtures("impatient")
def test_who_comes_to_work_is_refused_while_another_goes_alone_and_not_when_that_was_killed(place: Location) -> None:
    run, other = RunDir(place), Other(place, "pruned")
    assert other.said() == "here"
    expected = f"{place} is being pruned by {other.who}: run the same command again when it has ended"
    for entered in (at_work(run), alone(run, "discarded")):
        with pytest.raises(BusyError) as caught, entered:
            raise AssertionError("not alone")
        assert str(caught.value) == expected
    assert sorted(name.partition("-")[0] for name in names(run)) == ["alone", "at"], "the other's"
    other.kill()
    with at_work(run), alone(run, "discarded"):
        pass
    assert names(run) == []


def test_of_several_that_want_to_go_alone_at_once_one_does(tmp_path: Path) -> None:
    others = [Other(tmp_path / "run", "discarded") for _ in range(4)]
    said = [other.said() for other in others]
    while "here" not in said:
        said = [text or other.said() for text, other in zip(said, others, strict=True)]
    assert said.count("here") == 1, said
    assert sum("is being discarded by" in text for text in said) == 3, said
    for other in others:
        other.end()
    assert names(RunDir(tmp_path / "run")) == []


def test_a_process_of_another_machine_counts_as_long_as_it_renews_what_it_says(
    place: Location, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, other = RunDir(place), Other(place)
    assert other.said() == "here"
    monkeypatch.setattr(owner, "_machine", lambda: "ffffff")
    assert is_attended(run)
    monkeypatch.setattr(presence, "LOST_S", -1.0)
    with at_work(run):
        assert not is_attended(run), "lost"
    other.end()


def test_what_a_process_says_of_itself_is_renewed(place: Location, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "RENEWAL_S", 0.01)
    run = RunDir(place)
    with at_work(run):
        (name,) = names(run)
        run.store.remove(name)
        until = time.monotonic() + 30
        while not names(run) and time.monotonic() < until:
            time.sleep(0.01)
        assert names(run) == [name]
    assert names(run) == []


def test_words_of_a_planner_that_lives_are_not_collected_by_another(tmp_path: Path) -> None:
    """However old: the plan that will name them is not published yet."""
    job, other = job_in(tmp_path), Other(tmp_path / "run")
    assert other.said() == "here"
    words = tmp_path / "run" / "words" / "000000-ffffffffffff.parquet"
    words.parent.mkdir()
    words.write_bytes(b"planned by the other process")
    os.utime(words, (1, 1))
    planned(job.options, job.run, Stop())
    assert words.exists()
    other.kill()
    assert collect_leftovers(job.run, job.run.plan(), {}) == 1
    assert not words.exists()


COLLECTING = """
import sys
from pathlib import Path
from g2p_batch.run import leftovers
from g2p_batch.run.run_directory import RunDir

leftovers.LEFTOVER_S = -1.0
print(leftovers.collect_leftovers(RunDir(Path(sys.argv[1])), None, {}))
"""


def test_another_process_collects_nothing_between_the_words_of_a_plan_and_the_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, publish, collected = job_in(tmp_path), RunDir.publish_plan, []

    def publish_later(run: RunDir, plan: Plan) -> Plan:
        command = [sys.executable, "-c", COLLECTING, str(run.root)]
        collected.append(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)
        return publish(run, plan)

    monkeypatch.setattr(RunDir, "publish_plan", publish_later)
    plan_run(job.options, lambda _: None)
    assert collected == ["0\n"]
    job()
    assert job.lexicon() == LEXICON


# Whole commands, as their users start them


SHARDS, SHARD_S = 4, 2.5


def driver(folder: Path, *options: str, shard_s: float = 0.0) -> "subprocess.Popen[str]":
    script = "import sys; from tests.helpers.slow_cli import main; main(prog_name='g2p-batch')"
    command = [sys.executable, "-c", script, "generate", str(folder / "words.txt"), "--lang", "fra", *options]
    command += ["-o", str(folder / "lexicon.tsv"), "--model", str(folder / "model"), "--workers", "1"]
    environment = os.environ | {"G2P_TEST_SHARD_S": str(shard_s), "PYTHONPATH": f"{ROOT}:{ROOT / 'compile'}"}
    return subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def lexicon(tmp_path: Path) -> str:
    """Write a model and a list of some shards, and return the list's lexicon."""
    (tmp_path / "model").mkdir()
    save_json(tmp_path / "model" / "contract.json", CONTRACT)
    words = [f"mot{number}" for number in range(512 * SHARDS)]
    (tmp_path / "words.txt").write_text("".join(f"{word}\n" for word in words), encoding="utf-8")
    return "word\tlang\tpron\n" + "".join(f"{word}\tfra\t{word}\n" for word in words)


def receipts_of(folder: Path) -> int:
    done = folder / "lexicon.tsv.run" / "done"
    return len(list(done.iterdir())) if done.is_dir() else 0


def until_begun(folder: Path) -> None:
    until = time.monotonic() + 60
    while not receipts_of(folder) and time.monotonic() < until:
        time.sleep(0.02)
    assert receipts_of(folder)


def test_a_restart_beside_a_living_driver_ends_and_says_so_and_the_other_finishes(tmp_path: Path, lexicon: str) -> None:
    first = driver(tmp_path, shard_s=SHARD_S)
    until_begun(tmp_path)
    second = driver(tmp_path, "--restart")
    said = second.communicate(timeout=60)[1]
    assert (second.returncode, "Traceback" in said) == (1, False)
    assert said == (
        f"Error: {tmp_path}/lexicon.tsv.run cannot be discarded and planned anew: process {first.pid} of "
        f"{os.uname().nodename} is at work on it: stop it, or wait until it has ended (on a machine that was lost it "
        "counts as such after 10 minutes)\n"
    )
    assert first.poll() is None, "the first had ended: nothing was tried"
    said = first.communicate(timeout=120)[1]
    assert first.returncode == 0, said
    assert (tmp_path / "lexicon.tsv").read_text(encoding="utf-8") == lexicon


def test_a_restart_after_a_driver_was_killed_goes_on_at_once(tmp_path: Path, lexicon: str) -> None:
    first = driver(tmp_path, shard_s=SHARD_S)
    until_begun(tmp_path)
    first.send_signal(signal.SIGKILL)
    first.communicate(timeout=60)
    second = driver(tmp_path, "--restart")
    said = second.communicate(timeout=60)[1]
    assert second.returncode == 0, said
    assert (tmp_path / "lexicon.tsv").read_text(encoding="utf-8") == lexicon
    assert not list((tmp_path / "lexicon.tsv.run").glob("at-work-*"))


def test_of_two_restarts_at_once_one_finishes_and_the_other_says_why_it_did_not(tmp_path: Path, lexicon: str) -> None:
    assert driver(tmp_path).wait(timeout=60) == 0
    both = [driver(tmp_path, "--restart", shard_s=SHARD_S) for _ in range(2)]
    said = [process.communicate(timeout=120)[1] for process in both]
    assert sorted(process.returncode for process in both) == [0, 1], said
    refused = next(text for process, text in zip(both, said, strict=True) if process.returncode)
    assert refused.startswith(f"Error: {tmp_path}/lexicon.tsv.run ")
    assert "discarded and planned anew" in refused
    assert (tmp_path / "lexicon.tsv").read_text(encoding="utf-8") == lexicon
