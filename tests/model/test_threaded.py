"""Threads that share the words of a run, on engines that answer from a dictionary."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from g2p_batch.model.contract import Contract, LengthBucket, Shapes
from g2p_batch.model.greedy import Rows
from g2p_batch.model.ids import Float32, Int32
from g2p_batch.model.progress import Silent
from g2p_batch.model.threaded import Answers, pronounce
from g2p_batch.words.filter import WORDS
from tests.helpers.fake_engine import Echo, FakeEngine, logprob_of
from tests.helpers.fake_model import CONTRACT

SHAPES = Shapes(
    (LengthBucket(16, 12, batch=4, chunk=3), LengthBucket(32, 28, batch=2, chunk=5), LengthBucket(64, 128, 2, 2)),
    (1, 2, 4, 8),
)
PRONS = {
    "eau": "o",
    "château": "ʃɑto",
    "anticonstitutionnellement": "ɑ̃tikɔ̃stitysjɔnɛlmɑ̃",  # cut by 28 tokens
    "œil": "œj",
    "h": "",
    "long": "x" * 200,  # cut by every bucket
    "çà": b"s\xc9a",
    "short": "x" * 30,  # cut by 12 tokens
    "brief": "y" * 13,
}
ANSWERS = Echo({f"<fra>: {word}": pron for word, pron in PRONS.items()})
LISTED = [*PRONS, *(f"{'abcdefghij'[i % 10] * (i % 43 + 1)}{i}" for i in range(300))]
WAIT = 10.0
"""Seconds after which a thread that another one should have joined counts as lost."""


def planned(words: list[str], contract: Contract = CONTRACT) -> pa.Table:
    prefix = contract.prefix_for("fra")
    src_bytes = [len((prefix + word).encode()) for word in words]
    numbers = range(len(words))
    nothing = pa.nulls(len(words), pa.string())
    return pa.table([numbers, ["fra"] * len(words), words, src_bytes, nothing, nothing], schema=WORDS)


def wanted(word: str) -> tuple[str, np.float32, bool, bool]:
    """Return pronunciation, log-probability, truncated and invalid_utf8 of a word."""
    pron = PRONS.get(word, word)
    octets = pron.encode() if isinstance(pron, str) else pron
    score = np.float32(0)
    for position in range(min(len(octets) + 1, 128)):
        score += logprob_of(f"<fra>: {word}".encode(), position)
    return octets[:128].decode(errors="ignore"), score, len(octets) >= 128, isinstance(pron, bytes)


def cut_short(word: str) -> bool:
    """Tell whether a word is truncated in a bucket that is not the longest."""
    length = len(f"<fra>: {word}".encode())
    bucket = next(bucket for bucket in SHAPES.buckets if bucket.source_bytes >= length)
    pron = ANSWERS[f"<fra>: {word}"]
    octets = pron.encode() if isinstance(pron, str) else pron
    return bucket != SHAPES.longest and len(octets) >= bucket.target_bytes


def rows_of(answers: Answers) -> list[tuple[Any, ...]]:
    columns = (answers.pron.to_pylist(), answers.logprob, answers.truncated.tolist(), answers.invalid_utf8.tolist())
    return list(zip(*columns, strict=True))


def decoding() -> list[str]:
    """Return the names of the threads that decode."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("decode")]


class Recorder:
    """Progress that keeps what it was told, in which thread, and which threads still decode when it is closed."""

    def __init__(self, on_advance: Callable[[], None] = lambda: None) -> None:
        self.told: list[tuple[str, int]] = []
        self.threads: set[int] = set()
        self.left: list[str] = []
        self._on_advance = on_advance

    @property
    def done(self) -> int:
        return sum(words for call, words in self.told if call == "advance")

    def start(self, total_words: int) -> None:
        self._tell("start", total_words)

    def advance(self, words: int) -> None:
        self._tell("advance", words)
        self._on_advance()

    def close(self) -> None:
        self._tell("close", 0)
        self.left = decoding()

    def _tell(self, call: str, words: int) -> None:
        self.told.append((call, words))
        self.threads.add(threading.get_ident())


class Owned(FakeEngine):
    """Remembers the threads that used it; the first call of each waits until all engines were called."""

    def __init__(self, gate: threading.Barrier, shapes: Shapes = SHAPES) -> None:
        super().__init__(ANSWERS, shapes)
        self.threads: set[int] = set()
        self._gate = gate

    def encode(self, bucket: LengthBucket, ids: Int32, lengths: Int32) -> Any:
        if not self.threads:
            self._gate.wait(WAIT)
        self.threads.add(threading.get_ident())
        return super().encode(bucket, ids, lengths)


