"""Whatever dies, fails or interferes: no word is lost or doubled, and the lexicon is that of an undisturbed run."""

import errno
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from g2p_batch.driver import run_plan
from g2p_batch.errors import OutputError
from g2p_batch.run import leftovers
from g2p_batch.run.plan import planned
from g2p_batch.run.run_directory import RunDir
from g2p_batch.run.status import status_of
from g2p_batch.signals import Stop
from g2p_batch.storage import publish
from g2p_batch.storage.drafts import DRAFT
from g2p_batch.workers.remaining import ArrayTask
from tests.helpers.runs import LEXICON, MANY, Job, attempt, fake_decoding, job_in, no_model

ROOT = Path(__file__).parents[2]


class Killed(BaseException):
    """Stands for the end of the process: nothing that comes after it in a `finally` happens either."""


class Faults:
    """Lets one of the calls by which files are published fail, or the process end before it."""

    def __init__(self, at: int, fault: int | None) -> None:
        """Count calls from 0; `fault` is an error number, or None for the end of the process."""
        self._at, self._fault = at, fault
        self.calls = 0
        self._dead = False

    def _meet(self) -> None:
        if self._dead:
            raise Killed
        self.calls += 1
        if self.calls - 1 == self._at:
            if self._fault is None:
                self._dead = True
                raise Killed
            raise OSError(self._fault, os.strerror(self._fault))

    def wrap(self, function: Any) -> Any:
        def called(*arguments: Any, **options: Any) -> Any:
            self._meet()
            return function(*arguments, **options)

        return called


class _Os:
    """The module os as `publish` sees it, with faults in what writes."""

    def __init__(self, faults: Faults) -> None:
        self.fsync, self.link = faults.wrap(os.fsync), faults.wrap(os.link)

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)


@contextmanager
def failing(faults: Faults) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(publish, "os", _Os(faults))
        for name in ("unlink", "replace", "open"):
            patch.setattr(Path, name, _on_drafts(getattr(Path, name), faults))
        yield


def _on_drafts(method: Any, faults: Faults) -> Any:
    """Let a method of paths meet the faults where it is called for an unfinished file."""
    faulty = faults.wrap(method)

    def called(path: Path, *arguments: Any, **options: Any) -> Any:
        return (faulty if path.name.startswith(DRAFT) else method)(path, *arguments, **options)

    return called


def interrupted(job: Job, faults: Faults) -> bool:
    """Attempt a job with faults; tell whether one ended it, and check what it left."""
    before = job.output.path.read_bytes() if job.output.path.exists() else None
    try:
        with failing(faults):
            attempt(job)
    except (Killed, OutputError):
        ended = True
    else:
        ended = False
    plan = job.run.plan()
    if plan is not None:
        for receipt in job.run.receipts(plan).values():
            assert job.run.whole(receipt.part) is not None
    if ended and job.output.path.exists():
        assert job.output.path.read_bytes() in (before, LEXICON.encode())
    return ended


KINDS = {"killed": None, "full disk": errno.ENOSPC}


@pytest.mark.parametrize("kind", KINDS)
def test_every_point_of_publishing_may_be_the_last(tmp_path: Path, kind: str) -> None:
    at, ended = 0, True
    while ended:
        folder = tmp_path / str(at)
        folder.mkdir()
        job = job_in(folder)
        ended = interrupted(job, Faults(at, KINDS[kind]))
        attempt(job)
        assert job.lexicon() == LEXICON, at
        at += 1
    assert at > 60, "the faults met too few calls to be of use"


SCRIPTS = st.lists(
    st.tuples(st.integers(0, 130), st.sampled_from([None, errno.EIO, errno.ENOSPC])), min_size=1, max_size=5
)


