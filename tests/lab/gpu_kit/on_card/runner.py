"""Steps one after the other, each in a process of its own with a limit of time; what is known is on disk after each."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

LOG, RESULTS = "log.txt", "results.json"
_TAIL = 400
"""Characters of a failed step's last words that are kept."""


@dataclass(frozen=True)
class Step:
    """What one process does: a function of `work` for a number format, in at most so many seconds."""

    name: str
    dtype: str
    limit_s: int


@dataclass(frozen=True)
class Result:
    """What became of a step: `outcome` is held, failed, skipped, crashed or cut off."""

    name: str
    dtype: str
    outcome: str
    seconds: float
    text: str
    facts: dict[str, Any] = field(default_factory=dict)


Command = Callable[[Step, Path], Sequence[str]]
"""How a step is run, with the file that its facts go to."""


def run_steps(steps: Iterable[Step], command: Command, out: Path, budget_s: float, say: Callable[[str], None]) -> None:
    """Run steps, and write all results after each.

    Args:
        steps: in their order; what one does never keeps the next one from its turn.
        command: of a step.
        out: folder for results and log.
        budget_s: time of all steps together; those for which none is left are cut off.
        say: told of each step.
    """
    ends = time.monotonic() + budget_s
    results: list[Result] = []
    for step in steps:
        result = _run(step, command, out, min(step.limit_s, ends - time.monotonic()))
        results.append(result)
        say(f"{result.name} {result.dtype}: {result.outcome}, {result.seconds:.1f} s. {result.text}")
        _save(results, out)


def load_results(out: Path) -> list[Result]:
    """Read the results of steps."""
    return [Result(**raw) for raw in json.loads((out / RESULTS).read_text(encoding="utf-8"))]


def _save(results: list[Result], out: Path) -> None:
    draft = out / f".{RESULTS}"
    draft.write_text(json.dumps([asdict(result) for result in results], indent=1, ensure_ascii=False) + "\n", "utf-8")
    draft.replace(out / RESULTS)


def _run(step: Step, command: Command, out: Path, limit_s: float) -> Result:
    if limit_s <= 0:
        return Result(step.name, step.dtype, "cut off", 0.0, "no time was left for it")
    facts_file = out / ".facts.json"
    facts_file.unlink(missing_ok=True)
    started = time.monotonic()
    with (out / LOG).open("ab") as log:
        log.write(f"\n== {step.name} {step.dtype}\n".encode())
        log.flush()
        begins = log.tell()
        child = subprocess.Popen(
            command(step, facts_file), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
        code = _wait(child, limit_s)
    seconds = time.monotonic() - started
    facts = json.loads(facts_file.read_text(encoding="utf-8")) if facts_file.is_file() else {}
    facts_file.unlink(missing_ok=True)
    with (out / LOG).open("rb") as log:
        log.seek(begins)
        last = log.read().decode(errors="replace").strip()[-_TAIL:]
    outcome, text = _meaning(code, facts, last, limit_s)
    return Result(step.name, step.dtype, outcome, seconds, text, facts)


def _wait(child: "subprocess.Popen[bytes]", limit_s: float) -> int | None:
    """Return the exit code of a process, or None if it had to be ended, with all that it started."""
    try:
        return child.wait(limit_s)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        return None


def _meaning(code: int | None, facts: dict[str, Any], last: str, limit_s: float) -> tuple[str, str]:
    """Return the outcome of a step, and what to say of it."""
    text = str(facts.get("text", ""))
    if code is None:
        return "cut off", f"not done after {limit_s:.0f} s{'; so far: ' if text else ''}{text}"
    if code:
        why = f"signal {-code}" if code < 0 else f"exit code {code}"
        return "crashed", f"{why}: {last.splitlines()[-1] if last else 'it said nothing'}"
    if "skipped" in facts:
        return "skipped", str(facts["skipped"])
    return ("held" if facts.get("held", True) else "failed"), text
