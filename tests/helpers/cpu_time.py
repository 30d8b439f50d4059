"""Processor time of processes, whoever started and waited for them: on a busy machine it tells more than a clock."""

import os
import threading
from pathlib import Path
from uuid import uuid4

_MARK = "G2P_TEST_METER"
_PACE_S = 0.25
_TICKS = os.sysconf("SC_CLK_TCK")


class Meter:
    """While it is open, looks several times a second at all processes that have `environment`."""

    def __init__(self) -> None:
        self.environment = {_MARK: uuid4().hex}
        self._mark = f"{_MARK}={self.environment[_MARK]}".encode()
        self._seconds: dict[int, float] = {}
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    @property
    def seconds(self) -> float:
        """Return what they have used until they were last seen."""
        return sum(self._seconds.values())

    def __enter__(self) -> "Meter":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._closed.wait(_PACE_S):
            for folder in Path("/proc").glob("[0-9]*"):
                try:
                    if self._mark in (folder / "environ").read_bytes().split(b"\0"):
                        self._seconds[int(folder.name)] = _used(folder)
                except OSError:  # it has ended
                    continue


def _used(folder: Path) -> float:
    """Return the seconds that a process has used, those of the children that it has waited for apart."""
    fields = (folder / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS
