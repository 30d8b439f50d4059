"""Planned words into answers: threads with an engine each, batches from one queue, results in order."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Protocol

import numpy as np
import pyarrow as pa

from g2p_batch.codec import detokenize, tokenize
from g2p_batch.contract import Contract, Shapes
from g2p_batch.decode import Batch, Engine, Indices, batches, can_retry, decode_batch, retries
from g2p_batch.errors import ArtifactError
from g2p_batch.formats.lexicon import Answers

_AHEAD = 4
"""Batches in flight per worker: enough that a slow one does not leave the others without work."""


class Progress(Protocol):
    """Is told how far the decoding is, always from the thread that asked for it."""

    def start(self, total_words: int) -> None:
        """Decoding of `total_words` begins."""

    def advance(self, words: int) -> None:
        """As many more words are final; an exception raised here ends the decoding."""

    def close(self) -> None:
        """Decoding is over, complete or not; called once after each `start`."""


def pronounce(
    words: pa.Table, contract: Contract, engines: Callable[[], Engine], workers: int, progress: Progress
) -> Answers:
    """Decode planned words on threads.

    Answers do not depend on the number of workers or on timing.

    Args:
        words: N rows of schema `plan.WORDS`.
        contract: the model's contract.
        engines: makes an engine; called once per worker that is needed, in this thread, and not at all without words.
        workers: most threads, at least 1.
        progress: is told how far the decoding is.

    Returns:
        N answers in the order of `words`.

    Raises:
        ArtifactError: the engines are too short for the contract.
    """
    if not len(words):
        return _placed([], 0)
    first = engines()
    _require_room(first.shapes, contract)
    cut = list(batches(words["src_bytes"].to_numpy(), first.shapes))
    cut.reverse()  # long batches first, so that no worker ends alone with one
    crew = [first, *(engines() for _ in range(min(workers, len(cut)) - 1))]
    progress.start(len(words))
    try:
        with _Crew(crew) as threads:
            return _decoded(threads, _Words(words, contract), cut, first.shapes, progress)
    finally:
        progress.close()


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


def _decoded(threads: _Crew, words: _Words, cut: Sequence[Batch], shapes: Shapes, progress: Progress) -> Answers:
    pieces: list[_Piece] = []
    again: list[Indices] = []
    for piece in threads.run(words.pronounce, cut):
        pieces.append(piece)
        short = piece.answers.truncated & can_retry(piece.batch.bucket, shapes)
        again.append(piece.batch.rows[short])
        progress.advance(len(short) - int(short.sum()))
    for piece in threads.run(words.pronounce, retries(np.concatenate(again), shapes)):
        pieces.append(piece)
        progress.advance(len(piece.batch.rows))
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


def _require_room(shapes: Shapes, contract: Contract) -> None:
    if shapes.longest.source_bytes < contract.max_source_bytes:
        raise ArtifactError(
            f"the compiled model takes {shapes.longest.source_bytes} bytes of prefix and word, its contract allows "
            f"{contract.max_source_bytes}: compile it again with `g2p-batch compile`"
        )


def _whole(column: pa.ChunkedArray) -> pa.Array:
    """Return a column in one piece, of any size."""
    return pa.concat_arrays([pa.array([], pa.large_string()), *column.cast(pa.large_string()).chunks])
