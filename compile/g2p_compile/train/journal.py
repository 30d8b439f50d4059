"""What a training says: records as JSON lines in a file, and to whoever watches."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from g2p_batch.storage.publish import put, writing

LOG = "log.jsonl"


class Watcher(Protocol):
    """Is told how far a training is."""

    def start(self, step: int, steps: int) -> None:
        """Training goes on behind `step` of `steps`."""

    def advance(self, loss: float) -> None:
        """One more step is done; `loss` is the mean over the target ids of its batch, in nats."""

    def tell(self, line: str) -> None:
        """Another record is in the log."""


class Journal:
    """The log of a training: one JSON object a line, in the order of steps."""

    def __init__(self, folder: Path, watcher: Watcher, step: int) -> None:
        """Go on behind `step`: lines of later steps, which were done but not saved, are dropped."""
        self._path = folder / LOG
        self._watcher = watcher
        lines = self._path.read_text(encoding="utf-8").splitlines() if self._path.is_file() else []
        kept = [line for line in lines if _step(line) <= step]
        put(self._path, "".join(f"{line}\n" for line in kept).encode())

    def write(self, record: Mapping[str, Any]) -> None:
        """Add a record, which has a `step`.

        Raises:
            OutputError: the disk is full, or failed.
        """
        line = json.dumps(record)
        with writing(self._path), self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        self._watcher.tell(line)


def _step(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, LookupError, TypeError):  # a line that was being written when the process was killed
        return math.inf
