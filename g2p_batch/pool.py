"""Worker processes: each is given one shard at a time, and replaced when it dies."""

import signal
import subprocess
import sys
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Pipe, wait
from typing import Any, Protocol

from g2p_batch.crew import Progress
from g2p_batch.decode import Engine
from g2p_batch.errors import WorkerError
from g2p_batch.rundir import Plan, RunDir
from g2p_batch.shard import Brief
from g2p_batch.worker import Advanced, Assignment, Failed, Fatal, Finished, Orders, Ready

RETRIES = 3
"""A shard whose worker dies or fails is tried so many times more, then it is given up."""

_PROGRAM = "from g2p_batch.worker import main; main()"
_FAILED_STARTS = 3
_POLL_S = 0.2
_FAREWELL_S = 5.0


class Stop(Protocol):
    """Tells whether the run should end."""

    def check(self, progress: str) -> None:
        """Raise `StoppedEarlyError` if a signal came."""


def run_shards(
    brief: Brief,
    plan: Plan,
    numbers: Sequence[int],
    open_engine: Callable[[], Engine],
    workers: int,
    progress: Progress,
    stop: Stop,
) -> dict[int, tuple[str, ...]]:
    """Run shards on worker processes.

    A worker holds one shard at a time and answers with a word: whatever the input, memory is that of its engine and of
    one shard. Data goes from worker to disk, never through this process.

    Args:
        brief: the run.
        plan: its plan.
        numbers: the shards to run, in this order.
        open_engine: opens an engine in a worker; is pickled.
        workers: most processes, at least 1.
        progress: is told how far the decoding is, in this thread; words of a failed attempt are taken back.
        stop: asked several times a second.

    Returns:
        The shards that were given up, each with the reason of every attempt.

    Raises:
        WorkerError: workers die before they are ready.
        StoppedEarlyError: `stop` said so; finished shards are kept.
        G2PError: a worker met an error that is not its shard's.
    """
    crew = _Crew(brief, plan, numbers, open_engine, progress)
    progress.start(sum(plan.shards[number].words for number in numbers))
    try:
        while crew.busy(workers):
            crew.attend()
            stop.check(f"after {crew.done_words:,} of {crew.total_words:,} words; finished shards are kept")
        crew.dismiss()
    finally:
        crew.kill()
        progress.close()
    return crew.given_up


class _Worker:
    """A process and the shard that it has."""

    def __init__(self, orders: Orders) -> None:
        self.connection, theirs = Pipe()
        self.ready = False
        self.open: int | None = None
        self.open_words = 0
        """Words of the open shard that are decoded."""
        command = [sys.executable, "-P", "-c", _PROGRAM, str(theirs.fileno())]
        with theirs:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=(theirs.fileno(),))
        self.tell(orders)

    def tell(self, message: Orders | Assignment) -> None:
        """Send a message; a worker that cannot take it is found dead when it is next attended to."""
        with suppress(ConnectionError):
            self.connection.send(message)

    def assign(self, assignment: Assignment) -> None:
        """Give a shard."""
        self.open, self.open_words = assignment.number, 0
        self.tell(assignment)

    def fate(self) -> str:
        """Wait for a process that ends, and tell how it did."""
        code = self.process.wait()
        if code >= 0:
            return f"its worker ended with exit code {code}"
        name = signal.Signals(-code).name
        return f"its worker was killed by {name}" + (" (out of memory?)" if -code == signal.SIGKILL else "")


class _Crew:
    """Workers, the shards that wait for them, and what became of the others."""

    def __init__(
        self,
        brief: Brief,
        plan: Plan,
        numbers: Sequence[int],
        open_engine: Callable[[], Engine],
        progress: Progress,
    ) -> None:
        self._run, self._plan, self._progress = RunDir(brief.root), plan, progress
        self._orders = Orders(brief, open_engine)
        self._todo = deque(numbers)
        self._workers: list[_Worker] = []
        self._failed_starts: Counter[str] = Counter()
        self._reasons: dict[int, list[str]] = {}
        self.given_up: dict[int, tuple[str, ...]] = {}
        self.done_words = 0
        self.total_words = sum(plan.shards[number].words for number in numbers)
        self._outcomes: dict[type, Callable[[_Worker, Any], None]] = {
            Ready: self._greet,
            Advanced: self._advance,
            Finished: self._finish,
            Failed: self._fail,
            Fatal: self._give_in,
        }

    def busy(self, most: int) -> bool:
        """Give shards to workers that have none, starting workers if need be; tell whether there is work at all."""
        self._skip_done()
        idle = [worker for worker in self._workers if worker.open is None]
        for worker in idle:
            if worker.ready and self._todo:
                worker.assign(self._assignment())
                self._skip_done()
        starting = sum(not worker.ready for worker in self._workers)
        for _ in range(min(most - len(self._workers), len(self._todo) - starting)):
            self._workers.append(_Worker(self._orders))
        return bool(self._todo) or any(worker.open is not None for worker in self._workers)

    def attend(self) -> None:
        """Wait a while for messages, and act on them."""
        by_connection: dict[Any, _Worker] = {worker.connection: worker for worker in self._workers}
        for connection in wait(list(by_connection), _POLL_S):
            worker = by_connection[connection]
            try:
                message = worker.connection.recv()
            except (EOFError, ConnectionError):
                self._bury(worker)
            else:
                self._outcomes[type(message)](worker, message)

    def dismiss(self) -> None:
        """Let workers that have no shard end by themselves."""
        for worker in self._workers:
            worker.connection.close()
        for worker in self._workers:
            with suppress(subprocess.TimeoutExpired):
                worker.process.wait(_FAREWELL_S)

    def kill(self) -> None:
        """End all workers at once: whatever they do, they leave nothing half."""
        for worker in self._workers:
            worker.process.kill()
            worker.process.wait()
            worker.connection.close()

    def _assignment(self) -> Assignment:
        number = self._todo.popleft()
        return Assignment(number, self._plan.shards[number])

    def _skip_done(self) -> None:
        """Pass over shards that another run of the same directory has done meanwhile."""
        while self._todo and self._run.is_done(self._todo[0]):
            self._count(self._plan.shards[self._todo.popleft()].words)

    def _count(self, words: int) -> None:
        self.done_words += words
        self._progress.advance(words)

    def _greet(self, worker: _Worker, _message: Ready) -> None:
        worker.ready = True
        self._failed_starts.clear()

    def _advance(self, worker: _Worker, message: Advanced) -> None:
        worker.open_words += message.words
        self._count(message.words)

    def _finish(self, worker: _Worker, _message: Finished) -> None:
        worker.open = None

    def _fail(self, worker: _Worker, message: Failed) -> None:
        self._retry(worker, message.reason)

    def _give_in(self, _worker: _Worker, message: Fatal) -> None:
        raise message.error

    def _bury(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        worker.connection.close()
        fate = worker.fate()
        if worker.open is not None:
            self._retry(worker, fate)
        elif not worker.ready:
            self._failed_starts[fate] += 1
            if self._failed_starts.total() >= _FAILED_STARTS:
                raise WorkerError(
                    f"{_FAILED_STARTS} workers in a row did not start ({fate}): "
                    "is there memory for so many? give fewer with --workers"
                )

    def _retry(self, worker: _Worker, reason: str) -> None:
        """Put the open shard of a worker behind all others, or give it up."""
        number, worker.open = worker.open, None
        if number is None:
            return
        self._count(-worker.open_words)
        reasons = self._reasons.setdefault(number, [])
        reasons.append(reason)
        if len(reasons) <= RETRIES:
            self._todo.append(number)
        else:
            self.given_up[number] = tuple(reasons)
