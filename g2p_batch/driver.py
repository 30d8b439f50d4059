"""One run on this machine: plan, decode on worker threads, merge, publish."""

import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from queue import SimpleQueue
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from g2p_batch.codec import detokenize, tokenize
from g2p_batch.contract import Contract, Shapes
from g2p_batch.decode import Batch, Engine, batches, can_retry, decode_batch, retries
from g2p_batch.errors import ArtifactError, InputError, StoppedEarlyError
from g2p_batch.formats import format_for
from g2p_batch.formats.lexicon import LEXICON, Answers, WriteOptions, entries
from g2p_batch.formats.tsv import write_rejects
from g2p_batch.plan import Plan, PlanOptions, plan
from g2p_batch.publish import make_folder, publish, require_writable
from g2p_batch.report import Summary, count_of, counted, listed
from g2p_batch.wordlist import Source, read

Order = Literal["input", "word"]

REJECTS_FILE = "rejects.tsv"
SUMMARY_FILE = "run-summary.json"

_ROWS = 65536
_AHEAD = 4
"""Batches in flight per worker: enough that a slow one does not leave the others without work."""

_SORT_KEYS: dict[Order, list[tuple[str, str]]] = {
    "input": [("row", "ascending")],
    "word": [("lang", "ascending"), ("word", "ascending")],
}

Indices = npt.NDArray[np.int64]


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


class Progress(Protocol):
    """Is told how far the decoding is, always from the thread that called `generate`."""

    def start(self, total_words: int) -> None:
        """Decoding of `total_words` begins."""

    def advance(self, words: int) -> None:
        """As many more words are final."""

    def close(self) -> None:
        """Decoding is over, complete or not; called once after each `start`."""


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
    writer = format_for(job.output, job.format)
    make_folder(job.run_dir)
    for path in (job.output, job.run_dir / REJECTS_FILE, job.run_dir / SUMMARY_FILE):
        require_writable(path)
    with _stop_on_signals() as stop:
        planned = plan(_stoppable(read(job.source), stop), job.contract, job.plan)
        stop.check("while planning")
        if job.strict and len(planned.rejects):
            raise _refusal(planned, job.run_dir / REJECTS_FILE)
        decode_started = time.perf_counter()
        answers = _answers(job, planned.words, engines, progress, stop)
        decode_seconds = time.perf_counter() - decode_started
        lexicon = _merged(planned.words, answers, job.order)
        publish(job.run_dir / REJECTS_FILE, partial(write_rejects, planned.rejects))
        options = WriteOptions(job.scores, _provenance(job))
        publish(job.output, lambda draft: writer.write(lexicon.to_batches(), draft, options))
        summary = _summary(job, planned, lexicon, time.perf_counter() - started, decode_seconds)
        publish(job.run_dir / SUMMARY_FILE, partial(_save, summary))
    return summary


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


@dataclass(frozen=True)
class _Piece:
    """One decoded batch."""

    batch: Batch
    answers: Answers


class _Words:
    """The planned words, ready to be tokenized in any selection from any thread."""

    def __init__(self, words: pa.Table, contract: Contract) -> None:
        self._word = _whole(words["word"])
        langs = _whole(words["lang"]).dictionary_encode()
        prefixes = [contract.prefix_for(lang) for lang in langs.dictionary.to_pylist()]
        self._prefix = pa.DictionaryArray.from_arrays(langs.indices, pa.array(prefixes, pa.large_string()))

    def pronounce(self, engine: Engine, batch: Batch) -> _Piece:
        ids, lengths = tokenize(self._word.take(batch.rows), self._prefix.take(batch.rows).dictionary_decode())
        out = decode_batch(engine, batch.bucket, ids, lengths)
        pron, invalid = detokenize(out.ids)
        return _Piece(batch, Answers(pron, out.logprob, out.truncated, invalid))