@settings(max_examples=40, deadline=None)
@given(SCRIPTS)
def test_any_series_of_faults_leaves_a_run_that_can_be_finished(script: list[tuple[int, int | None]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        job = job_in(Path(folder))
        for at, fault in script:
            interrupted(job, Faults(at, fault))
        attempt(job)
        assert job.lexicon() == LEXICON


def driver(folder: Path, shard_words: int = 16, under: Sequence[str] = ()) -> "subprocess.Popen[bytes]":
    """Start a driver with workers, in a process group of its own, as an argument of the command `under`."""
    command = [*under, sys.executable, "-m", "tests.helpers.runs", str(folder), str(shard_words), "local"]
    return subprocess.Popen(command, cwd=ROOT, start_new_session=True, stderr=subprocess.PIPE)


def kill_at_random(tmp_path: Path, kills: int) -> None:
    """Kill drivers, or single workers of theirs, until enough were killed; every run that ends is right."""
    chance = random.Random(20)
    (tmp_path / "whole").mkdir()
    whole = job_in(tmp_path / "whole", MANY).written(scores=False)
    whole()
    done = finished = 0
    while done < kills or not finished:
        folder = tmp_path / f"run-{finished}"
        if not folder.exists():
            folder.mkdir()
            job_in(folder, MANY)
        process = driver(folder)
        try:
            process.communicate(timeout=chance.uniform(0.3, 1.6) if done < kills else 120)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            done += 1
            continue
        assert process.returncode == 0
        assert (folder / "lexicon.tsv").read_bytes() == whole.output.path.read_bytes()
        finished += 1


def test_drivers_and_workers_killed_fifty_times_leave_the_lexicon_of_an_undisturbed_run(tmp_path: Path) -> None:
    kill_at_random(tmp_path, 50)


@pytest.mark.chaos
def test_drivers_and_workers_killed_five_hundred_times(tmp_path: Path) -> None:
    kill_at_random(tmp_path, 500)


_FSYNC, _LINK, _RENAME, _WRITE = "fsync", "link,linkat", "rename,renameat,renameat2", "write,pwrite64"


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace, which lets system calls fail")
@pytest.mark.parametrize(
    ("calls", "injected"),
    [
        *((calls, f"{fault}:when={when}+9") for calls in (_FSYNC, _LINK) for fault in ("error=EIO", "signal=KILL")
          for when in (1, 4)),
        (_RENAME, "error=EIO:when=1"),
        (_RENAME, "signal=KILL:when=1"),
        (_WRITE, "error=ENOSPC:when=20+40"),
    ],
)  # fmt: skip
def test_system_calls_may_fail_or_be_the_last_in_any_process_of_a_run(
    tmp_path: Path, calls: str, injected: str
) -> None:
    job, trace = job_in(tmp_path), tmp_path / "trace"
    strace = ["strace", "-f", "-o", str(trace), "-e", f"trace={calls}", "-e", f"inject={calls}:{injected}"]
    process = driver(tmp_path, shard_words=4, under=strace)
    said = process.communicate(timeout=120)[1].decode()
    assert process.returncode in (0, 1, -signal.SIGKILL), said
    assert "Traceback" not in said
    assert any(met in trace.read_text() for met in ("(INJECTED)", "killed by SIGKILL"))
    job()
    assert job.lexicon() == LEXICON


def test_two_drivers_at_once_make_one_lexicon(tmp_path: Path) -> None:
    job_in(tmp_path, MANY)
    both = [driver(tmp_path), driver(tmp_path)]
    said = [process.communicate(timeout=120)[1].decode() for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    (tmp_path / "whole").mkdir()
    whole = job_in(tmp_path / "whole", MANY)
    whole()
    assert (tmp_path / "lexicon.tsv").read_text(encoding="utf-8") == whole.lexicon()


def test_sigterm_ends_a_driver_with_75_and_the_same_command_goes_on(tmp_path: Path) -> None:
    job_in(tmp_path, MANY)
    process = driver(tmp_path, shard_words=8)
    receipts = tmp_path / "run" / "done"
    until = time.monotonic() + 60
    while not (receipts.is_dir() and any(receipts.iterdir())) and time.monotonic() < until:
        time.sleep(0.01)
    process.terminate()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 75, said
    assert b"stopped by SIGTERM" in said
    kept = len(list(receipts.iterdir()))
    assert kept > 0
    process = driver(tmp_path, shard_words=8)
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert len((tmp_path / "lexicon.tsv").read_text(encoding="utf-8").splitlines()) == 301


def test_sigusr1_lets_a_driver_finish_what_it_has_begun_and_no_more(tmp_path: Path) -> None:
    job_in(tmp_path, MANY)
    process = driver(tmp_path, shard_words=8)
    receipts = tmp_path / "run" / "done"
    until = time.monotonic() + 60
    while not (receipts.is_dir() and any(receipts.iterdir())) and time.monotonic() < until:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGUSR1)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 75, said
    kept = len(list(receipts.iterdir()))
    assert said.decode() == (
        f"drained by SIGUSR1 with {38 - kept} shards left; what was begun is finished: run the same command again\n"
    )
    process = driver(tmp_path, shard_words=8)
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert len((tmp_path / "lexicon.tsv").read_text(encoding="utf-8").splitlines()) == 301


DAMAGE = {
    "truncated": lambda data: data[: len(data) // 2],
    "bit-flipped": lambda data: data[:100] + bytes([data[100] ^ 4]) + data[101:],
    "emptied": lambda data: b"",
}


@pytest.mark.parametrize("damage", [*DAMAGE, "removed"])
def test_a_damaged_part_is_set_aside_and_its_shard_done_again(tmp_path: Path, damage: str) -> None:
    job = job_in(tmp_path)
    job()
    part = job.run.root / job.run.receipts(job.run.require_plan())[1].part.file
    if damage == "removed":
        part.unlink()
    else:
        part.write_bytes(DAMAGE[damage](part.read_bytes()))
    job.output.path.unlink()
    said: list[str] = []
    job(fake_decoding(), said.append)
    assert job.lexicon() == LEXICON
    assert any("damaged (000001)" in text for text in said)


def test_a_damaged_receipt_is_set_aside_and_its_shard_done_again(tmp_path: Path) -> None:
    job = job_in(tmp_path)
    job()
    receipt = tmp_path / "run" / "done" / "000000.json"
    receipt.write_bytes(receipt.read_bytes().replace(b'"words"', b'"wards"'))
    job.output.path.unlink()
    said: list[str] = []
    job(fake_decoding(), said.append)
    assert job.lexicon() == LEXICON
    assert any("000000.json is damaged" in text for text in said)


def test_a_clock_that_goes_backwards_changes_no_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = job_in(tmp_path)
    now = iter(range(2_000_000_000, 0, -1_000_000))
    monkeypatch.setattr(time, "time", lambda: float(next(now)))
    attempt(job)
    assert job.lexicon() == LEXICON
    status = status_of(job.run)
    assert (status.shards_done, status.remaining) == (3, ())
    assert status.words_per_s is None or status.words_per_s > 0


def test_what_killed_writers_left_is_collected_by_its_age(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = job_in(tmp_path)
    job()
    parts = tmp_path / "run" / "parts"
    orphan, draft = parts / "part-000000-ffffffffffff.parquet", parts / f"{DRAFT}part-000001-1"
    for path in (orphan, draft):
        path.write_bytes(b"left")
    job.output.path.unlink()
    job(no_model())
    assert orphan.exists()
    assert draft.exists()
    monkeypatch.setattr(leftovers, "LEFTOVER_S", -1.0)
    job.output.path.unlink()
    job(no_model())
    assert not orphan.exists()
    assert not draft.exists()
    assert job.lexicon() == LEXICON


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """Mount a file system in memory."""
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=False).returncode:
        pytest.skip("only root may mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def remounted(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


def test_a_full_disk_is_told_and_the_run_goes_on_when_there_is_space(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "96k") as disk:
        job = job_in(tmp_path, MANY).planned(run_dir=disk / "run", shard_words=16)
        with pytest.raises(OutputError, match="space"):
            job()
        assert not job.output.path.exists()
        remounted(disk, "size=64m")
        job()
        assert len(job.lexicon().splitlines()) == 301


def test_a_disk_that_is_read_only_is_told(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "16m") as disk:
        job = job_in(tmp_path).planned(run_dir=disk / "run")
        planned(job.options, job.run, Stop())
        remounted(disk, "ro")
        with pytest.raises(OutputError, match="read-only"):
            run_plan(disk / "run", ArrayTask(), fake_decoding())
        remounted(disk, "rw")
        job()
        assert job.lexicon() == LEXICON


def test_status_tells_what_is_done_from_the_directory_alone(tmp_path: Path) -> None:
    job = job_in(tmp_path)
    made = planned(job.options, job.run, Stop())
    run_plan(tmp_path / "run", ArrayTask(0, 3), fake_decoding())
    (tmp_path / "words.tsv").unlink()
    status = status_of(RunDir(tmp_path / "run"))
    assert (status.shards, status.shards_done, status.remaining) == (3, 1, ("000001", "000002"))
    assert (status.words, status.words_done) == (10, made.shards[0].words)
    assert (status.rows_in, status.duplicates, status.rejects) == (13, 1, {"empty": 1, "unknown_language": 1})
    assert status.words_per_s
    assert status.eta_s is not None
    assert status.to_text().startswith("1 of 3 shards done, 4 of 10 words.")


def test_a_folder_whose_name_is_no_text_is_refused(tmp_path: Path) -> None:
    job = job_in(tmp_path).planned(run_dir=tmp_path / os.fsdecode(b"r\xff"))
    with pytest.raises(OutputError, match="has a name that is not UTF-8: choose another folder"):
        job()
