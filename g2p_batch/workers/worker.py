"""A worker: opens an engine, then runs the shards that it is given, one at a time. What is said to and by one."""

import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import pyarrow as pa

from g2p_batch.errors import DeviceError, G2PError
from g2p_batch.model.greedy import Engine
from g2p_batch.run.run_directory import Shard
from g2p_batch.workers.shard import Brief, run_shard

_TOLD_EVERY_S = 0.2


@dataclass(frozen=True)
class Orders:
    """The first message to a worker."""

    brief: Brief
    open_engine: Callable[[], Engine]


@dataclass(frozen=True)
class Assignment:
    """Every further message to a worker."""

    number: int
    shard: Shard


@dataclass(frozen=True)
class Ready:
    """A worker has its engine."""


@dataclass(frozen=True)
class Advanced:
    """So many more words of the open shard are decoded."""

    words: int


@dataclass(frozen=True)
class Finished:
    """The open shard is committed, by this worker or by another one meanwhile."""


@dataclass(frozen=True)
class Failed:
    """The open shard could not be done; another attempt may succeed."""

    reason: str


@dataclass(frozen=True)
class Fatal:
    """No shard can be done."""

    error: G2PError


@dataclass(frozen=True)
class Lost:
    """The worker's device failed, and the worker ends: the open shard could not be done."""

    reason: str


Message = Ready | Advanced | Finished | Failed | Lost | Fatal
"""What a worker says."""


@dataclass(frozen=True)
class Died:
    """Said in place of a worker that is no more."""

    fate: str
    """How it ended, as part of a sentence."""


class DriverGoneError(Exception):
    """Nobody hears what a worker says."""


def outcome(
    brief: Brief, assignment: Assignment, engine: Engine, say: Callable[[Message], None]
) -> Finished | Failed | Lost | Fatal:
    """Run a shard, telling how far it is; return what became of it.

    Raises:
        DriverGoneError: as `say` does.
    """
    try:
        run_shard(brief, assignment.number, assignment.shard, engine, _Telling(say))
    except DeviceError as error:
        return Lost(str(error))
    except G2PError as error:
        return Fatal(error)
    except DriverGoneError:
        raise
    except Exception as error:  # a bad shard: the driver counts its attempts
        return Failed(f"{type(error).__name__}: {error}")
    return Finished()


class _Telling:
    """Progress of one shard, told to the driver a few times a second: it has to wake up to hear it."""

    def __init__(self, say: Callable[[Message], None]) -> None:
        self._say = say
        self._words = 0
        """Done, and not told yet."""
        self._told_s = time.monotonic()

    def start(self, total_words: int) -> None:
        """Say nothing: the driver knows."""

    def advance(self, words: int) -> None:
        """Tell that words are done, if the last time is long enough ago."""
        self._words += words
        if time.monotonic() - self._told_s >= _TOLD_EVERY_S:
            self._tell()

    def close(self) -> None:
        """Tell what is left to tell; the outcome follows."""
        if self._words:
            self._tell()

    def _tell(self) -> None:
        self._say(Advanced(self._words))
        self._words, self._told_s = 0, time.monotonic()


def main() -> None:
    """Serve, as a process, the driver at the other end of a connection, whose descriptor the command line names.

    The driver decides when to stop: signals to the whole process group are left to it. When it is gone, the next
    message to it or from it fails, and the worker ends.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    pa.set_cpu_count(1)
    try:
        _serve(_Driver(int(sys.argv[1])))
    except DriverGoneError:
        return


class _Driver:
    """The driver of a worker process."""

    def __init__(self, descriptor: int) -> None:
        self._connection: Connection[Any, Any] = Connection(descriptor)

    def ask(self) -> Any:
        """Wait for a message."""
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


def _serve(driver: _Driver) -> None:
    orders: Orders = driver.ask()
    try:
        engine = orders.open_engine()
    except DeviceError as error:
        driver.say(Lost(str(error)))
        return
    except G2PError as error:
        driver.say(Fatal(error))
        return
    driver.say(Ready())
    said: Message = Ready()
    while not isinstance(said, Lost):
        said = outcome(orders.brief, driver.ask(), engine, driver.say)
        driver.say(said)
