"""A worker: makes an engine, then runs the shards that it is given, one at a time; and what it says."""

import platform
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import pyarrow as pa

from g2p_batch.errors import DeviceError, G2PError, RunError
from g2p_batch.run.run_directory import PLAN, Plan, RunDir
from g2p_batch.words.dictionary import Dictionary
from g2p_batch.workers.shard import RunContext, run_shard

_PROGRESS_S = 0.2


@dataclass(frozen=True)
class Ready:
    """The worker has its engine."""


@dataclass(frozen=True)
class Advanced:
    """So many more words of the open shard are decoded."""

    words: int


@dataclass(frozen=True)
class Done:
    """The open shard is committed, by this worker or by another one meanwhile."""


@dataclass(frozen=True)
class Failed:
    """The open shard could not be done; another attempt may succeed."""

    reason: str


@dataclass(frozen=True)
class DeviceLost:
    """The worker's device failed, and the worker ends: the open shard could not be done."""

    reason: str


@dataclass(frozen=True)
class Fatal:
    """No shard can be done."""

    error: G2PError


@dataclass(frozen=True)
class Died:
    """Said in place of a worker that is no more."""

    cause: str
    """How it ended, as part of a sentence."""


Message = Ready | Advanced | Done | Failed | DeviceLost | Fatal | Died
"""What a worker says, or is said of it."""


class DriverGoneError(Exception):
    """Nobody hears what a worker says."""


class ShardRunner:
    """Runs shards with an engine of its own, in whatever process it lives.

    Args:
        context: the run.
        say: takes what the worker says; `Ready` first, or why there is no engine.
    """

    def __init__(self, context: RunContext, say: Callable[[Message], None]) -> None:
        self._context, self._say = context, say
        self.usable = False
        """Whether it can be given shards: it has an engine, and has not lost its device."""
        try:
            self._plan = _planned(context)
            self._engine = context.engines.engine()
            exceptions = context.engines.exceptions() if context.dictionary else None
            self._dictionary = None if exceptions is None else Dictionary(exceptions)
        except DeviceError as error:
            say(DeviceLost(str(error)))
        except G2PError as error:
            say(Fatal(error))
        else:
            self.usable = True
            say(Ready())

    def run(self, number: int) -> None:
        """Run a shard, and say how far it is and what became of it.

        Raises:
            DriverGoneError: as `say` does.
        """
        try:
            shard, progress = self._plan.shards[number], _ShardProgress(self._say)
            run_shard(self._context, number, shard, self._engine, progress, self._dictionary)
        except DeviceError as error:
            self.usable = False
            self._say(DeviceLost(str(error)))
        except G2PError as error:
            self._say(Fatal(error))
        except DriverGoneError:
            raise
        except Exception as error:  # a bad shard: the scheduler counts its attempts
            self._say(Failed(f"{type(error).__name__}: {error}"))
        else:
            self._say(Done())


def _planned(context: RunContext) -> Plan:
    """Return the plan of the run directory, which has to be the one that the scheduler sees."""
    plan = RunDir(context.root).plan()
    if plan is None or plan.id != context.plan_id:
        difference = "is not there" if plan is None else "is another one"
        raise RunError(
            f"{context.root / PLAN} {difference} on node {platform.node()}: put the run directory on a disk that all "
            "nodes of the cluster see under the same path, and name it with --run-dir"
        )
    return plan


class _ShardProgress:
    """Progress of one shard, told a few times a second: the scheduler has to wake up to hear it."""

    def __init__(self, say: Callable[[Message], None]) -> None:
        self._say = say
        self._untold_words = 0
        self._last_s = time.monotonic()

    def start(self, total_words: int) -> None:
        """Say nothing: the scheduler knows."""

    def advance(self, words: int) -> None:
        """Tell that words are done, if the last time is long enough ago."""
        self._untold_words += words
        if time.monotonic() - self._last_s >= _PROGRESS_S:
            self._tell()

    def close(self) -> None:
        """Tell what is left to tell; the outcome follows."""
        if self._untold_words:
            self._tell()

    def _tell(self) -> None:
        self._say(Advanced(self._untold_words))
        self._untold_words, self._last_s = 0, time.monotonic()


def main() -> None:
    """Serve, as a process, the scheduler at the other end of a connection, whose descriptor the command line names.

    The scheduler decides when to stop: signals to the whole process group are left to it. When it is gone, the next
    message to it or from it fails, and the worker ends.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    pa.set_cpu_count(1)
    scheduler = _SchedulerLink(int(sys.argv[1]))
    try:
        runner = ShardRunner(scheduler.receive(), scheduler.say)
        while runner.usable:
            runner.run(scheduler.receive())
    except DriverGoneError:
        return


class _SchedulerLink:
    """What a worker process sees of its scheduler."""

    def __init__(self, descriptor: int) -> None:
        self._connection: Connection[Any, Any] = Connection(descriptor)

    def receive(self) -> Any:
        """Wait for the context of the run, which comes first, or for the number of a shard."""
        try:
            return self._connection.recv()
        except (EOFError, BrokenPipeError, ConnectionResetError):
            raise DriverGoneError from None

    def say(self, message: Message) -> None:
        """Send a message."""
        try:
            self._connection.send(message)
        except (BrokenPipeError, ConnectionResetError):
            raise DriverGoneError from None
