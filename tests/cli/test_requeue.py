"""`run --requeue`: a drained Slurm job asks for its own place in the queue, and for nobody else's."""

import os
import signal
from pathlib import Path

import pytest

from g2p_batch.cli import run_options
from g2p_batch.errors import StoppedEarlyError, UsageError
from g2p_batch.workers import slurm
from tests.cli.commandline import Ran, run
from tests.helpers.fake_model import install
from tests.helpers.runs import Recorder

ELEMENT = {"SLURM_JOB_ID": "14", "SLURM_ARRAY_JOB_ID": "12", "SLURM_ARRAY_TASK_ID": "3"}


@pytest.mark.parametrize(("environment", "job"), [(ELEMENT, "12_3"), ({"SLURM_JOB_ID": "14"}, "14")])
def test_an_element_of_an_array_is_called_by_array_and_number(environment: dict[str, str], job: str) -> None:
    assert slurm.own_job(environment) == job


def test_outside_of_slurm_there_is_nothing_to_requeue() -> None:
    with pytest.raises(UsageError, match="this is none"):
        slurm.own_job({"HOME": "/root"})


def scontrol(folder: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    """Put a program of that name first on the path."""
    folder.mkdir()
    (folder / "scontrol").write_text(f"#!/bin/sh\n{body}\n")
    (folder / "scontrol").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_what_slurm_refuses_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scontrol(tmp_path / "bin", monkeypatch, "echo 'Requested operation is presently disabled' >&2; exit 1")
    with pytest.raises(StoppedEarlyError, match=r"scontrol requeue 12_3 failed \(Requested operation is presently dis"):
        slurm.requeue("12_3")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(StoppedEarlyError, match=r"scontrol requeue 12_3 failed \(.*No such file"):
        slurm.requeue("12_3")


@pytest.fixture
def planned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A planned run of several shards, on a fake model; the folder is the working one."""
    monkeypatch.chdir(tmp_path)
    install(monkeypatch, tmp_path / "model")
    (tmp_path / "words.txt").write_text("".join(f"w{i}\n" for i in range(1600)), encoding="utf-8")
    ran = run("plan", "words.txt", "--lang", "fra", "--model", "model", "--run-dir", "big.run")
    assert ran.stderr == "1,600 rows read: 1,600 words in 4 shards, 0 duplicates, 0 rejected.\n"
    return tmp_path


def drained_by(number: signal.Signals, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_options, "progress", lambda: Recorder(lambda: os.kill(os.getpid(), number)))


def test_a_drained_job_is_requeued_and_ends_without_an_error(planned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Like Slurm, which ends what it requeues while scontrol still runs.
    scontrol(planned / "bin", monkeypatch, f'echo "$@" >> {planned}/asked; kill -TERM $PPID; sleep 0.2')
    for name, value in ELEMENT.items():
        monkeypatch.setenv(name, value)
    drained_by(signal.SIGUSR1, monkeypatch)
    ran = run("run", "big.run", "--requeue", "--workers", "1")
    assert ran == Ran(75, "", "Drained by SIGUSR1: Slurm job 12_3 goes back into the queue\n")
    assert (planned / "asked").read_text() == "requeue 12_3\n"
    monkeypatch.setattr(run_options, "progress", Recorder)
    assert run("run", "big.run", "--requeue", "--workers", "1") == Ran(
        0, "", "Task 0/1 of big.run is done: 3 shards with 1,536 words now, 1 before.\n"
    )
    assert (planned / "asked").read_text() == "requeue 12_3\n", "a job with nothing left stays away"


def test_a_job_that_is_cancelled_stays_out_of_the_queue(planned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scontrol(planned / "bin", monkeypatch, f"touch {planned}/asked")
    monkeypatch.setenv("SLURM_JOB_ID", "14")
    drained_by(signal.SIGTERM, monkeypatch)
    ran = run("run", "big.run", "--requeue", "--workers", "1")
    assert (ran.exit_code, ran.stderr.startswith("Error: stopped by SIGTERM")) == (75, True)
    assert not (planned / "asked").exists()


def test_requeue_outside_of_slurm_is_wrong_usage(planned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ELEMENT:
        monkeypatch.delenv(name, raising=False)
    ran = run("run", "big.run", "--requeue")
    assert ran == Ran(
        2,
        "",
        "Error: --requeue puts a Slurm job back into its queue; this is none (SLURM_JOB_ID is not set): leave it out\n",
    )
