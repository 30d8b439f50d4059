"""Workers as processes of this machine: one a core, or one a GPU."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Pipe, wait
from typing import Any

from g2p_batch.errors import UsageError
from g2p_batch.model import cpu_families
from g2p_batch.model.devices import VISIBLE, Device
from g2p_batch.workers.shard import RunContext
from g2p_batch.workers.worker import Died, Message

_PROGRAM = "from g2p_batch.workers.worker import main; main()"
_FAILURES = 3
"""Of a device, until it is given up."""


class Process:
    """A worker process.

    Args:
        context: the run.
        environment: variables of the process, beside those of this one.
    """

    def __init__(self, context: RunContext, environment: Mapping[str, str]) -> None:
        self.connection, theirs = Pipe()
        command = [sys.executable, "-P", "-c", _PROGRAM, str(theirs.fileno())]
        with theirs:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, pass_fds=(theirs.fileno(),), env={**os.environ, **environment}
            )
        self._send(context)

    @property
    def ended(self) -> bool:
        """Whether it is no more."""
        return self._process.poll() is not None

    def run(self, shard: int) -> None:
        """Give a shard; a process that cannot take it is found dead when it is next listened to."""
        self._send(shard)

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait()
        self.connection.close()

    def cause_of_death(self) -> str:
        """Wait for a process that ends, and tell how it did."""
        code = self._process.wait()
        if code >= 0:
            return f"its worker ended with exit code {code}"
        name = signal.Signals(-code).name
        return f"its worker was killed by {name}" + (" (out of memory?)" if -code == signal.SIGKILL else "")

    def _send(self, message: RunContext | int) -> None:
        with suppress(ConnectionError):
            self.connection.send(message)


@dataclass
class _Slot:
    """Room for one process, with what its environment has to say."""

    environment: Mapping[str, str]
    process: Process | None = None
    failures: int = 0


class LocalProcesses(AbstractContextManager["LocalProcesses"]):
    """`scheduler.WorkerBackend` of this machine.

    Args:
        environments: variables of each process that there is room for.
    """

    remedy = "is there memory for so many? give fewer with --workers"

    def __init__(self, environments: Sequence[Mapping[str, str]]) -> None:
        self._slots = [_Slot(environment) for environment in environments]
        self._of: dict[Process, _Slot] = {}
        """Where each process was started; another may be there meanwhile."""

    @classmethod
    def on_cores(cls, workers: int | None = None) -> "LocalProcesses":
        """Give room to so many processes, or to one for each usable core."""
        return cls([{}] * (workers or cpu_families.usable_cores()))

    @classmethod
    def on_gpus(cls, device: Device, workers: int | None = None) -> "LocalProcesses":
        """Give room to a process on each GPU of a device, or on the first few.

        Raises:
            ArtifactError, UsageError: as `Device.gpus` does; or there are more workers than GPUs.
        """
        gpus = device.gpus
        if workers is not None and workers > len(gpus):
            raise UsageError(f"--workers {workers} are more than the {len(gpus)} GPUs of --device: a GPU has one")
        return cls([{VISIBLE: gpu} for gpu in gpus[:workers]])

    def __exit__(self, *_error: object) -> None:
        """Hold nothing: whoever starts processes ends them."""

    @property
    def capacity(self) -> int:
        """Slots that are left."""
        return len(self._slots)

    def start_worker(self, context: RunContext) -> Process:
        """Start a process in a slot that is free."""
        slot = next(slot for slot in self._slots if slot.process is None or slot.process.ended)
        slot.process = Process(context, slot.environment)
        self._of[slot.process] = slot
        return slot.process

    def on_device_lost(self, worker: Process) -> None:
        """Count a failure of a slot's device; after a few the slot is not used any more."""
        slot = self._of.pop(worker)
        slot.failures += 1
        if slot.process is worker:
            slot.process = None
        if slot.failures >= _FAILURES and slot in self._slots:
            self._slots.remove(slot)

    def messages(self, workers: Sequence[Process], seconds: float) -> Iterator[tuple[Process, Message]]:
        """Yield what processes say, one message each."""
        by_connection: dict[Any, Process] = {worker.connection: worker for worker in workers}
        for connection in wait(list(by_connection), seconds):
            worker = by_connection[connection]
            try:
                message = worker.connection.recv()
            except (EOFError, ConnectionError):
                worker.connection.close()
                message = Died(worker.cause_of_death())
            yield worker, message
