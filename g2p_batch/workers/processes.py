"""Worker processes of this machine."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Pipe, wait
from typing import Any

from g2p_batch.errors import UsageError
from g2p_batch.model import cpu_families
from g2p_batch.model.devices import VISIBLE, Device
from g2p_batch.workers.scheduler import Heard, OpenSite
from g2p_batch.workers.worker import Assignment, Died, Orders

_PROGRAM = "from g2p_batch.workers.worker import main; main()"
_FAREWELL_S = 5.0
_FAILURES = 3
"""Of a device, until it is given up."""


@contextmanager
def this_machine(workers: int | None) -> "Iterator[Processes]":
    """Let workers be processes, as many as there are usable cores where nobody says."""
    yield Processes([{}] * (workers or cpu_families.usable_cores()))


def on_gpus(device: Device) -> OpenSite:
    """Let workers be processes with a GPU each.

    Raises:
        ArtifactError, UsageError: as `Device.gpus` does.
    """
    gpus = device.gpus

    @contextmanager
    def opened(workers: int | None) -> "Iterator[Processes]":
        if workers is not None and workers > len(gpus):
            raise UsageError(f"--workers {workers} are more than the {len(gpus)} GPUs of --device: a GPU has one")
        yield Processes([{VISIBLE: gpu} for gpu in gpus[:workers]])

    return opened


class Process:
    """A worker process."""

    def __init__(self, orders: Orders, environment: Mapping[str, str]) -> None:
        self.connection, theirs = Pipe()
        command = [sys.executable, "-P", "-c", _PROGRAM, str(theirs.fileno())]
        with theirs:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, pass_fds=(theirs.fileno(),), env={**os.environ, **environment}
            )
        self._tell(orders)

    @property
    def ended(self) -> bool:
        """Whether it is no more."""
        return self._process.poll() is not None

    def assign(self, assignment: Assignment) -> None:
        """Give a shard; a process that cannot take it is found dead when it is next listened to."""
        self._tell(assignment)

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait()
        self.connection.close()

    def leave(self) -> None:
        """Give it time to end by itself: its connection is closed."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_FAREWELL_S)

    def fate(self) -> str:
        """Wait for a process that ends, and tell how it did."""
        code = self._process.wait()
        if code >= 0:
            return f"its worker ended with exit code {code}"
        name = signal.Signals(-code).name
        return f"its worker was killed by {name}" + (" (out of memory?)" if -code == signal.SIGKILL else "")

    def _tell(self, message: Orders | Assignment) -> None:
        with suppress(ConnectionError):
            self.connection.send(message)


@dataclass
class _Seat:
    """Room for one process, with what its environment has to say."""

    environment: Mapping[str, str]
    process: Process | None = None
    failures: int = 0


class Processes:
    """`scheduler.Site` of this machine."""

    remedy = "is there memory for so many? give fewer with --workers"

    def __init__(self, environments: Sequence[Mapping[str, str]]) -> None:
        self._seats = [_Seat(environment) for environment in environments]

    @property
    def most(self) -> int:
        """Seats that are left."""
        return len(self._seats)

    def hire(self, orders: Orders) -> Process:
        """Start a process in a seat that is free."""
        seat = next(seat for seat in self._seats if seat.process is None or seat.process.ended)
        seat.process = Process(orders, seat.environment)
        return seat.process

    def retire(self, worker: Process) -> None:
        """Count a failure of a seat's device; after a few the seat is not used any more."""
        seat = next(seat for seat in self._seats if seat.process is worker)
        seat.failures += 1
        if seat.failures >= _FAILURES:
            self._seats.remove(seat)

    def listen(self, workers: Sequence[Process], seconds: float) -> "Iterator[Heard[Process]]":
        """Yield what processes say, one message each."""
        by_connection: dict[Any, Process] = {worker.connection: worker for worker in workers}
        for connection in wait(list(by_connection), seconds):
            worker = by_connection[connection]
            try:
                message = worker.connection.recv()
            except (EOFError, ConnectionError):
                worker.connection.close()
                message = Died(worker.fate())
            yield worker, message

    def dismiss(self, workers: Sequence[Process]) -> None:
        """Let processes that have no shard end by themselves."""
        for worker in workers:
            worker.connection.close()
        for worker in workers:
            worker.leave()
