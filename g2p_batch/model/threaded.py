"""Planned words into answers: threads with an engine each, chunks from shared feeds, answers in the plan's order."""

import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import groupby
from operator import attrgetter
from queue import SimpleQueue

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from g2p_batch.errors import ArtifactError
from g2p_batch.model.contract import Contract, LengthBucket, Shapes
from g2p_batch.model.greedy import (
    Chunk,
    Engine,
    Indices,
    TokenizedChunk,
    can_retry,
    chunks,
    decode_stream,
    retries,
)
from g2p_batch.model.ids import Bool
from g2p_batch.model.nbest import Search, search_stream
from g2p_batch.model.progress import Progress
from g2p_batch.model.repetition import repeated
from g2p_batch.model.search_engine import require_search
from g2p_batch.model.tokenizer import text_of, tokens_of


@dataclass(frozen=True)
class Answers:
    """What the model said to N words.

    Attributes:
        pron: string or large_string [N], no nulls, as decoded.
        logprob: [N] float32.
        truncated: [N] bool.
        invalid_utf8: [N] bool.
        repeated: [N] bool, as `repetition.repeated` says.
    """

    pron: pa.Array
    logprob: npt.NDArray[np.float32]
    truncated: Bool
    invalid_utf8: Bool
    repeated: Bool

    def take(self, rows: npt.NDArray[np.int64]) -> "Answers":
        """Return the answers of `rows`, [n] int64, in that order."""
        flags = (self.truncated[rows], self.invalid_utf8[rows], self.repeated[rows])
        return Answers(self.pron.take(pa.array(rows)), self.logprob[rows], *flags)


def pronounce(
    words: pa.Table, contract: Contract, engines: Callable[[], Engine], workers: int, progress: Progress
) -> Answers:
    """Decode planned words on threads.

    Answers do not depend on the number of workers or on timing.

    Args:
        words: N rows with columns `word`, as the model is asked, `lang`, and `src_bytes` of prefix and word.
        contract: the model's contract.
        engines: makes an engine; called once per worker that is needed, in this thread, and not at all without words.
        workers: most threads, at least 1.
        progress: is told how far the decoding is.

    Returns:
        N answers in the order of `words`.

    Raises:
        ArtifactError: the engines are too short for the contract.
    """
    pieces = _decoded(words, contract, engines, workers, progress, _greedy)
    return _placed(pieces, words).answers


@dataclass(frozen=True)
class Variants:
    """The most probable outputs of N words.

    Attributes:
        answers: [V], those of a word adjacent, the most probable first, each text once.
        word: [V] int64, rising: the place of the word.
        rank: [V] int8, from 1.
        proven: [V] bool, whether the outputs of the word are the most probable ones for certain.
    """

    answers: Answers
    word: Indices
    rank: npt.NDArray[np.int8]
    proven: Bool


def pronounce_variants(
    words: pa.Table,
    contract: Contract,
    engines: Callable[[], Engine],
    workers: int,
    progress: Progress,
    search: Search,
) -> Variants:
    """Find the most probable outputs of planned words, as `pronounce` does with the one that greedy decoding finds.

    Outputs of the same text are one, with the sum of their probabilities.

    Raises:
        ArtifactError: the engines cannot search, or are too short for the contract.
    """

    def found(engine: Engine, bucket: LengthBucket, feed: Iterable[TokenizedChunk]) -> Iterator[_Piece]:
        for one in search_stream(require_search(engine), bucket, feed, search):
            pron, invalid = text_of(one.out.ids)
            yield _Piece(bucket, one.rows, one.count, pron, one.out.logprob, one.out.truncated, invalid, one.proven)

    placed = _placed(_decoded(words, contract, engines, workers, progress, found), words)
    return _each_text_once(placed)


_Decode = Callable[[Engine, LengthBucket, Iterable[TokenizedChunk]], "Iterator[_Piece]"]


