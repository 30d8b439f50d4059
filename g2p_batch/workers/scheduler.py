"""Hands shards to workers one at a time, and replaces workers that die, wherever they live."""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from g2p_batch.errors import WorkerError
from g2p_batch.model.progress import Progress
from g2p_batch.run.run_directory import Plan, RunDir
from g2p_batch.signals import Stop
from g2p_batch.workers.shard import RunContext
from g2p_batch.workers.worker import Advanced, DeviceLost, Died, Done, Failed, Fatal, Message, Ready

RETRIES = 3
"""A shard whose worker dies or fails is tried so many times more, then it is given up."""

_FAILED_STARTS = 3
_POLL_S = 0.2


class Worker(Protocol):
    """Runs shards, one at a time, and says how it goes."""

    def run(self, shard: int) -> None:
        """Take the number of a shard; called when the worker has said `Ready` and has none open."""

    def kill(self) -> None:
        """End it at once: whatever it does, it leaves nothing half."""


W = TypeVar("W", bound=Worker)


class WorkerBackend(AbstractContextManager[Any], Protocol[W]):
    """Where workers live; entered before the first of them is started."""

    @property
    def capacity(self) -> int:
        """Most workers at a time."""

    @property
    def remedy(self) -> str:
        """What to do where workers do not start."""

    def start_worker(self, context: RunContext) -> W:
        """Start a worker; it says `Ready` when it has its engine."""

    def messages(self, workers: Sequence[W], seconds: float) -> Iterable[tuple[W, Message]]:
        """Wait for workers to say something; of one that died, `Died` is said once."""

    def on_device_lost(self, worker: W) -> None:
        """Learn that a worker, now ended, lost its device: there may be room for one less from now on."""


@dataclass(frozen=True)
class Outcome:
    """What became of shards that are not done.

    Attributes:
        given_up: those that failed too often, each with the reason of every attempt.
        left: how many were not begun, since the run was drained.
    """

    given_up: Mapping[int, tuple[str, ...]]
    left: int


def run_shards(
    context: RunContext, plan: Plan, numbers: Sequence[int], backend: WorkerBackend[Any], progress: Progress, stop: Stop
) -> Outcome:
    """Run shards on workers.

    A worker holds one shard at a time and answers with a word: whatever the input, memory is that of its engine and of
    one shard. Data goes from worker to disk, never through this process.

    Args:
        context: the run.
        plan: its plan.
        numbers: the shards to run, in this order.
        backend: where the workers live.
        progress: is told how far the decoding is, in this thread; words of a failed attempt are taken back.
        stop: asked several times a second.

    Raises:
        WorkerError: there is no place for workers, or they die before they are ready.
        StoppedEarlyError: `stop` said so; finished shards are kept.
        G2PError: a worker met an error that is not its shard's.
    """
    scheduler = _Scheduler(context, plan, numbers, backend, progress)
    try:
        with backend:
            stop.check(scheduler.so_far())  # a backend may take a while to start
            progress.start(scheduler.total_words)
            try:
                while scheduler.assign(stop.draining):
                    scheduler.listen()
                    stop.check(scheduler.so_far())
            finally:
                for worker in scheduler.workers:  # they hold nothing: a shard that was done is stored
                    worker.kill()
                progress.close()
    except Exception:
        stop.check(scheduler.so_far())  # a signal to the whole process group may have ended the backend first
        raise
    return Outcome(scheduler.given_up, scheduler.left)


@dataclass
class _WorkerState:
    """What a worker is at."""

    ready: bool = False
    shard: int | None = None
    words: int = 0
    """Words of the shard that are decoded."""


