"""How planning, merging and the host side of a run behave at scale: `python -m tests.lab.scale --help`.

`make` makes up rows, as Parquet or TSV: a fifth duplicates, a hundredth of them bad. `plan`, `answer`, `merge` and
`report` are a run without a model, whose answers repeat the word. `host` is a run with everything but a model: an
engine whose steps only look up the next byte of the word; after `plan`, `shards` is its middle part alone, in this
process.
"""

import argparse
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from g2p_batch.counts import counted
from g2p_batch.driver import generate
from g2p_batch.formats.lexicon import entries
from g2p_batch.formats.word_lines import write_lines
from g2p_batch.languages import LANGUAGES
from g2p_batch.model.contract import Contract
from g2p_batch.model.threaded import Answers
from g2p_batch.reporting import write_report
from g2p_batch.run.merge import merged
from g2p_batch.run.output import LexiconOutput
from g2p_batch.run.plan import PlanOptions, planned
from g2p_batch.run.run_directory import PARTS_FOLDER, Plan, Receipt, RunDir
from g2p_batch.signals import Stop
from g2p_batch.storage.memory import Memory
from g2p_batch.storage.tables import decoded, encoded, with_columns
from g2p_batch.words.filter import WORDS
from g2p_batch.words.wordlist import WordLists
from g2p_batch.workers.shard import RunContext, run_shard
from tests.helpers.copying_engine import CopyingEngine, CopyingEngines
from tests.helpers.fake_model import CONTRACT as BASE
from tests.helpers.runs import Recorder, fake_decoding

TAGS = sorted(LANGUAGES)
ALPHABET = dict.fromkeys(ascii_lowercase, 1000)
CONTRACT: Contract = replace(BASE, languages=tuple(TAGS), alphabets=dict.fromkeys(TAGS, ALPHABET))
ROWS_AT_ONCE = 1_000_000
_COPRIME = 1_000_000_007
LISTED = pa.schema([("word", pa.string()), ("lang", pa.string())])


def make_rows(path: Path, rows: int, languages: int) -> None:
    """Write a word list: words of 4 to 14 letters, 20 % drawn again from earlier ones, 1 % control characters."""
    batches = _rows(rows, languages)
    if path.suffix == ".tsv":
        with path.open("wb") as file:
            file.write(b"word\tlang\n")
            for batch in batches:
                write_lines(file, batch.columns, "\t")
    else:
        with pq.ParquetWriter(path, LISTED, compression="lz4") as file:
            for batch in batches:
                file.write_batch(batch)


def _rows(rows: int, languages: int) -> Iterator[pa.RecordBatch]:
    random = np.random.default_rng(0)
    tags = pa.array(TAGS[:: len(TAGS) // languages][:languages])
    for start in range(0, rows, ROWS_AT_ONCE):
        count = min(ROWS_AT_ONCE, rows - start)
        number = np.arange(start, start + count)
        again = random.random(count) < 0.2
        number[again] = random.integers(0, max(1, start + count // 2), count)[again]
        bad = random.random(count) < 0.01
        langs = tags.take(pa.array(number % len(tags)))
        yield pa.record_batch([_words(number, bad), langs], schema=LISTED)


def _words(number: Any, bad: Any) -> pa.Array:
    """Spell numbers in letters, scattered so that neighbours have nothing in common."""
    mixed = number.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    lengths = (4 + (mixed >> np.uint64(59)) % np.uint64(11)).astype(np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    owner = np.repeat(np.arange(len(number)), lengths)
    place = np.arange(offsets[-1]) - offsets[owner]
    # The first seven letters spell the number, multiplied by one that is coprime to 26, so that different numbers are
    # different words of a language and no word is a run of one letter.
    digit = (number * _COPRIME % 26**7)[owner] // 26 ** np.minimum(place, 7) % 26
    letters = (97 + np.where(place < 7, digit, (mixed[owner] >> place.astype(np.uint64)) % np.uint64(26))).astype(
        np.uint8
    )
    letters[offsets[:-1][bad]] = 7
    return pa.Array.from_buffers(
        pa.string(), len(number), [None, pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(letters)]
    )


def answer_all(run: RunDir, plan: Any) -> None:
    """Commit a part for every shard, without a model."""
    for number, shard in enumerate(plan.shards):
        words = with_columns(decoded(run.whole(shard.data) or b""), WORDS)
        none = np.zeros(len(words), np.bool_)
        answers = Answers(words["word"].combine_chunks(), np.zeros(len(words), np.float32), none, none, none)
        rows = entries(words, answers)
        part = run.put_content(PARTS_FOLDER, f"part-{number:06d}", ".parquet", encoded(pa.Table.from_batches([rows])))
        statuses = counted(rows["status"])
        run.commit(Receipt(number, plan.id, "none", len(words), part, statuses, "scale", 1.0, time.time()))


def run_alone(run: RunDir, plan: Plan) -> None:
    """Run every shard with the engine that costs nothing, in this process."""
    pa.set_cpu_count(1)  # as workers do
    engine = CopyingEngine()
    context = RunContext(run.root, plan.id, CONTRACT, CopyingEngines())
    for number, shard in enumerate(plan.shards):
        run_shard(context, number, shard, engine, Recorder())


def timed(what: str, rows: int, work: Callable[[], Any]) -> Any:
    started, used = time.perf_counter(), _cpu_seconds()
    found = work()
    seconds, used = time.perf_counter() - started, _cpu_seconds() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(  # noqa: T201
        f"{what}: {rows:,} rows in {seconds:.1f} s, {rows / seconds:,.0f} a second, {rows / used:,.0f} a second of one "
        f"core, peak {peak:,.0f} MiB"
    )
    return found


def _cpu_seconds() -> float:
    """Return the processor time of this process and of the workers that it has waited for."""
    uses = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(use.ru_utime + use.ru_stime for use in uses)


def main() -> None:
    """Measure one step; each is a process of its own, so that its peak of memory is its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("step", choices=["make", "plan", "answer", "merge", "report", "host", "shards"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=50_000_000)
    parser.add_argument("--memory", default="1GiB")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--kind", choices=["parquet", "tsv"], default="parquet", help="of the list, for all steps")
    parser.add_argument("--languages", type=int, default=len(TAGS), help="for make")
    given = parser.parse_args()
    given.folder.mkdir(exist_ok=True)
    words, run = given.folder / f"words.{given.kind}", RunDir(given.folder / "run")
    memory = Memory.parse(given.memory)
    options = PlanOptions(WordLists((str(words),)), CONTRACT, run.root, memory=memory)
    output = LexiconOutput(given.folder / "lexicon.tsv", memory=memory)
    decoding = fake_decoding(given.workers, engines=CopyingEngines(), contract=CONTRACT)
    steps: dict[str, Callable[[], Any]] = {
        "make": lambda: make_rows(words, given.rows, given.languages),
        "plan": lambda: planned(options, run, Stop()),
        "answer": lambda: answer_all(run, run.require_plan()),
        "merge": lambda: merged(run, run.require_plan(), output, lambda _: None, Stop(), time.perf_counter()),
        "report": lambda: write_report(run, given.folder / "report.html"),
        "host": lambda: generate(options, output, decoding),
        "shards": lambda: run_alone(run, run.require_plan()),
    }
    rows = run.require_plan().words if given.step == "shards" else given.rows
    timed(given.step, rows, steps[given.step])


if __name__ == "__main__":
    main()
