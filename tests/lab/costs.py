"""What a run costs beside its words: `python -m tests.lab.costs speed|cores|workers|tasks|small FOLDER`.

All with the bundled model. `speed` shows words/s by the size of the list, the time in which nothing is decoded apart.
`cores` shows how much faster two workers decode than one, in turn. `workers` shows the memory of one worker and of two.
`tasks` shows how long one driver with two workers takes, and two tasks of an array with one each, in turn, on an idle
machine and with another process on its last core. `small` compiles random weights in the largest upstream shape.
"""

import argparse
import itertools
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from statistics import median

from g2p_batch.counts import count_of
from g2p_batch.model import artifact_cache, contract
from g2p_batch.model.cpu_families import cpu_family
from g2p_batch.model.resolve import BUNDLED_NAME
from tests.helpers.command import REAL, install
from tests.helpers.cpu_time import Meter
from tests.lab.same_lexicon import make_list

SIZES = {100: 5, 1000: 5, 10_000: 3, 200_000: 1}
"""Words of a list, and how often it is run."""
WORKERS = 2
EACH, ROUNDS = 10_000, 5
"""Words of a list, and how often one worker and two decode one."""
PLANNED = (600, 4000, 20_000)
"""Words of a list that a driver and tasks run."""
DTYPES = tuple(dtype for dtype in contract.DTYPES if cpu_family(dtype))
"""All that this CPU has kernels for."""
_PSS = re.compile(r"^Pss:\s+(\d+) kB", re.MULTILINE)


def _generating(
    folder: Path, name: str, words: int, dtype: str, workers: int, environment: Mapping[str, str] = os.environ
) -> "subprocess.Popen[bytes]":
    """Start a run of a new list."""
    path = folder / f"{name}.tsv"
    make_list(path, words)
    program, command = folder / "bin" / "g2p-batch", ("generate", path, "--dtype", dtype, "--workers", workers)
    place = ("-o", folder / f"{name}-lexicon.tsv", "--run-dir", folder / f"{name}.run")
    with (folder / f"{name}.log").open("w") as log:
        return subprocess.Popen([program, *map(str, (*command, *place))], stderr=log, env=environment)


def _ended(process: "subprocess.Popen[bytes]", folder: Path, name: str) -> float:
    """Wait for a run; return how long any worker decoded, in seconds."""
    code = process.wait()
    assert code == 0, (folder / f"{name}.log").read_text()
    decoded: float = json.loads((folder / f"{name}.run" / "run-summary.json").read_text())["decode_seconds"]
    return decoded


def speed(folder: Path) -> None:
    """Run lists of rising size, each run a command of its own."""
    _ended(_generating(folder, "first", 10, "int8", 1), folder, "first")  # compiles, if that is to be done
    print(f"int8, {WORKERS} workers; medians of so many runs")  # noqa: T201
    print("   words  runs  seconds  not decoding  words/s decoding  words/s in all  core-seconds")  # noqa: T201
    for words, runs in SIZES.items():
        whole, decoding, used = [], [], []
        for number in range(runs):
            name = f"{words}-{number}"
            started = time.perf_counter()
            with Meter() as meter:
                process = _generating(folder, name, words, "int8", WORKERS, os.environ | meter.environment)
                decoding.append(_ended(process, folder, name))
            whole.append(time.perf_counter() - started)
            used.append(meter.seconds)
        seconds, decoded = median(whole), median(decoding)
        rates = f"{words / decoded:18,.0f}{words / seconds:16,.0f}"
        print(  # noqa: T201
            f"{words:8,}{runs:6}{seconds:9.1f}{seconds - decoded:14.1f}{rates}{median(used):14.1f}", flush=True
        )


def cores(folder: Path) -> None:
    """Decode a list with one worker and with two, in turn."""
    for dtype in DTYPES:
        rates: dict[int, list[float]] = {1: [], 2: []}
        for number, count in itertools.product(range(ROUNDS), rates):
            name = f"{dtype}-{count}-{number}"
            rates[count].append(EACH / _ended(_generating(folder, name, EACH, dtype, count), folder, name))
        one, two = map(median, rates.values())
        ratios = " ".join(f"{b / a:.2f}" for a, b in zip(*rates.values(), strict=True))
        print(f"{dtype}: {one:,.0f} words/s with a worker, {two:,.0f} with two; times {ratios} by round", flush=True)  # noqa: T201