class Made:
    """Makes engines and keeps them."""

    def __init__(self, make: Callable[[int], FakeEngine]) -> None:
        self.engines: list[FakeEngine] = []
        self._make = make

    def __call__(self) -> FakeEngine:
        self.engines.append(self._make(len(self.engines)))
        return self.engines[-1]

    @property
    def sources(self) -> Counter[str]:
        """What was put into slots, over all engines."""
        return Counter(source.removeprefix("<fra>: ") for engine in self.engines for source in engine.sources)


@pytest.mark.parametrize("workers", [1, 2, 3, 7])
def test_workers_share_the_words_and_answer_in_the_order_of_the_plan(workers: int) -> None:
    gate = threading.Barrier(workers)
    made, progress = Made(lambda _: Owned(gate)), Recorder()
    words = [word for word in LISTED if not cut_short(word)]  # what is tried again, other threads may take
    answers = pronounce(planned(words), CONTRACT, made, workers, progress)
    assert rows_of(answers) == [wanted(word) for word in words]
    assert made.sources == Counter(words)
    assert [len(engine.threads) for engine in made.engines] == [1] * workers
    assert len(set.union(*(engine.threads for engine in made.engines))) == workers
    assert (progress.told[0], progress.told[-1]) == (("start", len(words)), ("close", 0))
    assert (progress.done, progress.threads, progress.left) == (len(words), {threading.get_ident()}, [])


@pytest.mark.parametrize("workers", [1, 3])
def test_every_word_is_decoded_once_and_those_cut_by_a_shorter_bucket_once_more(workers: int) -> None:
    made, progress = Made(lambda _: FakeEngine(ANSWERS, SHAPES)), Recorder()
    answers = pronounce(planned(LISTED), CONTRACT, made, workers, progress)
    again = {word for word in LISTED if cut_short(word)}
    assert again == {"anticonstitutionnellement", "long", "short", "brief"}
    assert rows_of(answers) == [wanted(word) for word in LISTED]
    assert made.sources == Counter(LISTED) + Counter(again)
    assert [word for word, cut in zip(LISTED, answers.truncated, strict=True) if cut] == ["long"]
    assert progress.done == len(LISTED)


def test_words_cut_in_one_step_are_all_tried_again() -> None:
    words = ["brief", "h", "short"]
    made, progress = Made(lambda _: FakeEngine(ANSWERS, SHAPES)), Recorder()
    answers = pronounce(planned(words), CONTRACT, made, 1, progress)
    assert rows_of(answers) == [wanted(word) for word in words]
    assert made.sources == {"brief": 2, "h": 1, "short": 2}
    assert progress.done == 3


def test_a_word_cut_by_its_bucket_is_decoded_again_from_its_start_in_the_longest() -> None:
    word = "anticonstitutionnellement"
    made = Made(lambda _: FakeEngine(ANSWERS, SHAPES))
    assert rows_of(pronounce(planned([word]), CONTRACT, made, 1, Silent())) == [wanted(word)]
    (engine,) = made.engines
    steps = len(PRONS[word].encode()) + 1
    assert engine.calls == [("encode", 1), *[("step", 1)] * 28, ("encode", 1), *[("step", 1)] * steps]


def test_words_cut_by_any_shorter_bucket_are_decoded_again_together() -> None:
    words = ["w" * n for n in range(1, 25)]
    answers = Echo({f"<fra>: {word}": "x" * (30 * len(word)) for word in words})
    made = Made(lambda _: FakeEngine(answers, SHAPES))
    said = pronounce(planned(words), CONTRACT, made, 1, Silent())
    assert said.truncated.tolist() == [30 * n >= 128 for n in range(1, 25)]
    assert [len(pron) for pron in said.pron.to_pylist()] == [min(30 * n, 128) for n in range(1, 25)]
    # One bucket after the other, then all of them again: none ends within 12 or 28 tokens.
    (engine,) = made.engines
    once, again = engine.sources[: len(words)], engine.sources[len(words) :]
    assert again == [f"<fra>: {word}" for word in words] == sorted(once, key=len)


def test_a_word_that_the_longest_bucket_cuts_is_not_tried_twice() -> None:
    word = "w" * 40
    made = Made(lambda _: FakeEngine({f"<fra>: {word}": "x" * 500}, SHAPES))
    answers = pronounce(planned([word]), CONTRACT, made, 2, Silent())
    assert (answers.pron.to_pylist(), answers.truncated.tolist()) == (["x" * 128], [True])
    (engine,) = made.engines
    assert engine.calls == [("encode", 1)] + [("step", 1)] * 128


def test_long_words_come_first() -> None:
    made = Made(lambda _: FakeEngine(ANSWERS, SHAPES))
    words = ["a" * 30, "b", "c" * 50, "d" * 15, "eau"]
    pronounce(planned(words), CONTRACT, made, 1, Silent())
    (engine,) = made.engines
    assert [source.removeprefix("<fra>: ") for source in engine.sources] == [
        "c" * 50,
        "a" * 30,
        "d" * 15,
        "eau",
        "b",
    ]


