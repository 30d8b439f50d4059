"""SIGINT and SIGTERM, which stop, and SIGUSR1, which drains, as flags that long work looks at."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from g2p_batch.errors import StoppedEarlyError


class Stop:
    """The signals that asked to stop or to drain, if any."""

    def __init__(self) -> None:
        self.draining = False
        """Whether no more shards are to be begun; those that are open are finished."""
        self._name: str | None = None
        self._interrupts: list[Callable[[], None]] = []

    def handle(self, number: int, _frame: object) -> None:
        """Remember a signal and interrupt what cannot look; a handler may interrupt another one."""
        self._name = signal.Signals(number).name
        for interrupt in self._interrupts:
            interrupt()

    def drain(self, _number: int, _frame: object) -> None:
        """Remember the signal; nothing is interrupted."""
        self.draining = True

    def check(self, progress: str) -> None:
        """Raise `StoppedEarlyError` if a signal came; `progress` tells how far the work is."""
        if self._name:
            raise StoppedEarlyError(f"stopped by {self._name} {progress}: run the same command again")

    @contextmanager
    def at_once(self, progress: str) -> Iterator[None]:
        """Let a signal end what cannot look; whatever that makes of it, `StoppedEarlyError` is raised."""
        with self.interrupting(_interrupt):
            try:
                yield
            except (Exception, KeyboardInterrupt):
                self.check(progress)
                raise

    @contextmanager
    def interrupting(self, interrupt: Callable[[], None]) -> Iterator[None]:
        """Call `interrupt` when a signal comes."""
        self._interrupts.append(interrupt)
        try:
            yield
        finally:
            self._interrupts.remove(interrupt)


def _interrupt() -> None:
    raise KeyboardInterrupt


@contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """Turn signals into flags; outside the main thread, which alone gets signals, none is ever set."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    handlers = {signal.SIGINT: stop.handle, signal.SIGTERM: stop.handle, signal.SIGUSR1: stop.drain}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)  # None: set by something other than Python


def ignore_stops() -> None:
    """Let SIGINT and SIGTERM interrupt nothing any more: what is left of this process is its way out."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
