"""One list in all ways to run, most of them disturbed: the lexicons must be the same, byte by byte.

`python -m tests.lab.same_lexicon FOLDER` makes a list of 200,000 words and has it pronounced by workers of this
machine, by two Ray actors of which two are killed, by a Slurm array of which one task is requeued before all are
cancelled and another number of tasks does the rest, and by a run in a bucket. It prints a table and fails if lexicons
differ. Without `--model` an engine repeats the words, which takes no compiler.
"""

import argparse
import hashlib
import importlib.util
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from g2p_batch.model.contract import save_json
from g2p_batch.run.run_directory import RunDir
from g2p_batch.storage import store_at
from g2p_batch.storage.locations import Location, located
from tests.helpers import slurm_lab
from tests.helpers.command import REAL, SLOW, install
from tests.helpers.cpu_time import Meter
from tests.helpers.fake_model import CONTRACT
from tests.helpers.object_server import ObjectServer

LANGUAGES = ("eng-us", "fin", "fra", "ger", "pol")
WORKERS = 2
_SYLLABLES = tuple(a + b for a in "bcdfghjklmnprstvwxz" for b in "aeiou")
KINDS = len(_SYLLABLES) ** 3
"""So many different beginnings has a word."""
SCATTER = 2654435761
"""Has no factor in common with that: each number gives another beginning."""
_PATIENCE_S = 3600.0


def make_list(path: Path, words: int) -> None:
    """Write words of 6 to 12 letters, no two alike, in five languages."""
    lines = [f"{made_up(number)}\t{LANGUAGES[number % len(LANGUAGES)]}\n" for number in range(words)]
    path.write_text("word\tlang\n" + "".join(lines), encoding="utf-8")