def test_no_words_need_no_engine_and_no_progress() -> None:
    def no_engine() -> FakeEngine:
        raise AssertionError("an engine was made for no word")

    progress = Recorder()
    assert rows_of(pronounce(planned([]), CONTRACT, no_engine, 4, progress)) == []
    assert progress.told == []


def test_no_more_engines_are_made_than_there_are_chunks() -> None:
    made = Made(lambda _: FakeEngine(ANSWERS, SHAPES))
    pronounce(planned(["a", "b", "c", "d", "e" * 20]), CONTRACT, made, 16, Silent())
    assert len(made.engines) == 3


class Failing(Owned):
    """Raises at a step; engines after the first take their time once it did."""

    def __init__(self, number: int, gate: threading.Barrier, failed: threading.Event, error: BaseException) -> None:
        super().__init__(gate)
        self._number, self._failed, self._error = number, failed, error

    def encode(self, bucket: LengthBucket, ids: Int32, lengths: Int32) -> Any:
        if self._number and self.threads:
            self._failed.wait(WAIT)
            time.sleep(0.02)
        return super().encode(bucket, ids, lengths)

    def step(self, cache: Any, rows: Rows) -> tuple[Int32, Float32]:
        if self._number == 0:
            self._failed.set()
            raise self._error
        return super().step(cache, rows)


@pytest.mark.parametrize("error", [RuntimeError("the device fell off the bus"), KeyboardInterrupt(), MemoryError()])
def test_an_error_in_one_worker_reaches_the_caller_and_ends_the_others(error: BaseException) -> None:
    gate, failed = threading.Barrier(3), threading.Event()
    made, progress = Made(lambda number: Failing(number, gate, failed, error)), Recorder()
    with pytest.raises(type(error)) as caught:
        pronounce(planned(LISTED), CONTRACT, made, 3, progress)
    assert caught.value is error
    assert decoding() == progress.left == []
    assert progress.told[-1] == ("close", 0)
    assert len(made.engines) == 3
    assert made.sources.total() < len(LISTED) / 2


def test_errors_in_all_workers_reach_the_caller_as_one() -> None:
    gate = threading.Barrier(3)
    made = Made(lambda _: Failing(0, gate, threading.Event(), RuntimeError("all of them")))
    with pytest.raises(RuntimeError, match="all of them"):
        pronounce(planned(LISTED), CONTRACT, made, 3, Silent())
    assert decoding() == []


class Slow(FakeEngine):
    """Takes its time once the run should end."""

    def __init__(self, ending: threading.Event) -> None:
        super().__init__(ANSWERS, SHAPES)
        self._ending = ending

    def encode(self, bucket: LengthBucket, ids: Int32, lengths: Int32) -> Any:
        if self.calls:
            self._ending.wait(WAIT)
            time.sleep(0.02)
        return super().encode(bucket, ids, lengths)


@pytest.mark.parametrize("workers", [1, 3])
def test_an_exception_of_the_progress_ends_the_run_and_all_its_threads(workers: int) -> None:
    ending = threading.Event()

    def stop() -> None:
        ending.set()
        raise InterruptedError("enough")

    made, progress = Made(lambda _: Slow(ending)), Recorder(stop)
    with pytest.raises(InterruptedError, match="enough"):
        pronounce(planned(LISTED), CONTRACT, made, workers, progress)
    assert [call for call, _ in progress.told] == ["start", "advance", "close"]
    assert decoding() == progress.left == []
    assert made.sources.total() < len(LISTED) / 2


def test_an_exception_while_words_are_tried_again_ends_the_run_as_well() -> None:
    words = ["short", "eau"]
    made = Made(lambda _: FakeEngine(ANSWERS, SHAPES))

    def stop() -> None:
        if made.sources["short"] == 2:
            raise InterruptedError("enough")

    progress = Recorder(stop)
    with pytest.raises(InterruptedError, match="enough"):
        pronounce(planned(words), CONTRACT, made, 1, progress)
    assert (progress.told[-1], progress.done, progress.left) == (("close", 0), 2, [])


def test_an_engine_that_cannot_be_made_ends_the_run_before_it_starts() -> None:
    def make(number: int) -> FakeEngine:
        if number:
            raise RuntimeError("no memory for another engine")
        return FakeEngine(ANSWERS, SHAPES)

    made, progress = Made(make), Recorder()
    with pytest.raises(RuntimeError, match="no memory for another engine"):
        pronounce(planned(LISTED), CONTRACT, made, 2, progress)
    assert (progress.told, decoding(), made.sources) == ([], [], Counter())
