"""Run a kit on a machine with a GPU: `sh run.sh OUT [STEP ...]`; exits with 1 unless every step held or was skipped."""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.lab.gpu_kit.on_card.kit import Kit
from tests.lab.gpu_kit.on_card.runner import RESULTS, load_results, run_steps
from tests.lab.gpu_kit.on_card.steps import steps
from tests.lab.gpu_kit.on_card.table import table
from tests.lab.gpu_kit.on_card.tools import work_command

TABLE = "table.txt"
BUDGET_S = 570
"""Seconds: within ten minutes, with some for copying."""
_SMI = ("nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader")
_SMI_LIMIT_S = 20


def main() -> int:
    parser = argparse.ArgumentParser(prog="run.sh", description=__doc__)
    parser.add_argument("out", type=Path, help="folder for results")
    parser.add_argument("steps", nargs="*", metavar="STEP", help="as the table calls them; all by default")
    parser.add_argument("--kit", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--budget", type=float, default=BUDGET_S, help="seconds of all steps together")
    options = parser.parse_args()
    there = steps(options.kit)
    names = list(dict.fromkeys(step.name for step in there))
    if unknown := [name for name in options.steps if name not in names]:
        parser.error(f"no step is called {' or '.join(unknown)}: give of {', '.join(names)}")
    wanted = [step for step in there if not options.steps or step.name in options.steps]
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        run_steps(
            wanted,
            lambda step, facts: work_command(options.kit, Path(scratch), step.name, step.dtype, facts.absolute()),
            options.out,
            options.budget,
            _say,
        )
        head = f"{_card()}; {Kit(options.kit, Path(scratch)).settings.source}"
    results = load_results(options.out)
    text = table(results, head)
    (options.out / TABLE).write_text(text, encoding="utf-8")
    _say(f"\n{text}\nIn {options.out}: {RESULTS}, {TABLE}")
    return int(any(result.outcome not in ("held", "skipped") for result in results))


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


def _card() -> str:
    if shutil.which(_SMI[0]) is None:
        return "no nvidia-smi here"
    try:
        done = subprocess.run(_SMI, capture_output=True, text=True, check=False, timeout=_SMI_LIMIT_S)
    except subprocess.TimeoutExpired:
        return "nvidia-smi does not answer"
    return (done.stdout or done.stderr).strip()


if __name__ == "__main__":
    sys.exit(main())
