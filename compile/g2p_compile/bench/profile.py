"""Where our own time goes and how many of the computed rows were needed, from one pass on one worker."""

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from g2p_batch.model.contract import Contract, LengthBucket, Shapes
from g2p_batch.model.greedy import Cache, Decoded, Engine, Hidden, Rows, StreamingEngine, decode
from g2p_batch.model.tokenizer import EOS, Float32, Int32, detokenize, tokenize
from g2p_compile.bench.flops import Work
from g2p_compile.bench.results import Profile, Use

T = TypeVar("T")

_STAGES = ("tokenise", "encode", "prefill", "step", "loop", "detokenise")


class Watched:
    """An engine that keeps time and counts rows."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.seconds = dict.fromkeys(_STAGES, 0.0)
        self.encoded = 0
        """Positions of all batches, padding included."""
        self.stepped = 0
        """Rows of all steps, inert ones included."""

    @property
    def shapes(self) -> Shapes:
        """Those of the engine."""
        return self._engine.shapes

    def open(self, bucket: LengthBucket) -> Cache:
        """As the engine."""
        return self._engine.open(bucket)

    def encode(self, bucket: LengthBucket, ids: Int32, lengths: Int32) -> Hidden:
        """As the engine."""
        self.encoded += ids.size
        return self.timed("encode", lambda: self._engine.encode(bucket, ids, lengths))

    def prefill(self, cache: Cache, hidden: Hidden, slots: Int32) -> None:
        """As the engine."""
        self.timed("prefill", lambda: self._engine.prefill(cache, hidden, slots))

    def step(self, cache: Cache, rows: Rows) -> tuple[Int32, Float32]:
        """As the engine."""
        self.stepped += len(rows.token)
        return self.timed("step", lambda: self._engine.step(cache, rows))

    def timed(self, stage: str, work: Callable[[], T]) -> T:
        """Do something and add its time to a stage."""
        started = time.perf_counter()
        result = work()
        self.seconds[stage] += time.perf_counter() - started
        return result


def profile(
    engine: Engine, contract: Contract, words: Sequence[str], langs: Sequence[str]
) -> tuple[Profile | None, Work]:
    """Pronounce words on one engine; returns where the time went and what the words amount to.

    An engine that has its own loop cannot be watched: its stages run while the host does something else.
    """
    watched = Watched(engine)
    prefixes = pa.array([contract.prefix_for(lang) for lang in langs])
    ids, lengths = watched.timed("tokenise", lambda: tokenize(pa.array(words), prefixes))
    limit = engine.shapes.longest.target_bytes
    if isinstance(engine, StreamingEngine):
        return None, Work.of(lengths, tokens_of(decode(engine, ids, lengths), limit))
    decoded = watched.timed("loop", lambda: decode(watched, ids, lengths))
    watched.timed("detokenise", lambda: detokenize(decoded.ids))
    watched.seconds["loop"] -= sum(watched.seconds[stage] for stage in ("encode", "prefill", "step"))
    work = Work.of(lengths, tokens_of(decoded, limit))
    return Profile(watched.seconds, Use(work.source, watched.encoded), Use(work.tokens, watched.stepped)), work


def tokens_of(decoded: Decoded, limit: int) -> npt.NDArray[np.int64]:
    """Return the number of tokens [N] of every output, EOS included; `limit` where it was cut."""
    ends: npt.NDArray[np.int64] = (decoded.ids == EOS).argmax(axis=1) + 1
    return np.where(decoded.truncated, limit, ends)
