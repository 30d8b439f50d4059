"""NVIDIA's tools around small runs: the sanitizer, and the profiler of kernels."""

import csv
import importlib.util
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tests.helpers.decoding import decode
from tests.lab.gpu_kit.on_card.kit import SMALL, Kit
from tests.lab.gpu_kit.on_card.proofs import Facts
from tests.lab.gpu_kit.on_card.skip import SkippedError
from tests.lab.gpu_kit.on_card.speed import stage_runs

_FOLDERS = "/usr/local/cuda/bin"
_ERROR_CODE = 9
_TIME, _COMPUTE, _MEMORY = (
    "gpu__time_duration.sum",
    "sm__throughput.avg.pct_of_peak_sustained_elapsed",
    "gpu__compute_memory_throughput.avg.pct_of_peak_sustained_elapsed",
)
_MICROSECONDS = {"nsecond": 1e-3, "ns": 1e-3, "usecond": 1.0, "us": 1.0, "msecond": 1e3, "ms": 1e3}
_SHOWN = 6

Kernels = dict[str, dict[str, float]]
"""By name: `us` together, `count`, and where they are known `compute` and `memory`, percent of their peaks."""


def small(kit: Kit, dtype: str) -> Iterator[Facts]:
    """Say a few words with a model of few rows: what a slow tool follows."""
    ids, lengths = kit.sources("golden")
    engine = kit.engine(SMALL, dtype)
    some = np.linspace(0, len(lengths) - 1, engine.shapes.buckets[0].batch + 2).astype(int)
    yield {"text": f"{len(decode(engine, ids[some], lengths[some]).ids)} words"}


def sanitizer(tool: str) -> Callable[[Kit, str], Iterator[Facts]]:
    """Return the step that runs `small` under a tool of compute-sanitizer."""

    def watch(kit: Kit, dtype: str) -> Iterator[Facts]:
        """Find nothing."""
        options = ("--tool", tool, "--error-exitcode", str(_ERROR_CODE))
        done = _under(_tool("compute-sanitizer"), options, kit, "small", dtype)
        said = done.stdout.splitlines()
        if "Device not supported" in done.stdout:
            raise SkippedError("compute-sanitizer says: Device not supported")
        summary = next((line.strip("= ") for line in reversed(said) if "SUMMARY" in line), f"exit {done.returncode}")
        yield {"held": done.returncode == 0, "code": done.returncode, "last": said[-_SHOWN:], "text": summary}

    return watch


def kernels(kit: Kit, dtype: str) -> Iterator[Facts]:
    """Time every kernel of the stages: with ncu, or where it is not there or cannot, with PyTorch's profiler."""
    try:
        found, by = _with_ncu(kit, dtype), "ncu"
        why = ""
    except SkippedError as cause:
        why = f" ({cause})"
        if importlib.util.find_spec("torch") is None:
            raise SkippedError(f"{cause}, and no PyTorch, whose profiler would do") from None
        found, by = _with_torch(kit, dtype), "PyTorch's profiler"
    whole = sum(one["us"] for one in found.values())
    if not whole:
        raise SkippedError(f"{by} saw no kernel{why}")
    ranked = sorted(found, key=lambda name: -found[name]["us"])
    told = [_told(name, found[name], whole) for name in ranked[:_SHOWN]]
    yield {"by": by, "kernels": {name: found[name] for name in ranked}, "text": f"by {by}{why}: {'; '.join(told)}"}


def _told(name: str, one: dict[str, float], whole: float) -> str:
    peaks = "".join(f", {one[of]:.0f} % of {of}" for of in ("compute", "memory") if of in one)
    return f"{name} {one['us'] / whole:.0%} in {one['count']:.0f} launches of {one['us'] / one['count']:.0f} us{peaks}"


def _with_ncu(kit: Kit, dtype: str) -> Kernels:
    options = ("--clock-control", "none", "--csv", "--metrics", ",".join((_TIME, _COMPUTE, _MEMORY)))
    done = _under(_tool("ncu"), options, kit, "single", dtype)
    found = of_csv(done.stdout.splitlines())
    if not found:
        last = done.stdout.strip().splitlines()[-1:] or ["nothing"]
        raise SkippedError(f"ncu gave no times, but said: {last[0]}")
    return found


def of_csv(lines: Iterable[str]) -> Kernels:
    """Read what `ncu --csv` prints: a line for each metric of each launch, behind what the program said."""
    rows = csv.DictReader(list(_from_header(lines)))
    sums: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        value = row["Metric Value"].replace(",", "")
        if value.replace(".", "", 1).isdecimal():  # what could not be counted has a word in its place
            name = row["Kernel Name"].partition("(")[0]
            sums[name][row["Metric Name"]].append(float(value) * _MICROSECONDS.get(row["Metric Unit"], 1.0))
    found: Kernels = {}
    for name, of in sums.items():
        if times := of.get(_TIME):
            found[name] = {"us": sum(times), "count": len(times)}
            for key, metric in (("compute", _COMPUTE), ("memory", _MEMORY)):
                if metric in of:
                    found[name][key] = float(np.average(of[metric], weights=times[: len(of[metric])]))
    return found


def _from_header(lines: Iterable[str]) -> Iterator[str]:
    begun = False
    for line in lines:
        begun |= line.startswith('"ID"')
        if begun and line.startswith('"'):
            yield line


def _with_torch(kit: Kit, dtype: str) -> Kernels:
    import torch
    from torch.profiler import ProfilerActivity, profile

    engine, runs = stage_runs(kit, dtype)
    if torch.cuda.is_available():
        torch.cuda.init()
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as seen:
        for run in runs.values():
            run()
        engine.device.stream.wait()
    return {
        one.key: {"us": float(one.self_device_time_total), "count": float(one.count)}
        for one in seen.key_averages()
        if one.self_device_time_total
    }


def _tool(name: str) -> str:
    """Return the path of a tool of the CUDA toolkit.

    Raises:
        SkippedError: it is not there.
    """
    program = shutil.which(name) or shutil.which(name, path=_FOLDERS)
    if program is None:
        raise SkippedError(f"no {name} here")
    return program


def _under(program: str, options: Sequence[str], kit: Kit, what: str, dtype: str) -> "subprocess.CompletedProcess[str]":
    """Run a function of `work` under a tool; what both say goes to the log too."""
    facts = kit.scratch / "under.json"
    command = [program, *options, *work_command(kit.folder, kit.scratch, what, dtype, facts)]
    done: subprocess.CompletedProcess[str] = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False
    )
    sys.stderr.write(done.stdout)
    return done


def work_command(folder: Path, scratch: Path, what: str, dtype: str, facts: Path) -> list[Any]:
    """Return the command that runs one function of `work`."""
    module = "tests.lab.gpu_kit.on_card.work"
    return [sys.executable, "-m", module, what, dtype, str(folder), str(scratch), str(facts)]
