"""One run on this machine: plan, decode on worker threads, merge, publish."""

import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from g2p_batch.contract import Contract
from g2p_batch.crew import Progress, pronounce
from g2p_batch.decode import Engine
from g2p_batch.errors import InputError, StoppedEarlyError
from g2p_batch.formats import Format, format_for
from g2p_batch.formats.lexicon import LEXICON, Answers, WriteOptions, entries
from g2p_batch.formats.tsv import write_rejects
from g2p_batch.plan import Plan, PlanOptions, plan
from g2p_batch.publish import make_folder, publish, require_writable
from g2p_batch.report import Summary, count_of, counted, listed
from g2p_batch.wordlist import STDIN, Source, read

Order = Literal["input", "word"]

REJECTS_FILE = "rejects.tsv"
SUMMARY_FILE = "run-summary.json"

_ROWS = 65536
_SORT_KEYS: dict[Order, list[tuple[str, str]]] = {
    "input": [("row", "ascending")],
    "word": [("lang", "ascending"), ("word", "ascending")],
}


@dataclass(frozen=True)
class Job:
    """What one run reads, how it decodes and where it writes.

    Attributes:
        source: the word lists.
        contract: the model's contract.
        output: the lexicon's file.
        run_dir: folder for the rejects and the summary; created if absent.
        format: name of the lexicon's format; without it the suffix of `output` tells.
        plan: how words are normalised.
        order: the lexicon's rows by first input row, or by language and word (bytewise).
        scores: write log-probability and status where the format makes them optional.
        strict: refuse to decode if any row is rejected.
        workers: threads, each with an engine of its own.
        dtype: the engines' number format, for the records.
    """

    source: Source
    contract: Contract
    output: Path
    run_dir: Path
    format: str | None = None
    plan: PlanOptions = field(default_factory=PlanOptions)
    order: Order = "input"
    scores: bool = False
    strict: bool = False
    workers: int = 1
    dtype: str = "float32"


def check(job: Job) -> None:
    """Raise now what `generate` would raise before it needs the model: wrong options, inputs and output names."""
    _prepared(job)
    if STDIN not in job.source.inputs:  # what is read of a pipe is gone
        read(job.source)


def generate(job: Job, engines: Callable[[], Engine], progress: Progress) -> Summary:
    """Turn word lists into a lexicon.

    The lexicon, the rejects and the summary appear whole, in this order of commitment: rejects, lexicon, summary.
    They do not depend on the number of workers or on timing. While it runs in the main thread, SIGINT and SIGTERM
    stop the run before its next batch.

    Args:
        job: what to do.
        engines: makes an engine; called once per worker that is needed, in this thread, and not at all without words.
        progress: is told how far the decoding is.

    Raises:
        UsageError: the format is unknown.
        InputError: the word lists cannot be read, or `strict` and rows were rejected (only the rejects are written).
        ArtifactError: the engines are too short for the contract.
        OutputError: a file cannot be written.
        StoppedEarlyError: a signal came; nothing was written.
    """
    started = time.perf_counter()
    writer = _prepared(job)
    with _stop_on_signals() as stop:
        planned = plan(_stoppable(read(job.source), stop), job.contract, job.plan)
        stop.check("while planning")
        if job.strict and len(planned.rejects):
            raise _refusal(planned, job.run_dir / REJECTS_FILE)
        decode_started = time.perf_counter()
        answers = pronounce(planned.words, job.contract, engines, job.workers, _Watch(progress, stop))
        decode_seconds = time.perf_counter() - decode_started
        lexicon = _merged(planned.words, answers, job.order)
        publish(job.run_dir / REJECTS_FILE, partial(write_rejects, planned.rejects))
        options = WriteOptions(job.scores, _provenance(job))
        publish(job.output, lambda draft: writer.write(lexicon.to_batches(), draft, options))
        summary = _summary(job, planned, lexicon, time.perf_counter() - started, decode_seconds)
        publish(job.run_dir / SUMMARY_FILE, partial(_save, summary))
    return summary


