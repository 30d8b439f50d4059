"""One list, decoded in two ways, one of them disturbed: the lexicons must be the same, byte by byte.

`python -m tests.same_lexicon FOLDER` makes a list of 200,000 words, runs it on processes of this machine, then on two
Ray actors whose processes are killed twice, and compares.
"""

import argparse
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

from g2p_batch.actors import ray_site
from g2p_batch.contract import Contract
from g2p_batch.decode import Compiled
from g2p_batch.driver import generate
from g2p_batch.plan import Planning
from g2p_batch.pool import OpenSite
from g2p_batch.processes import this_machine
from g2p_batch.run import Team
from g2p_batch.rundir import RunDir
from g2p_batch.target import Merging
from g2p_batch.wordlist import Source
from tests.copying_engine import OpenCopying
from tests.fake_model import CONTRACT as BASE
from tests.runs import Recorder

CONTRACT: Contract = replace(BASE, languages=("eng-us", "fin", "fra", "ger", "pol"))
SHARD_WORDS = 4096
COMPILED = Compiled("c0" * 32, "copy", OpenCopying())


def make_list(path: Path, words: int) -> None:
    """Write words of 7 to 31 letters, no two alike, in five languages."""
    lines = []
    for number in range(words):
        mixed = number * 0x9E3779B97F4A7C15 % 2**64
        letters = "".join(chr(97 + mixed // 26**place % 26) for place in range(7))
        lines.append(f"{letters * (mixed % 4 + 1)}{number % 1000}\t{CONTRACT.languages[number % 5]}\n")
    path.write_text("word\tlang\n" + "".join(lines), encoding="utf-8")


def lexicon(words: Path, run_dir: Path, site: OpenSite, progress: Recorder) -> bytes:
    """Run a list on two workers with an engine that repeats words; return the lexicon."""
    planning = Planning(Source((str(words),)), CONTRACT, run_dir, shard_words=SHARD_WORDS)
    merging = Merging(run_dir.with_suffix(".tsv"))
    generate(planning, merging, Team(CONTRACT, lambda: COMPILED, 2, progress, site), lambda _: None)
    return merging.output.read_bytes()


class Killer(Recorder):
    """Kills workers of this machine while they decode: whichever has done the last shard, each only once."""

    def __init__(self, run_dir: Path, kills: int) -> None:
        super().__init__(self._strike)
        self._run, self._kills = RunDir(run_dir), kills
        self.killed: list[int] = []

    def _strike(self) -> None:
        if len(self.killed) == self._kills:
            return
        receipts = self._run.receipts(self._run.require_plan()).values()
        for receipt in sorted(receipts, key=lambda receipt: receipt.finished_s):
            worker = int(receipt.worker.rpartition(":")[2])
            if worker not in self.killed:
                os.kill(worker, signal.SIGKILL)
                self.killed.append(worker)
                return


def main() -> None:
    """Compare, and say what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--words", type=int, default=200_000)
    given = parser.parse_args()
    given.folder.mkdir(exist_ok=True)
    words, runs = given.folder / "words.tsv", {"local": this_machine, "ray": ray_site()}
    make_list(words, given.words)
    found = {}
    for name, site in runs.items():
        run_dir = given.folder / name
        progress = Killer(run_dir, 2 if name == "ray" else 0)
        started = time.perf_counter()
        found[name] = lexicon(words, run_dir, site, progress)
        print(  # noqa: T201
            f"{name}: {len(found[name]):,} bytes in {time.perf_counter() - started:.1f} s, "
            f"{len(progress.killed)} workers killed, {progress.advanced():,} words"
        )
    if found["local"] != found["ray"]:
        raise SystemExit("the lexicons differ")
    print(f"the same lexicon of {given.words:,} words")  # noqa: T201


if __name__ == "__main__":
    main()
