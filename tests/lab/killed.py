"""A long run that is killed again and again, and then counted again: `python -m tests.lab.killed FOLDER`.

A list of 500,000 rows, duplicates and bad ones among them, becomes a lexicon twice: undisturbed, and by commands that
are killed with SIGKILL at random moments fourteen times, all processes at once, the driver alone, or a worker. What
came of it is then recounted from the files alone, without any code of the program: every row in the lexicon, repeated
or rejected with its reason, the words in their order, and each pronunciation and score as the undisturbed run has it.
It prints what happened, and fails with every difference. `--model copy` takes an engine that repeats the words.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from g2p_batch.model.contract import save_json
from tests.helpers.command import REAL, SLOW, install
from tests.helpers.fake_model import CONTRACT
from tests.lab.same_lexicon import KINDS, LANGUAGES, made_up

BAD = {
    "empty": ("", "fra"),
    "control_character": ("a\ab", "fra"),
    "too_long": ("a" * 150, "fra"),
    "unknown_language": ("hello", "en-gb"),
}
"""Rows that are rejected, by the reason."""
_SHOWN = 5


def make_rows(path: Path, rows: int) -> None:
    """Write a list: of ten rows about one repeats an earlier one, and of fifty about one is bad."""
    chance, bad = random.Random(7), list(BAD.values())
    with path.open("w", encoding="utf-8") as file:
        file.write("word\tlang\n")
        for number in range(rows):
            kind = chance.random()
            if kind < 0.02:
                word, lang = chance.choice(bad)
            else:
                which = chance.randrange(number + 1) if kind < 0.12 else number
                word, lang = made_up(which), LANGUAGES[which % len(LANGUAGES)]
            file.write(f"{word}\t{lang}\n")


@dataclass
class Disturbed:
    """What a run met."""

    deaths: Counter[str] = field(default_factory=Counter)
    restarts: int = 0
    """How often all was done before enough were killed, and was begun anew."""
    seconds: float = 0.0


@dataclass(frozen=True)
class Program:
    """The program, and how it is called.

    Attributes:
        path: the file.
        folder: where it works; holds `words.tsv`.
        options: of `generate`.
        environment: of the program.
    """

    path: Path
    folder: Path
    options: tuple[str, ...]
    environment: dict[str, str]

    def started(self, name: str, *more: str) -> "subprocess.Popen[bytes]":
        """Start a `generate` of the lexicon `name` in a process group of its own."""
        command = [str(self.path), "generate", "words.tsv", "-o", name, "--scores", *self.options, *more]
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                command, cwd=self.folder, env=os.environ | self.environment, stderr=log, start_new_session=True
            )

    def undisturbed(self, name: str) -> float:
        """Make a lexicon; returns the seconds that it took."""
        before = time.perf_counter()
        self._require_success(name, self.started(name).wait())
        return time.perf_counter() - before

    def disturbed(self, name: str, kills: int, longest_s: float, seed: int) -> Disturbed:
        """Make a lexicon while processes are killed, none of them later than `longest_s` after the one before."""
        chance, met, before = random.Random(seed), Disturbed(), time.perf_counter()
        process = self.started(name)
        while True:
            pause = chance.uniform(0.2, longest_s) if met.deaths.total() < kills else None
            try:
                code = process.wait(pause)
            except subprocess.TimeoutExpired:
                met.deaths[_strike(process, chance)] += 1
                continue
            if code == -signal.SIGKILL:
                process = self.started(name)
                continue
            self._require_success(name, code)
            if met.deaths.total() == kills:
                break
            met.restarts += 1
            process = self.started(name, "--restart")
        met.seconds = time.perf_counter() - before
        return met

    def _require_success(self, name: str, code: int) -> None:
        if code:
            said = (self.folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")
            raise SystemExit(f"{name} ended with {code}:\n{said[-2000:]}")


def _strike(process: "subprocess.Popen[bytes]", chance: random.Random) -> str:
    """Kill all processes of a command, or some; returns which."""
    victims: dict[str, Callable[[], None]] = {
        "all processes": lambda: os.killpg(process.pid, signal.SIGKILL),
        "driver": process.kill,
    }
    if workers := _children(process.pid):
        victims["worker"] = lambda: os.kill(chance.choice(workers), signal.SIGKILL)
    name = chance.choice(list(victims))
    victims[name]()
    return name


def _children(pid: int) -> list[int]:
    told = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(child) for child in told.stdout.split()]


def recount(folder: Path, name: str, whole: str) -> Iterator[str]:
    """Yield all that is wrong with the lexicon `name` and its run, beside the lexicon `whole`; by the files alone."""
    wanted, duplicates, bad = _expected(folder / "words.tsv")
    lexicon, right = _cells(folder / name), _cells(folder / whole)
    found = [(word, lang) for word, lang, *_ in lexicon]
    yield from _differences("words of the lexicon", found, wanted)
    answers = {(word, lang): rest for word, lang, *rest in right}
    wrong = [tuple(row) for row in lexicon if answers.get((row[0], row[1])) != row[2:]]
    if wrong:
        yield f"{len(wrong)} words have other pronunciations than undisturbed, such as {wrong[:_SHOWN]}"
    rejects = {int(row): reason for row, _, _, reason in _cells(folder / f"{name}.run" / "rejects.tsv")}
    yield from _differences("rejected rows", sorted(rejects.items()), sorted(bad.items()))
    summary = json.loads((folder / f"{name}.run" / "run-summary.json").read_text(encoding="utf-8"))
    counts = {
        "rows_in": len(wanted) + duplicates + len(bad),
        "words": len(wanted),
        "duplicates": duplicates,
        "rejected": len(bad),
        "rejects": dict(Counter(bad.values())),
        "languages": dict(Counter(lang for _, lang in wanted)),
    }
    yield from (
        f"run-summary.json has {field} {summary[field]}, not {count}"
        for field, count in counts.items()
        if summary[field] != count
    )
    left = [path.name for path in folder.iterdir() if path.name.startswith(".tmp-")]
    left += [path.name for path in (folder / f"{name}.run").iterdir() if path.name.startswith(("at-work-", "alone-"))]
    if left:
        yield f"killed processes left {left[:_SHOWN]}"


def _expected(path: Path) -> tuple[list[tuple[str, str]], int, dict[int, str]]:
    """Return what becomes of a list: the words in their order, how many are repeated, and the reasons of bad rows."""
    reasons = {row: reason for reason, row in BAD.items()}
    words: dict[tuple[str, str], None] = {}
    duplicates, bad = 0, {}
    for number, (word, lang) in enumerate(_cells(path), 1):
        if reason := reasons.get((word, lang)):
            bad[number] = reason
        elif (word, lang) in words:
            duplicates += 1
        else:
            words[word, lang] = None
    return list(words), duplicates, bad


def _cells(path: Path) -> list[list[str]]:
    """Return the rows of a table without its header."""
    with path.open(encoding="utf-8", newline="\n") as file:
        return [line.rstrip("\n").split("\t") for line in file][1:]


def _differences(what: str, found: list[tuple[str, str]] | list[tuple[int, str]], wanted: object) -> Iterator[str]:
    if found == wanted:
        return
    lost, more = Counter(wanted), Counter(found)  # type: ignore[call-overload]
    lost, more = lost - more, more - lost
    order = "" if lost or more else "; all are there, in another order"
    yield (
        f"{what}: {lost.total()} lacking, such as {list(lost)[:_SHOWN]}, {more.total()} too many, such as "
        f"{list(more)[:_SHOWN]}{order}"
    )


def program(folder: Path, model: str, dtype: str, workers: int, shard_s: float = 0.0) -> Program:
    """Install the program with a model, or with an engine that repeats the words of any length in so many seconds."""
    options = ("--workers", str(workers))
    if model != "copy":
        return Program(install(folder / "bin", REAL), folder, ("--model", model, "--dtype", dtype, *options), {})
    (folder / "model").mkdir()
    contract = folder / "model" / "contract.json"
    save_json(contract, replace(CONTRACT, languages=LANGUAGES))
    return Program(
        install(folder / "bin", SLOW), folder, ("--model", "model", *options), {"G2P_TEST_SHARD_S": str(shard_s)}
    )


def main() -> None:
    """Make both lexicons, and recount."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="A new folder.")
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--kills", type=int, default=14)
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--dtype", default="int8")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=14)
    given = parser.parse_args()
    folder = given.folder.absolute()
    folder.mkdir()
    if given.rows > KINDS:
        raise SystemExit(f"there are {KINDS:,} different words: ask for less --rows")
    make_rows(folder / "words.tsv", given.rows)
    subject = program(folder, given.model, given.dtype, given.workers)
    seconds = subject.undisturbed("whole.tsv")
    print(f"undisturbed: {given.rows:,} rows in {seconds:.1f} s")  # noqa: T201
    met = subject.disturbed("killed.tsv", given.kills, 2 * seconds / max(1, given.kills), given.seed)
    deaths = ", ".join(f"{name} {count}" for name, count in met.deaths.items())
    print(f"killed: {deaths}; begun anew {met.restarts} times; {met.seconds:.1f} s")  # noqa: T201
    wrong = list(recount(folder, "killed.tsv", "whole.tsv"))
    same = (folder / "killed.tsv").read_bytes() == (folder / "whole.tsv").read_bytes()
    print(*(wrong or ["every row is accounted for"]), f"the same bytes: {same}", sep="\n")  # noqa: T201
    if wrong or not same:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
