"""Gather what proves the CUDA half on a machine without a registry: `python -m tests.lab.gpu_kit FOLDER`.

Needs nvcc and a registry, no GPU. Carry FOLDER to a machine with one, and run `sh FOLDER/run.sh OUT` there.
"""

import argparse
import tempfile
import time
from pathlib import Path

from tests.lab.gpu_kit.gather import bundled, gather

MOST_BYTES = 60 << 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--python", default="3.12", metavar="VERSION", help="of the other machine")
    parser.add_argument("--arch", default="sm_90", metavar="SM_XX[,...]", help="of its GPU")
    options = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        gather(bundled(Path(name) / "wide", tuple(options.arch.split(","))), options.folder, options.python, _say)
    size = folder_bytes(options.folder)
    _say(f"{options.folder}: {size / (1 << 20):.1f} MiB in {time.monotonic() - started:.0f} s")
    if size > MOST_BYTES:
        raise SystemExit(f"that is more than {MOST_BYTES >> 20} MiB, which is what can be carried")


def folder_bytes(folder: Path) -> int:
    """Return the size of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
