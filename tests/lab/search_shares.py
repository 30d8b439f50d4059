"""Where a search spends its time: `python -m tests.lab.search_shares [N ...]`.

Looks for N outputs of each third golden word on one thread, the second time measured, and tells for each number format
how many beginnings a word takes, how many rows steps have, and the share of each call of the engine.
"""

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from g2p_batch.model.contract import DType
from g2p_batch.model.cpu_families import cpu_family
from g2p_batch.model.nbest import Search
from g2p_batch.model.progress import Silent
from g2p_batch.model.resolve import find_model
from g2p_batch.model.shipped import shipped
from g2p_batch.model.threaded import pronounce_variants
from g2p_compile.check.golden import read_tsv
from g2p_compile.check.planned_words import planned

DTYPES: tuple[DType, ...] = ("int8", "bfloat16", "float32")
CALLS = ("encode", "prefill", "extend", "choose", "fork")


def timed(call: Callable[..., Any], seconds: list[float]) -> Callable[..., Any]:
    """Return a function that does the same and takes the time."""

    def run(*arguments: Any) -> Any:
        started = time.perf_counter()
        result = call(*arguments)
        seconds.append(time.perf_counter() - started)
        return result

    return run


def shares(dtype: DType, variants: int) -> str:
    """Return what a search in a number format spends its time with."""
    artifact = find_model("bundled", print, dtype=dtype).open(print)
    contract, engine = artifact.manifest.contract, artifact.engine()
    table = read_tsv(shipped("golden/bench.tsv"))
    words = planned(table["word"].to_pylist()[::3], table["lang"].to_pylist()[::3], contract)
    taken: dict[str, list[float]] = {name: [] for name in CALLS}
    for name in CALLS:
        setattr(engine, name, timed(getattr(engine, name), taken[name]))
    extend, live = engine.extend, []

    def counted(cache: Any, rows: Any, source: Any) -> Any:
        live.append(len(source))
        return extend(cache, rows, source)

    setattr(engine, "extend", counted)  # noqa: B010 - methods are not to be assigned to
    for _ in range(2):
        for kept in (live, *taken.values()):
            kept.clear()
        started = time.perf_counter()
        pronounce_variants(words, contract, lambda: engine, 1, Silent(), Search(variants))
        seconds = time.perf_counter() - started
    of_all = ", ".join(f"{name} {sum(some) / seconds:.1%}" for name, some in taken.items())
    few = np.mean(np.array(live) < engine.shapes.buckets[0].search_rows / 4)
    return (
        f"{dtype}, N = {variants}: {len(words) / seconds:,.0f} words/s, {sum(live) / len(words):.1f} steps a word, "
        f"{np.mean(live):.0f} rows a step, less than a quarter of them in {few:.1%} of steps; {of_all}"
    )


def main() -> None:
    for variants in map(int, sys.argv[1:] or ("4",)):
        for dtype in DTYPES:
            if cpu_family(dtype):
                print(shares(dtype, variants))  # noqa: T201


if __name__ == "__main__":
    main()
