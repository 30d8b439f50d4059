"""A worker process: opens an engine, then runs the shards that it is given, one at a time."""

import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import pyarrow as pa

from g2p_batch.decode import Engine
from g2p_batch.errors import G2PError
from g2p_batch.rundir import Shard
from g2p_batch.shard import Brief, run_shard


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


def main() -> None:
    """Serve the driver at the other end of a connection, whose descriptor the command line names.

    The driver decides when to stop: signals to the whole process group are left to it. When it is gone, the next
    message to it or from it fails, and the worker ends.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    pa.set_cpu_count(1)
    driver: Connection[Any, Any] = Connection(int(sys.argv[1]))
    try:
        _serve(driver)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


def _serve(driver: "Connection[Any, Any]") -> None:
    orders: Orders = driver.recv()
    try:
        engine = orders.open_engine()
    except G2PError as error:
        driver.send(Fatal(error))
        return
    driver.send(Ready())
    while True:
        assignment: Assignment = driver.recv()
        driver.send(_outcome(driver, orders.brief, assignment, engine))


def _outcome(
    driver: "Connection[Any, Any]", brief: Brief, assignment: Assignment, engine: Engine
) -> Finished | Failed | Fatal:
    try:
        run_shard(brief, assignment.number, assignment.shard, engine, _Telling(driver))
    except G2PError as error:
        return Fatal(error)
    except ConnectionError:
        raise  # the driver is gone
    except Exception as error:  # a bad shard: the driver counts its attempts
        return Failed(f"{type(error).__name__}: {error}")
    return Finished()


class _Telling:
    """Progress of one shard, told to the driver."""

    def __init__(self, driver: "Connection[Any, Any]") -> None:
        self._driver = driver

    def start(self, total_words: int) -> None:
        """Say nothing: the driver knows."""

    def advance(self, words: int) -> None:
        """Tell that words are done."""
        self._driver.send(Advanced(words))

    def close(self) -> None:
        """Say nothing: the outcome follows."""
