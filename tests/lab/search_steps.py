"""What the steps of a search cost beside those of greedy decoding: `python -m tests.lab.search_steps FOLDER`.

Compiles the bundled model, and random weights in the upstream shape `tiny_16`, into FOLDER; decodes golden words, all
at once, and at every position takes the time of `step`, `extend` and of a `fork` of one row in eight, in turn.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from g2p_batch.model.contract import DType, LengthBucket, Shapes
from g2p_batch.model.cpu_engine import Artifact, CpuEngine
from g2p_batch.model.cpu_families import cpu_family
from g2p_batch.model.greedy import Rows
from g2p_batch.model.shipped import BUNDLED, shipped
from g2p_batch.model.tokenizer import tokenize
from g2p_compile.build.builder import build
from g2p_compile.check.golden import read_tsv
from tests.helpers.tiny_models import UPSTREAM, random_program

DTYPES: tuple[DType, ...] = ("float32", "bfloat16", "int8")
STEPS, TURNS, PER_FORK = 10, 40, 8


def words(engine: CpuEngine, count: int) -> tuple[Any, Any]:
    """Return ids and lengths of golden words, repeated if need be."""
    table = read_tsv(shipped("golden/bench.tsv"))
    table = table.take(pa.array(np.arange(count) % len(table)))
    prefixes = [engine.contract.prefix_for(engine.contract.languages[0])] * count
    ids, lengths = tokenize(table["word"].combine_chunks(), pa.array(prefixes, pa.string()))
    reach = engine.shapes.longest.source_bytes
    return ids[:, :reach].copy(), np.minimum(lengths, reach)


def costs(engine: CpuEngine, count: int) -> dict[str, float]:
    """Return seconds of each call, the fastest of many in turn, added up over the positions."""
    bucket = engine.shapes.longest
    cache = engine.open(bucket)
    ids, lengths = words(engine, count)
    slot = np.arange(count, dtype=np.int32)
    engine.prefill(cache, engine.encode(bucket, ids, lengths), slot)
    origin, target = slot[::PER_FORK].copy(), slot[::PER_FORK] + np.int32(count)
    total = dict.fromkeys(("step", "extend", "fork"), 0.0)
    token = np.zeros(count, np.int32)
    for position in range(STEPS):
        rows = Rows(token, np.full(count, position, np.int32), slot, lengths)
        counts = np.full(len(origin), position, np.int32)
        calls: dict[str, Callable[[], Any]] = {
            "step": lambda rows=rows: engine.step(cache, rows),
            "extend": lambda rows=rows: engine.extend(cache, rows, slot),
            "fork": lambda counts=counts: engine.fork(cache, origin, target, counts),
        }
        best = dict.fromkeys(calls, np.inf)
        for _ in range(TURNS):
            for name, call in calls.items():
                started = time.perf_counter()
                call()
                best[name] = min(best[name], time.perf_counter() - started)
        for name, seconds in best.items():
            total[name] += seconds
        token = engine.step(cache, rows)[0].copy()
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, nargs="+", default=[64, 256])
    options = parser.parse_args()
    most = max(options.rows)
    # Slots beyond the rows, to be forked to.
    shapes = Shapes((LengthBucket(40, 24, most, most),), tuple(range(1, most + 1)))
    programs = {
        "bundled": BUNDLED,
        "tiny_16": random_program(options.folder / "program", UPSTREAM["tiny_16"]),
    }
    for (name, program), dtype in ((p, d) for p in programs.items() for d in DTYPES):
        family = cpu_family(dtype)
        if family is None:
            continue
        folder = options.folder / f"{name}-{dtype}"
        build(program, family, shapes, dtype, folder)
        engine = Artifact(folder).engine()
        assert isinstance(engine, CpuEngine)
        for rows in options.rows:
            seconds = costs(engine, rows)
            step = seconds["step"]
            shares = ", ".join(f"{n} {seconds[n] / step:.3f} of it" for n in ("extend", "fork"))
            print(f"{name} {dtype}, {rows} rows: step {step / STEPS * 1e3:.2f} ms, {shares}")  # noqa: T201


if __name__ == "__main__":
    main()