def workers(folder: Path) -> None:
    """Run a list with one worker and with two; show the most memory that their processes have, shared pages divided."""
    for dtype in DTYPES:
        peaks = {}
        for count in (1, 2):
            name = f"{dtype}-{count}"
            process = _generating(folder, name, 10_000, dtype, count)
            peaks[count] = _peak(process)
            _ended(process, folder, name)
            print(f"{dtype}, {count_of(count, 'worker')} and the driver: {peaks[count]:,.0f} MiB")  # noqa: T201
        print(f"{dtype}, one more worker: {peaks[2] - peaks[1]:,.0f} MiB")  # noqa: T201


def _peak(process: "subprocess.Popen[bytes]") -> float:
    """Return the most memory that a process and its children have until it ends, in MiB."""
    most = 0
    while process.poll() is None:
        most = max(most, sum(map(_pss, (process.pid, *_children(process.pid)))))
        time.sleep(0.2)
    return most / 1024


def _children(process: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    except OSError:  # it has ended
        return []


def _pss(process: int) -> int:
    """Return the proportional memory of a process in KiB."""
    try:
        found = _PSS.search(Path(f"/proc/{process}/smaps_rollup").read_text())
    except OSError:  # it has ended
        return 0
    return int(found[1]) if found else 0


def tasks(folder: Path) -> None:
    """Let one driver do a plan, and tasks that have a fixed part of it each."""
    program = str(folder / "bin" / "g2p-batch")
    ways = {
        "driver": [["--workers", str(WORKERS)]],
        "tasks": [["--workers", "1", "--shards", f"{index}/{WORKERS}"] for index in range(WORKERS)],
    }
    print(f"int8, {WORKERS} workers; medians of {ROUNDS} rounds, in seconds")  # noqa: T201
    for words, busy in itertools.product(PLANNED, (False, True)):
        make_list(folder / "words.tsv", words)
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        for number, way in itertools.product(range(ROUNDS), ways):
            place = f"{words}-{busy}-{number}-{way}.run"
            plan = [program, "plan", "words.tsv", "--dtype", "int8", "--shard-words", "2000", "--run-dir", place]
            subprocess.run(plan, check=True, capture_output=True)
            with _last_core_busy() if busy else nullcontext():
                started = time.perf_counter()
                children = [
                    subprocess.Popen([program, "run", place, *part], stderr=subprocess.DEVNULL) for part in ways[way]
                ]
                codes = [child.wait() for child in children]
                seconds[way].append(time.perf_counter() - started)
            assert not any(codes), (place, codes)
        told = ", ".join(f"{way} {median(values):.2f}" for way, values in seconds.items())
        print(f"{words:,} words, {'a core busy' if busy else 'idle'}: {told}", flush=True)  # noqa: T201


@contextmanager
def _last_core_busy() -> Iterator[None]:
    core = max(os.sched_getaffinity(0))
    process = subprocess.Popen(["taskset", "-c", str(core), sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def small(folder: Path) -> None:
    """Export random weights in the shape `small`, and compile them for this CPU."""
    from g2p_compile.build.builder import build
    from g2p_compile.check.transformers_reference import load_reference
    from g2p_compile.export.exporter import export_program
    from g2p_compile.export.widen import random_checkpoint

    program = folder / "program"
    export_program(random_checkpoint(load_reference(BUNDLED_NAME), "small"), program)
    for dtype in DTYPES:
        family = cpu_family(dtype)
        assert family is not None
        shapes = artifact_cache.load_shapes(artifact_cache.default_config(family), contract.load_contract(program))
        started, used = time.perf_counter(), time.process_time()
        build(program, family, shapes, dtype, folder / dtype)
        seconds, used = time.perf_counter() - started, time.process_time() - used
        size = sum(path.stat().st_size for path in (folder / dtype).iterdir()) / 2**20
        told = f"compiled in {seconds:.1f} s, {used:.1f} s of one core, to {size:,.0f} MiB"
        print(f"small, {dtype}, {family.name}: {told}")  # noqa: T201


STEPS: dict[str, Callable[[Path], None]] = {
    "speed": speed,
    "cores": cores,
    "workers": workers,
    "tasks": tasks,
    "small": small,
}


def main() -> None:
    """Measure one of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("step", choices=STEPS)
    parser.add_argument("folder", type=Path, help="A new folder.")
    given = parser.parse_args()
    if given.folder.exists():
        parser.error(f"{given.folder} exists already: name a new folder")
    folder = given.folder.absolute()
    install(folder / "bin", REAL)
    os.chdir(folder)
    STEPS[given.step](folder)


if __name__ == "__main__":
    main()