def _decoded(
    words: pa.Table,
    contract: Contract,
    engines: Callable[[], Engine],
    workers: int,
    progress: Progress,
    decode: _Decode,
) -> "list[_Piece]":
    """Decode planned words [N] on threads; a word that a short bucket cuts off is in a second piece."""
    if not len(words):
        return []
    first = engines()
    shapes = first.shapes
    _require_room(shapes, contract)
    src_bytes = words["src_bytes"].to_numpy()
    cut = list(chunks(src_bytes, shapes))
    cut.reverse()  # long words first: what is left at the end, when rows run empty, is short
    crew = _Crew([first, *(engines() for _ in range(min(workers, len(cut)) - 1))], _Words(words, contract), decode)
    pieces: list[_Piece] = []
    again = [np.zeros(0, np.int64)]
    progress.start(len(words))
    try:
        with closing(crew.run(cut)) as done:
            for piece in done:
                pieces.append(piece)
                short = piece.is_cut & can_retry(piece.bucket, shapes)
                again.append(piece.rows[short])
                progress.advance(len(short) - int(short.sum()))
        with closing(crew.run(list(retries(np.concatenate(again), src_bytes, shapes)))) as done:
            for piece in done:
                pieces.append(piece)
                progress.advance(len(piece.rows))
    finally:
        progress.close()
    return pieces


@dataclass(frozen=True)
class _Piece:
    """Words [n] that ended, by their places in the plan, each with `count` answers."""

    bucket: LengthBucket
    rows: Indices
    count: Indices
    pron: pa.Array
    logprob: npt.NDArray[np.float32]
    truncated: Bool
    invalid_utf8: Bool
    proven: Bool
    """[n]."""

    @property
    def is_cut(self) -> Bool:
        """Whether any answer of a word met the longest length, [n]."""
        cut: Bool = np.logical_or.reduceat(self.truncated, np.cumsum(self.count) - self.count)
        return cut


class _Words:
    """The planned words, tokenized; threads may take any selection."""

    def __init__(self, words: pa.Table, contract: Contract) -> None:
        langs = _whole(words["lang"]).dictionary_encode()
        prefixes = pa.array(map(contract.prefix_for, langs.dictionary.to_pylist()), pa.large_string())
        self._tokens = tokens_of(_whole(words["word"]), prefixes.take(langs.indices))

    def source(self, chunk: Chunk) -> TokenizedChunk:
        return TokenizedChunk(chunk.rows, *self._tokens.rows(chunk.rows))


class _Feed:
    """Chunks that several threads take from, each chunk once."""

    def __init__(self, cut: Iterable[Chunk], words: _Words) -> None:
        self._cut, self._words = iter(cut), words
        self._lock = threading.Lock()

    def __iter__(self) -> Iterator[TokenizedChunk]:
        while True:
            with self._lock:
                chunk = next(self._cut, None)
            if chunk is None:
                return
            yield self._words.source(chunk)

    def close(self) -> None:
        """Give nothing more."""
        with self._lock:
            self._cut = iter(())


class _Crew:
    """Threads that decode with an engine each, all from the same feeds."""

    def __init__(self, engines: Sequence[Engine], words: _Words, decode: _Decode) -> None:
        self._engines, self._words, self._decode = engines, words, decode

    def run(self, cut: Sequence[Chunk]) -> Generator[_Piece, None, None]:
        """Decode all chunks; what ends is given in the thread that asks, in no certain order."""
        parts = [(bucket, list(part)) for bucket, part in groupby(cut, key=attrgetter("bucket"))]
        feeds = [(bucket, _Feed(part, self._words)) for bucket, part in parts]
        done: SimpleQueue[_Piece | BaseException | None] = SimpleQueue()
        threads = [
            threading.Thread(target=_work, args=(engine, feeds, self._decode, done), name=f"decode-{i}")
            for i, engine in enumerate(self._engines if cut else [])
        ]
        for thread in threads:
            thread.start()
        working = len(threads)
        try:
            while working:
                piece = done.get()
                if isinstance(piece, _Piece):
                    yield piece
                elif piece is None:
                    working -= 1
                else:
                    raise piece
        finally:
            for _, feed in feeds:
                feed.close()
            for thread in threads:
                thread.join()


