"""What a run's host costs, with the model's dictionary and without: `python -m tests.lab.host_shares WORDS.parquet`.

WORDS has the columns word and lang. On one core, with the bundled model in int8, 50,000 of its words are planned,
pronounced and merged, with the dictionary and without in turn, as a run does it. Prints microseconds a word of
planning, looking up (`Dictionary.find`; making rows of what is found is a worker's), the model, what else a worker
does, its decoding loop included, and merging, medians of three turns.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from g2p_batch.model.contract import Contract
from g2p_batch.model.progress import Silent
from g2p_batch.model.resolve import CompiledModel, find_model
from g2p_batch.run.merge import merged
from g2p_batch.run.output import LexiconOutput
from g2p_batch.run.plan import PlanOptions, planned
from g2p_batch.run.run_directory import RunDir
from g2p_batch.signals import Stop
from g2p_batch.words.dictionary import Dictionary
from g2p_batch.words.wordlist import WordLists
from g2p_batch.workers.shard import RunContext, run_shard
from tests.lab.search_shares import timed

WORDS = 50_000
TURNS = 3
CALLS = ("encode", "prefill", "step")
PARTS = ("plan", "look-up", "model", "rest of a worker", "merge")


def spent(
    words: Path, contract: Contract, engines: CompiledModel, engine: Any, dictionary: Dictionary | None
) -> dict[str, float]:
    """Return the seconds of each part of a run."""
    model: list[float] = []
    look_up: list[float] = []
    for name in CALLS:
        setattr(engine, name, timed(getattr(type(engine), name).__get__(engine), model))
    if dictionary is not None:
        setattr(dictionary, "find", timed(Dictionary.find.__get__(dictionary), look_up))  # noqa: B010
    with tempfile.TemporaryDirectory() as name:
        run, output = RunDir(Path(name) / "run"), LexiconOutput(Path(name) / "lexicon.tsv")
        options = PlanOptions(WordLists((str(words),)), contract, run.root)
        plan, planning = taken(lambda: planned(options, run, Stop()))
        context = RunContext(run.root, plan.id, contract, engines)

        def work() -> None:
            for number, shard in enumerate(plan.shards):
                run_shard(context, number, shard, engine, Silent(), dictionary)

        _, working = taken(work)
        _, merging = taken(lambda: merged(run, plan, output, lambda _: None, Stop(), time.perf_counter()))
    rest = working - sum(model) - sum(look_up)
    return dict(zip(PARTS, (planning, sum(look_up), sum(model), rest, merging), strict=True))


def taken(work: Callable[[], Any]) -> tuple[Any, float]:
    started = time.perf_counter()
    return work(), time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", type=Path)
    table = pq.read_table(parser.parse_args().words, columns=["word", "lang"])
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    pa.set_cpu_count(1)  # as workers do
    model = find_model("bundled", print, dtype="int8")
    engines = model.compiled(print)
    engine, exceptions = engines.engine(), engines.exceptions()
    assert exceptions is not None
    dictionary = Dictionary(exceptions)
    table = table.filter(pc.is_in(table["lang"], pa.array(model.contract.languages)))
    table = table.take(pa.array(np.random.default_rng(0).choice(len(table), min(WORDS, len(table)), replace=False)))
    with tempfile.TemporaryDirectory() as folder:
        words = Path(folder) / "words.parquet"
        pq.write_table(table, words)
        spent(words, model.contract, engines, engine, dictionary)  # reads the dictionary
        turns = [
            [spent(words, model.contract, engines, engine, one) for one in (dictionary, None)] for _ in range(TURNS)
        ]
    for place, way in enumerate(("with the dictionary", "without")):
        costs = {part: median(turn[place][part] for turn in turns) / len(table) * 1e6 for part in PARTS}
        host = sum(costs.values()) - costs["model"]
        each = ", ".join(f"{part} {cost:.2f}" for part, cost in costs.items())
        print(f"{way}: {host:.2f} µs a word on the host ({each}); look-up {costs['look-up'] / host:.1%} of it")  # noqa: T201


if __name__ == "__main__":
    main()
