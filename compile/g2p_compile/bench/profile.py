"""Where our own time goes and how many of the computed rows were needed, from one pass on one worker."""

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from g2p_batch.model.contract import Contract, LengthBucket, Shapes
from g2p_batch.model.greedy import Cache, Engine, Hidden, Rows, StreamingEngine
from g2p_batch.model.ids import Float32, Int32
from g2p_batch.model.progress import Silent
from g2p_batch.model.threaded import Answers, pronounce
from g2p_compile.bench.flops import Work
from g2p_compile.bench.results import Profile, Use
from g2p_compile.check.planned_words import planned

T = TypeVar("T")

_OF_ENGINE, _LOOP = ("encode", "prefill", "step"), "loop"


class Watched:
    """An engine that keeps time and counts rows."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.seconds = dict.fromkeys((*_OF_ENGINE, _LOOP), 0.0)
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
    table = planned(words, langs, contract)
    watched = Watched(engine)
    used = engine if isinstance(engine, StreamingEngine) else watched
    answers = watched.timed(_LOOP, lambda: pronounce(table, contract, lambda: used, 1, Silent()))
    work = Work.of(table["src_bytes"].to_numpy(), tokens_of(answers, engine.shapes.longest.target_bytes))
    if used is engine:
        return None, work
    watched.seconds[_LOOP] -= sum(watched.seconds[stage] for stage in _OF_ENGINE)
    return Profile(watched.seconds, Use(work.source, watched.encoded), Use(work.tokens, watched.stepped)), work


def tokens_of(answers: Answers, limit: int) -> npt.NDArray[np.int64]:
    """Return the number of tokens [N] of every answer, one for each byte and one for the end; `limit` where it was cut.

    Tokens that are no part of a text, which a trained model does not say, are not among them.
    """
    octets = pc.binary_length(answers.pron).to_numpy().astype(np.int64)
    return np.where(answers.truncated, limit, octets + 1)
