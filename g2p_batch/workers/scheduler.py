"""Feeding workers one shard at a time, and replacing them when they die, wherever they live."""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from g2p_batch.errors import WorkerError
from g2p_batch.model.greedy import Engine
from g2p_batch.model.progress import Progress
from g2p_batch.run.run_directory import Plan, RunDir
from g2p_batch.workers.shard import Brief
from g2p_batch.workers.worker import Advanced, Assignment, Died, Failed, Fatal, Finished, Lost, Message, Orders, Ready

RETRIES = 3
"""A shard whose worker dies or fails is tried so many times more, then it is given up."""

_FAILED_STARTS = 3
_POLL_S = 0.2


class Worker(Protocol):
    """Runs shards, one at a time, and says how it goes."""

    def assign(self, assignment: Assignment) -> None:
        """Give a shard to a worker that is ready and has none."""

    def kill(self) -> None:
        """End it at once: whatever it does, it leaves nothing half."""


W = TypeVar("W", bound=Worker)
Heard = tuple[W, Message | Died]
"""A worker, and what it said."""


class Site(Protocol[W]):
    """Where workers live."""

    @property
    def most(self) -> int:
        """Most workers at a time."""

    @property
    def remedy(self) -> str:
        """What to do where workers do not start."""

    def hire(self, orders: Orders) -> W:
        """Start a worker; it says `Ready` when it has its engine."""

    def listen(self, workers: Sequence[W], seconds: float) -> Iterable[Heard[W]]:
        """Wait for workers to say something; a worker that died says so once."""

    def retire(self, worker: W) -> None:
        """Learn that a worker, now ended, lost its device: the site may have one less from now on."""

    def dismiss(self, workers: Sequence[W]) -> None:
        """Let workers that have no shard go."""


OpenSite = Callable[[int | None], AbstractContextManager[Site[Any]]]
"""Opens a site for so many workers, or for as many as it has cores for."""


class Stop(Protocol):
    """Tells whether the run should end."""

    @property
    def draining(self) -> bool:
        """Whether no more shards are to be begun."""

    def check(self, progress: str) -> None:
        """Raise `StoppedEarlyError` if a signal came."""


@dataclass(frozen=True)
class Outcome:
    """What became of shards that are not done."""

    given_up: Mapping[int, tuple[str, ...]]
    """Those that failed too often, each with the reason of every attempt."""
    left: int
    """How many were left when `Stop.draining` began."""


def run_shards(
    brief: Brief,
    plan: Plan,
    numbers: Sequence[int],
    open_engine: Callable[[], Engine],
    open_site: OpenSite,
    workers: int | None,
    progress: Progress,
    stop: Stop,
) -> Outcome:
    """Run shards on workers.

    A worker holds one shard at a time and answers with a word: whatever the input, memory is that of its engine and of
    one shard. Data goes from worker to disk, never through this process.

    Args:
        brief: the run.
        plan: its plan.
        numbers: the shards to run, in this order.
        open_engine: opens an engine in a worker; is pickled.
        open_site: where the workers live.
        workers: most workers, at least 1; None for as many as the site has cores.
        progress: is told how far the decoding is, in this thread; words of a failed attempt are taken back.
        stop: asked several times a second.

    Raises:
        WorkerError: the site cannot be opened, or workers die before they are ready.
        StoppedEarlyError: `stop` said so; finished shards are kept.
        G2PError: a worker met an error that is not its shard's.
    """
    ledger = _Ledger(RunDir(brief.root), plan, numbers, progress)
    try:
        with open_site(workers) as site:
            stop.check(ledger.told())  # opening may take a while
            crew = _Crew(site, Orders(brief, open_engine), ledger)
            progress.start(ledger.total_words)
            try:
                while crew.busy(stop.draining):
                    crew.attend()
                    stop.check(ledger.told())
                crew.dismiss()
            finally:
                crew.kill()
                progress.close()
    except Exception:
        stop.check(ledger.told())  # a signal to the whole process group may have ended the site first
        raise
    return Outcome(ledger.given_up, len(ledger.left))