def _work(
    engine: Engine,
    feeds: Sequence[tuple[LengthBucket, _Feed]],
    decode: _Decode,
    done: "SimpleQueue[_Piece | BaseException | None]",
) -> None:
    """Decode until the feeds are empty; an error goes to whoever reads `done`, and ends this thread."""
    try:
        for bucket, feed in feeds:
            for piece in decode(engine, bucket, feed):
                done.put(piece)
    except BaseException as error:  # whatever it is, the thread that asked must learn of it
        done.put(error)
    else:
        done.put(None)


def _greedy(engine: Engine, bucket: LengthBucket, feed: Iterable[TokenizedChunk]) -> Iterator[_Piece]:
    for finished in decode_stream(engine, bucket, feed):
        out, one = finished.out, np.ones(len(finished.rows), np.int64)
        pron, invalid = text_of(out.ids)
        yield _Piece(bucket, finished.rows, one, pron, out.logprob, out.truncated, invalid, one.astype(np.bool_))


def _placed(pieces: Sequence[_Piece], words: pa.Table) -> Variants:
    """Bring the answers into the order of the words [N]; the last piece that holds a word counts."""
    rows, count = (
        np.concatenate([np.zeros(0, np.int64), *(getattr(piece, name) for piece in pieces)])
        for name in ("rows", "count")
    )
    order = np.zeros(len(words), np.int64)
    order[rows] = np.arange(len(rows))
    of_word, start = count[order], (np.cumsum(count) - count)[order]
    word = np.repeat(np.arange(len(words)), of_word)
    number = np.arange(len(word)) - np.repeat(np.cumsum(of_word) - of_word, of_word)
    at = start[word] + number if len(word) else word
    prons = pa.concat_arrays([pa.array([], pa.large_string()), *(piece.pron for piece in pieces)]).take(pa.array(at))
    logprob = np.concatenate([np.zeros(0, np.float32), *(piece.logprob for piece in pieces)])[at]
    truncated, invalid = (
        np.concatenate([np.zeros(0, np.bool_), *(getattr(piece, name) for piece in pieces)])[at]
        for name in ("truncated", "invalid_utf8")
    )
    proven = np.concatenate([np.zeros(0, np.bool_), *(piece.proven for piece in pieces)])[order][word]
    asked = words["word"] if len(word) == len(words) else words["word"].take(pa.array(word))
    answers = Answers(prons, logprob, truncated, invalid, repeated(prons, asked))
    return Variants(answers, word, (number + 1).astype(np.int8), proven)


def _each_text_once(found: Variants) -> Variants:
    """Add the probabilities of outputs of a word that are the same text, and order them anew, equals by their bytes."""
    answers = found.answers
    codes = answers.pron.dictionary_encode()
    texts = codes.dictionary.to_pylist()
    by_bytes = np.zeros(len(texts), np.int64)
    by_bytes[sorted(range(len(texts)), key=lambda at: texts[at].encode())] = np.arange(len(texts))
    text = by_bytes[codes.indices.to_numpy()]
    _, first, group = np.unique(found.word * max(len(texts), 1) + text, return_index=True, return_inverse=True)
    logprob = np.full(len(first), -np.inf, np.float64)
    np.logaddexp.at(logprob, group, answers.logprob.astype(np.float64))
    total = logprob.astype(np.float32)
    order = np.lexsort((text[first], -total, found.word[first]))
    at = first[order]
    word = found.word[at]
    number = np.arange(len(at)) - np.searchsorted(word, word)
    kept = answers.take(at)
    return Variants(replace(kept, logprob=total[order]), word, (number + 1).astype(np.int8), found.proven[at])


def _require_room(shapes: Shapes, contract: Contract) -> None:
    if shapes.longest.source_bytes < contract.max_source_bytes:
        raise ArtifactError(
            f"the compiled model takes {shapes.longest.source_bytes} bytes of prefix and word, its contract allows "
            f"{contract.max_source_bytes}: compile it again with `g2p-batch compile`"
        )


def _whole(column: pa.ChunkedArray) -> pa.Array:
    """Return a column in one piece, of any size."""
    return pa.concat_arrays([pa.array([], pa.large_string()), *column.cast(pa.large_string()).chunks])