class _Scheduler(Generic[W]):
    """The shards that wait, the workers and what each is at, and what became of shards that failed."""

    def __init__(
        self, context: RunContext, plan: Plan, numbers: Sequence[int], backend: WorkerBackend[W], progress: Progress
    ) -> None:
        self._context, self._plan, self._backend, self._progress = context, plan, backend, progress
        self._run = RunDir(context.root)
        self._waiting = deque(numbers)
        self._failures: dict[int, list[str]] = {}
        self._failed_starts: Counter[str] = Counter()
        self._done_words = 0
        self.total_words = sum(plan.shards[number].words for number in numbers)
        self.workers: dict[W, _WorkerState] = {}
        self.given_up: dict[int, tuple[str, ...]] = {}
        self.left = 0
        self._handlers: dict[type, Callable[[W, Any], None]] = {
            Ready: self._on_ready,
            Advanced: self._on_advanced,
            Done: self._on_done,
            Failed: self._on_failed,
            DeviceLost: self._on_device_lost,
            Fatal: self._on_fatal,
            Died: self._on_death,
        }

    def assign(self, draining: bool) -> bool:
        """Give shards to workers that have none, starting workers if need be; tell whether there is work at all.

        Where the run is `draining` no shard is given, and those that wait are counted as left.
        """
        if draining:
            self.left += sum(not self._run.is_done(number) for number in self._waiting)
            self._waiting.clear()
        for worker, at in self.workers.items():
            if at.ready and at.shard is None and (number := self._next_shard()) is not None:
                at.shard, at.words = number, 0
                worker.run(number)
        starting = sum(not at.ready for at in self.workers.values())
        for _ in range(min(self._backend.capacity - len(self.workers), len(self._waiting) - starting)):
            self.workers[self._backend.start_worker(self._context)] = _WorkerState()
        return bool(self._waiting) or any(at.shard is not None for at in self.workers.values())

    def listen(self) -> None:
        """Wait a while for messages, and act on them."""
        for worker, message in self._backend.messages([*self.workers], _POLL_S):
            self._handlers[type(message)](worker, message)

    def so_far(self) -> str:
        """Tell how far the run is."""
        return f"after {self._done_words:,} of {self.total_words:,} words; finished shards are kept"

    def _next_shard(self) -> int | None:
        """Take the next shard that waits, if there is one, passing over those that another run has done meanwhile."""
        while self._waiting:
            number = self._waiting.popleft()
            if not self._run.is_done(number):
                return number
            self._count(self._plan.shards[number].words)
        return None

    def _count(self, words: int) -> None:
        """Count decoded words, or take them back."""
        self._done_words += words
        self._progress.advance(words)

    def _on_ready(self, worker: W, _message: Ready) -> None:
        self.workers[worker].ready = True
        self._failed_starts.clear()

    def _on_advanced(self, worker: W, message: Advanced) -> None:
        self.workers[worker].words += message.words
        self._count(message.words)

    def _on_done(self, worker: W, _message: Done) -> None:
        self.workers[worker].shard = None

    def _on_failed(self, worker: W, message: Failed) -> None:
        self._retry(self.workers[worker], message.reason)

    def _on_fatal(self, _worker: W, message: Fatal) -> None:
        raise message.error

    def _on_death(self, worker: W, message: Died) -> None:
        at = self.workers.pop(worker)
        if at.shard is not None:
            self._retry(at, message.cause)
        elif not at.ready:
            self._failed_starts[message.cause] += 1
            if self._failed_starts.total() >= _FAILED_STARTS:
                raise WorkerError(
                    f"{_FAILED_STARTS} workers in a row did not start ({message.cause}): {self._backend.remedy}"
                )

    def _on_device_lost(self, worker: W, message: DeviceLost) -> None:
        at = self.workers.pop(worker)
        worker.kill()
        self._retry(at, message.reason)
        self._backend.on_device_lost(worker)
        if not self._backend.capacity:
            raise WorkerError(f"no GPU is left ({message.reason}); finished shards are kept")

    def _retry(self, at: _WorkerState, reason: str) -> None:
        """Put the shard of a worker behind all others, or give it up."""
        number, at.shard = at.shard, None
        if number is None:
            return
        self._count(-at.words)
        failures = self._failures.setdefault(number, [])
        failures.append(reason)
        if len(failures) <= RETRIES:
            self._waiting.append(number)
        else:
            self.given_up[number] = tuple(failures)