def made_up(number: int) -> str:
    """Return a word of 6 to 12 letters, for each number below `KINDS` another one."""
    mixed, more = number * SCATTER % KINDS, number * SCATTER >> 7
    places = [mixed, mixed // 95, mixed // 95**2, *(more >> 7 * i for i in range(number % 4))]
    return "".join(_SYLLABLES[place % 95] for place in places)


class Killer:
    """Kills workers of this machine while they decode: whichever has done the last shard, each only once."""

    def __init__(self, run_dir: Path, kills: int) -> None:
        self._run, self._kills = RunDir(run_dir), kills
        self.killed: list[int] = []

    def strike(self) -> None:
        """Kill a worker that has done a shard, if there is one and not enough are killed yet."""
        if len(self.killed) == self._kills or (plan := self._run.plan()) is None:
            return
        for receipt in sorted(self._run.receipts(plan).values(), key=lambda receipt: receipt.finished_s):
            worker = int(receipt.worker.rpartition(":")[2])
            if worker not in self.killed:
                os.kill(worker, signal.SIGKILL)
                self.killed.append(worker)
                return


@dataclass(frozen=True)
class Task:
    """What is asked in every way.

    Attributes:
        folder: holds the list `words.tsv`, and a folder for each way.
        program: `g2p-batch`.
        options: of planning: the model, words a shard.
        environment: of the program.
        kills: so many Ray actors are killed.
    """

    folder: Path
    program: Path
    options: tuple[str, ...]
    environment: Mapping[str, str]
    kills: int = 2

    def new_folder(self, way: str) -> Path:
        """Make the folder of a way."""
        (self.folder / way).mkdir()
        return self.folder / way


@dataclass(frozen=True)
class Made:
    """What came of it.

    Attributes:
        lexicon: the file.
        seconds: from the first command to the lexicon.
        decode_seconds: of these, the time in which any worker decoded.
        core_seconds: processor time of all processes.
        meanwhile: what it was disturbed by.
    """

    lexicon: bytes
    seconds: float
    decode_seconds: float
    core_seconds: float
    meanwhile: str = ""

    @property
    def sha256(self) -> str:
        """Return the digest of the lexicon."""
        return hashlib.sha256(self.lexicon).hexdigest()


def _collected(place: Location, seconds: float, meter: Meter, meanwhile: str = "") -> Made:
    """Return what a finished way left in its place."""
    summary, lexicon = (store_at(place).get(name) for name in ("run/run-summary.json", "lexicon.tsv"))
    assert summary is not None, f"{place} holds no summary"
    assert lexicon is not None, f"{place} holds no lexicon"
    return Made(lexicon, seconds, json.loads(summary)["decode_seconds"], meter.seconds, meanwhile)


def _generated(task: Task, way: str, place: Location, *options: str, strike: Callable[[], None] = lambda: None) -> Made:
    """Run `generate`, with its run and its lexicon in `place`."""
    paths = ("--run-dir", str(place / "run"), "-o", str(place / "lexicon.tsv"), "--workers", str(WORKERS))
    command = [str(task.program), "generate", "words.tsv", "--scores", *task.options, *paths, *options]
    log = task.folder / f"{way}.log"
    started = time.perf_counter()
    with log.open("w") as said, Meter() as meter:
        environment = {**os.environ, **task.environment, **meter.environment}
        process = subprocess.Popen(command, cwd=task.folder, env=environment, stderr=said)
        try:
            while process.poll() is None:
                strike()
                time.sleep(0.05)
        finally:
            process.kill()
    seconds = time.perf_counter() - started
    assert process.returncode == 0, log.read_text()
    return _collected(place, seconds, meter)


def on_this_machine(task: Task, way: str) -> Made:
    """Run on processes."""
    return _generated(task, way, task.new_folder(way))


def on_ray(task: Task, way: str) -> Made:
    """Run on actors of a Ray of their own, killing some."""
    folder = task.new_folder(way)
    killer = Killer(folder / "run", task.kills)
    made = _generated(task, way, folder, "--engine", "ray", strike=killer.strike)
    assert len(killer.killed) == task.kills, "the run ended before enough actors were killed"
    return replace(made, meanwhile=f"{task.kills} actors killed" if task.kills else "")


def on_slurm(task: Task, way: str) -> Made:
    """Run as an array of four tasks; requeue the first, cancel all, launch seven."""
    folder = task.new_folder(way)
    with slurm_lab.lab(folder, [task.program.parent]) as slurm, Meter() as meter:
        slurm.environment |= {**task.environment, **meter.environment}
        started = time.perf_counter()
        slurm.call("g2p-batch", "plan", "../words.tsv", *task.options, "--run-dir", "run")
        run = RunDir(folder / "run")
        plan = run.require_plan()
        array, merge = slurm.launch(folder, 4, "run", "lexicon.tsv", "--scores")
        slurm_lab.until(lambda: len(run.receipts(plan)) >= 2, _PATIENCE_S, "the array does nothing")
        slurm.signal(f"{array}_0", "USR1")
        slurm_lab.until(lambda: slurm.facts(f"{array}_0")["Restarts"] == "1", _PATIENCE_S, "task 0 is not requeued")
        slurm.call("scancel", array)
        slurm.wait(merge, _PATIENCE_S)
        kept, shards = len(run.receipts(plan)), len(plan.shards)
        assert kept < shards, "the array ended before it was cancelled"
        _, merge = slurm.launch(folder, 7, "run", "lexicon.tsv", "--scores")
        slurm.wait(merge, _PATIENCE_S)
        seconds = time.perf_counter() - started
    told = f"task 0 of 4 requeued; cancelled; 7 tasks did {shards - kept} of {shards} shards"
    return _collected(folder, seconds, meter, told)


def in_a_bucket(task: Task, way: str) -> Made:
    """Run on processes, with run directory and lexicon on an S3 server of this process."""
    server = ObjectServer()
    try:
        with patch.dict(os.environ, server.environment()):
            return _generated(task, way, located(server.new_bucket()))
    finally:
        server.close()


Way = Callable[[Task, str], Made]
WAYS: dict[str, Way] = {"local": on_this_machine, "ray": on_ray, "slurm": on_slurm, "s3": in_a_bucket}


def prepared(folder: Path, model: str | None, options: tuple[str, ...], pause_s: float, kills: int = 2) -> Task:
    """Return a task for a real model, or for an engine that repeats words and rests at each batch."""
    if model is not None:
        return Task(folder, install(folder / "bin", REAL), ("--model", model, *options), {}, kills)
    (folder / "model").mkdir()
    save_json(folder / "model" / "contract.json", replace(CONTRACT, languages=LANGUAGES))
    asked = ("--model", str(folder / "model"), *options)
    return Task(folder, install(folder / "bin", SLOW), asked, {"G2P_TEST_SHARD_S": str(pause_s)}, kills)


def table(found: Mapping[str, Made]) -> str:
    """Show what came of each way."""
    rows = [f"{'way':6} {'seconds':>8} {'decoding':>8} {'all cores':>9}  {'sha256 of the lexicon':64}  meanwhile"]
    for way, made in found.items():
        times = f"{made.seconds:8.1f} {made.decode_seconds:8.1f} {made.core_seconds:9.1f}"
        rows.append(f"{way:6} {times}  {made.sha256}  {made.meanwhile}")
    return "\n".join(row.rstrip() for row in rows)


def _missing(way: str) -> str | None:
    reasons: dict[str, Callable[[], str | None]] = {
        "ray": lambda: None if importlib.util.find_spec("ray") else "needs Ray",
        "slurm": slurm_lab.missing,
        "s3": lambda: None if importlib.util.find_spec("moto") else "needs moto",
    }
    return reasons.get(way, lambda: None)()


def _arguments() -> Any:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="A new folder.")
    parser.add_argument("--words", type=int, default=200_000, help=f"How many to make up, at most {KINDS:,}.")
    parser.add_argument("--list", type=Path, help="A list of columns word and lang, instead of one that is made up.")
    parser.add_argument("--model", help="bundled, or a folder; by default words are repeated.")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--shard-words", default="4096")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--kills", type=int, default=2, help="So many Ray actors are killed.")
    given = parser.parse_args()
    if given.folder.exists():
        parser.error(f"{given.folder} exists already: name a new folder")
    if not 0 < given.words <= KINDS:
        parser.error(f"--words {given.words}: from 1 to {KINDS}")
    for way in given.ways:
        if reason := _missing(way):
            parser.error(f"{way} {reason}: leave it out of --ways")
    return given


def main() -> None:
    """Compare, and show what was found."""
    given = _arguments()
    given.folder.mkdir(parents=True)
    folder = given.folder.absolute()
    if given.list:
        (folder / "words.tsv").write_bytes(given.list.read_bytes())
    else:
        make_list(folder / "words.tsv", given.words)
    options = ("--dtype", given.dtype, "--shard-words", given.shard_words)
    task = prepared(folder, given.model, options, 0.2, given.kills)
    found: dict[str, Made] = {}
    for way in given.ways:
        found[way] = WAYS[way](task, way)
        print(table(found).splitlines()[-1], flush=True)  # noqa: T201
    print("\n" + table(found))  # noqa: T201
    if len({made.sha256 for made in found.values()}) > 1:
        raise SystemExit("the lexicons differ")


if __name__ == "__main__":
    main()