def _prepared(job: Job) -> Format:
    """Make the run's folder, check that its files can be written, and return the lexicon's format."""
    known = format_for(job.output, job.format)
    make_folder(job.run_dir)
    for path in (job.output, job.run_dir / REJECTS_FILE, job.run_dir / SUMMARY_FILE):
        require_writable(path)
    return known


class _Stop:
    """The signal that asked to stop, if any. A plain attribute: a handler may interrupt another one."""

    name: str | None = None

    def handle(self, number: int, _frame: object) -> None:
        self.name = signal.Signals(number).name

    def check(self, progress: str) -> None:
        if self.name:
            raise StoppedEarlyError(
                f"stopped by {self.name} {progress}; nothing was written: run the same command again"
            )


@contextmanager
def _stop_on_signals() -> Iterator[_Stop]:
    stop = _Stop()
    if threading.current_thread() is not threading.main_thread():  # Python lets only the main thread set handlers
        yield stop
        return
    before = {number: signal.signal(number, stop.handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)  # None: set by something other than Python


def _stoppable(rows: Iterable[pa.RecordBatch], stop: _Stop) -> Iterator[pa.RecordBatch]:
    for batch in rows:
        stop.check("while reading the input")
        yield batch


def _refusal(planned: Plan, path: Path) -> InputError:
    publish(path, partial(write_rejects, planned.rejects))
    reasons = listed(counted(planned.rejects["reason"]))
    return InputError(
        f"{count_of(len(planned.rejects), 'row')} of {planned.rows_in:,} rejected ({reasons}), listed in {path}: "
        "mend the input, or run without --strict"
    )


class _Watch:
    """Progress that also counts, and stops the run between two batches."""

    def __init__(self, progress: Progress, stop: _Stop) -> None:
        self._progress, self._stop = progress, stop
        self._done = self._total = 0

    def start(self, total_words: int) -> None:
        self._total = total_words
        self._progress.start(total_words)

    def advance(self, words: int) -> None:
        self._done += words
        self._progress.advance(words)
        self._stop.check(f"after {self._done:,} of {self._total:,} words")

    def close(self) -> None:
        self._progress.close()


def _merged(words: pa.Table, answers: Answers, order: Order) -> pa.Table:
    words = words.combine_chunks()
    rows = pc.sort_indices(words, _SORT_KEYS[order]).to_numpy().astype(np.int64)
    slices = [rows[start : start + _ROWS] for start in range(0, len(rows), _ROWS)]
    return pa.Table.from_batches([entries(words.take(part), answers.take(part)) for part in slices], LEXICON)


def _provenance(job: Job) -> dict[str, str]:
    return {
        "g2p-batch.tool": _tool(),
        "g2p-batch.checkpoint": job.contract.checkpoint_sha256,
        "g2p-batch.prefix": job.contract.prefix,
        "g2p-batch.dtype": job.dtype,
        "g2p-batch.normalization": job.plan.normalize,
    }


def _tool() -> str:
    try:
        return f"g2p-batch {version('g2p-batch')}"
    except PackageNotFoundError:  # imported from a source tree
        return "g2p-batch (not installed)"


def _summary(job: Job, planned: Plan, lexicon: pa.Table, seconds: float, decode_seconds: float) -> Summary:
    return Summary(
        rows_in=planned.rows_in,
        words=len(planned.words),
        duplicates=planned.duplicates,
        rejects=counted(planned.rejects["reason"]),
        statuses=counted(lexicon["status"]),
        languages=counted(lexicon["lang"]),
        seconds=round(seconds, 3),
        decode_seconds=round(decode_seconds, 3),
        lexicon=str(job.output),
        rejects_file=str(job.run_dir / REJECTS_FILE),
        summary_file=str(job.run_dir / SUMMARY_FILE),
        provenance=_provenance(job),
    )


def _save(summary: Summary, path: Path) -> None:
    path.write_text(summary.to_json(), encoding="utf-8")
