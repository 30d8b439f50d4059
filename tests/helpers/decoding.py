"""Words through the decode loop, in the order in which they are listed, without text and threads around it."""

from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import attrgetter

import numpy as np

from g2p_batch.model.greedy import (
    Chunk,
    Decoded,
    Engine,
    FinishedWords,
    TokenizedChunk,
    can_retry,
    chunks,
    decode_stream,
    retries,
)
from g2p_batch.model.ids import Int32


def decode(engine: Engine, ids: Int32, lengths: Int32) -> Decoded:
    """Decode words of `tokenize`, each in its bucket, and again in the longest one those that a shorter one cut."""
    shapes = engine.shapes
    ended: list[FinishedWords] = []
    again = [np.zeros(0, np.int64)]
    for bucket, part in groupby(chunks(lengths, shapes), key=attrgetter("bucket")):
        for finished in decode_stream(engine, bucket, _tokenized(part, ids, lengths)):
            ended.append(finished)
            if can_retry(bucket, shapes):
                again.append(finished.rows[finished.out.truncated])
    last = _tokenized(retries(np.concatenate(again), lengths, shapes), ids, lengths)
    ended.extend(decode_stream(engine, shapes.longest, last))
    return _gather(ended, len(lengths))


def _tokenized(cut: Iterable[Chunk], ids: Int32, lengths: Int32) -> Iterator[TokenizedChunk]:
    for chunk in cut:
        yield TokenizedChunk(chunk.rows, ids[chunk.rows], lengths[chunk.rows])


def _gather(ended: list[FinishedWords], words: int) -> Decoded:
    """Put the outputs into the order of the words; the last output of a word counts."""
    width = max((finished.out.ids.shape[1] for finished in ended), default=0)
    whole = Decoded(np.zeros((words, width), np.int32), np.zeros(words, np.float32), np.zeros(words, np.bool_))
    for finished in ended:
        rows, out = finished.rows, finished.out
        whole.ids[rows, : out.ids.shape[1]] = out.ids
        whole.logprob[rows] = out.logprob
        whole.truncated[rows] = out.truncated
    return whole