class _Ledger:
    """The shards that wait for a worker, and what became of the others."""

    def __init__(self, run: RunDir, plan: Plan, numbers: Sequence[int], progress: Progress) -> None:
        self._run, self._plan, self._progress = run, plan, progress
        self._todo = deque(numbers)
        self._reasons: dict[int, list[str]] = {}
        self._done_words = 0
        self.given_up: dict[int, tuple[str, ...]] = {}
        self.left: list[int] = []
        """Shards that are not to be begun any more."""
        self.total_words = sum(plan.shards[number].words for number in numbers)

    @property
    def waiting(self) -> int:
        """How many shards wait."""
        return len(self._todo)

    def drain(self) -> None:
        """Leave the shards that wait."""
        self.left.extend(number for number in self._todo if not self._run.is_done(number))
        self._todo.clear()

    def take(self) -> Assignment | None:
        """Take the next shard that waits, if there is one, passing over those that another run has done meanwhile."""
        while self._todo:
            number = self._todo.popleft()
            if not self._run.is_done(number):
                return Assignment(number, self._plan.shards[number])
            self.count(self._plan.shards[number].words)
        return None

    def count(self, words: int) -> None:
        """Count decoded words, or take them back."""
        self._done_words += words
        self._progress.advance(words)

    def failed(self, number: int, reason: str) -> None:
        """Put a shard behind all others, or give it up."""
        reasons = self._reasons.setdefault(number, [])
        reasons.append(reason)
        if len(reasons) <= RETRIES:
            self._todo.append(number)
        else:
            self.given_up[number] = tuple(reasons)

    def told(self) -> str:
        """Tell how far the run is."""
        return f"after {self._done_words:,} of {self.total_words:,} words; finished shards are kept"


class _Member(Generic[W]):
    """A worker and the shard that it has."""

    def __init__(self, worker: W) -> None:
        self.worker = worker
        self.ready = False
        self.open: int | None = None
        self.open_words = 0
        """Words of the open shard that are decoded."""

    def assign(self, assignment: Assignment) -> None:
        """Give a shard."""
        self.open, self.open_words = assignment.number, 0
        self.worker.assign(assignment)


class _Crew(Generic[W]):
    """The workers of a run."""

    def __init__(self, site: Site[W], orders: Orders, ledger: _Ledger) -> None:
        self._site, self._orders, self._ledger = site, orders, ledger
        self._members: dict[W, _Member[W]] = {}
        self._failed_starts: Counter[str] = Counter()
        self._outcomes: dict[type, Callable[[_Member[W], Any], None]] = {
            Ready: self._greet,
            Advanced: self._advance,
            Finished: self._finish,
            Failed: self._fail,
            Fatal: self._give_in,
            Died: self._bury,
            Lost: self._lose,
        }

    def busy(self, draining: bool) -> bool:
        """Give shards to workers that have none, starting workers if need be; tell whether there is work at all.

        Where the run is `draining`, no shard is given, and those that wait are put down as left.
        """
        if draining:
            self._ledger.drain()
        for member in self._members.values():
            if member.ready and member.open is None and (assignment := self._ledger.take()):
                member.assign(assignment)
        starting = sum(not member.ready for member in self._members.values())
        for _ in range(min(self._site.most - len(self._members), self._ledger.waiting - starting)):
            worker = self._site.hire(self._orders)
            self._members[worker] = _Member(worker)
        return self._ledger.waiting > 0 or any(member.open is not None for member in self._members.values())

    def attend(self) -> None:
        """Wait a while for messages, and act on them."""
        for worker, message in self._site.listen(list(self._members), _POLL_S):
            self._outcomes[type(message)](self._members[worker], message)

    def dismiss(self) -> None:
        """Let workers that have no shard go."""
        self._site.dismiss(list(self._members))

    def kill(self) -> None:
        """End all workers at once."""
        for worker in self._members:
            worker.kill()

    def _greet(self, member: _Member[W], _message: Ready) -> None:
        member.ready = True
        self._failed_starts.clear()

    def _advance(self, member: _Member[W], message: Advanced) -> None:
        member.open_words += message.words
        self._ledger.count(message.words)

    def _finish(self, member: _Member[W], _message: Finished) -> None:
        member.open = None

    def _fail(self, member: _Member[W], message: Failed) -> None:
        self._retry(member, message.reason)

    def _give_in(self, _member: _Member[W], message: Fatal) -> None:
        raise message.error

    def _bury(self, member: _Member[W], message: Died) -> None:
        del self._members[member.worker]
        if member.open is not None:
            self._retry(member, message.fate)
        elif not member.ready:
            self._failed_starts[message.fate] += 1
            if self._failed_starts.total() >= _FAILED_STARTS:
                raise WorkerError(
                    f"{_FAILED_STARTS} workers in a row did not start ({message.fate}): {self._site.remedy}"
                )

    def _lose(self, member: _Member[W], message: Lost) -> None:
        del self._members[member.worker]
        member.worker.kill()
        self._retry(member, message.reason)
        self._site.retire(member.worker)
        if not self._site.most:
            raise WorkerError(f"no GPU is left ({message.reason}); finished shards are kept")

    def _retry(self, member: _Member[W], reason: str) -> None:
        number, member.open = member.open, None
        if number is None:
            return
        self._ledger.count(-member.open_words)
        self._ledger.failed(number, reason)