class _Crew:
    """Threads that own one engine each; results come in the order of the batches."""

    def __init__(self, engines: Sequence[Engine]) -> None:
        self._spare: SimpleQueue[Engine] = SimpleQueue()
        for engine in engines:
            self._spare.put(engine)
        self._own = threading.local()
        self._ahead = _AHEAD * len(engines)
        self._pool = ThreadPoolExecutor(len(engines), "decode", self._claim)

    def __enter__(self) -> "_Crew":
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def run(self, work: Callable[[Engine, Batch], _Piece], cut: Iterable[Batch]) -> Iterator[_Piece]:
        pending: deque[Future[_Piece]] = deque()
        for batch in cut:
            pending.append(self._pool.submit(lambda batch: work(self._own.engine, batch), batch))
            if len(pending) == self._ahead:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()

    def _claim(self) -> None:
        self._own.engine = self._spare.get()


def _answers(job: Job, words: pa.Table, engines: Callable[[], Engine], progress: Progress, stop: _Stop) -> Answers:
    """Decode all words; answer i belongs to row i of `words`."""
    if not len(words):
        return _placed([], 0)
    first = engines()
    _require_room(first.shapes, job.contract)
    cut = list(batches(words["src_bytes"].to_numpy(), first.shapes))
    cut.reverse()  # long batches first, so that no worker ends alone with one
    crew = [first, *(engines() for _ in range(min(job.workers, len(cut)) - 1))]
    progress.start(len(words))
    try:
        with _Crew(crew) as workers:
            return _decoded(workers, _Words(words, job.contract), cut, first.shapes, _Meter(progress, stop, len(words)))
    finally:
        progress.close()


class _Meter:
    """Counts final words, tells the progress, and stops the run between two batches."""

    def __init__(self, progress: Progress, stop: _Stop, total: int) -> None:
        self._progress, self._stop, self._total = progress, stop, total
        self._done = 0

    def advance(self, words: int) -> None:
        self._done += words
        self._progress.advance(words)
        self._stop.check(f"after {self._done:,} of {self._total:,} words")


def _decoded(workers: _Crew, words: _Words, cut: Sequence[Batch], shapes: Shapes, meter: _Meter) -> Answers:
    pieces: list[_Piece] = []
    again: list[Indices] = []
    for piece in workers.run(words.pronounce, cut):
        pieces.append(piece)
        short = piece.answers.truncated & can_retry(piece.batch.bucket, shapes)
        again.append(piece.batch.rows[short])
        meter.advance(len(short) - int(short.sum()))
    for piece in workers.run(words.pronounce, retries(np.concatenate(again), shapes)):
        pieces.append(piece)
        meter.advance(len(piece.batch.rows))
    return _placed(pieces, sum(len(batch.rows) for batch in cut))


def _placed(pieces: Sequence[_Piece], words: int) -> Answers:
    """Bring the answers into the order of the words; the last piece that holds a word counts."""
    rows = np.concatenate([np.zeros(0, np.int64), *(piece.batch.rows for piece in pieces)])
    place = np.zeros(words, np.int64)
    place[rows] = np.arange(len(rows))
    answers = [piece.answers for piece in pieces]
    prons = [pa.array([], pa.large_string()), *(answer.pron.cast(pa.large_string()) for answer in answers)]
    whole = Answers(
        pa.concat_arrays(prons),
        np.concatenate([np.zeros(0, np.float32), *(answer.logprob for answer in answers)]),
        np.concatenate([np.zeros(0, np.bool_), *(answer.truncated for answer in answers)]),
        np.concatenate([np.zeros(0, np.bool_), *(answer.invalid_utf8 for answer in answers)]),
    )
    return whole.take(place)


def _merged(words: pa.Table, answers: Answers, order: Order) -> pa.Table:
    words = words.combine_chunks()
    rows = pc.sort_indices(words, _SORT_KEYS[order]).to_numpy().astype(np.int64)
    slices = [rows[start : start + _ROWS] for start in range(0, len(rows), _ROWS)]
    return pa.Table.from_batches([entries(words.take(part), answers.take(part)) for part in slices], LEXICON)


def _require_room(shapes: Shapes, contract: Contract) -> None:
    if shapes.longest.source_bytes < contract.max_source_bytes:
        raise ArtifactError(
            f"the compiled model takes {shapes.longest.source_bytes} bytes of prefix and word, its contract allows "
            f"{contract.max_source_bytes}: compile it again with `g2p-batch compile`"
        )


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


def _whole(column: pa.ChunkedArray) -> pa.Array:
    """Return a column in one piece, of any size."""
    return pa.concat_arrays([pa.array([], pa.large_string()), *column.cast(pa.large_string()).chunks])
