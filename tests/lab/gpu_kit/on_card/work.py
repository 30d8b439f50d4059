"""One function in a process of its own: `python -m ...work WHAT DTYPE KIT SCRATCH FACTS`."""

import json
import sys
from pathlib import Path

from tests.lab.gpu_kit.on_card.kit import Kit
from tests.lab.gpu_kit.on_card.skip import SkippedError
from tests.lab.gpu_kit.on_card.steps import FUNCTIONS


def work(what: str, dtype: str, folder: Path, scratch: Path, facts: Path) -> None:
    """Write down what a function finds, whenever it finds something."""
    known = {}
    try:
        for found in FUNCTIONS[what](Kit(folder, scratch), dtype):
            known.update(found)
            _write(known, facts)
    except SkippedError as cause:
        _write({"skipped": str(cause)}, facts)


def _write(known: dict[str, object], path: Path) -> None:
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(known), encoding="utf-8")
    draft.replace(path)


if __name__ == "__main__":
    work(sys.argv[1], sys.argv[2], *map(Path, sys.argv[3:]))
