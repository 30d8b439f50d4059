"""SIGINT and SIGTERM as a flag that long work looks at."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from g2p_batch.errors import StoppedEarlyError


class Stop:
    """The signal that asked to stop, if any."""

    def __init__(self) -> None:
        self._name: str | None = None
        self._interrupts: list[Callable[[], None]] = []

    def handle(self, number: int, _frame: object) -> None:
        """Remember a signal and interrupt what cannot look; a handler may interrupt another one."""
        self._name = signal.Signals(number).name
        for interrupt in self._interrupts:
            interrupt()

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
    """Turn SIGINT and SIGTERM into a flag; outside the main thread, which alone gets signals, none is ever set."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, stop.handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)  # None: set by something other than Python
