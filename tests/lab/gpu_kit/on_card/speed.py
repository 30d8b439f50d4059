"""Words per second in the larger shape, where the time goes, and what the card can do."""

import importlib.util
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from g2p_batch.model.cuda import runtime
from g2p_batch.model.cuda.gpu_engine import GpuEngine
from g2p_batch.model.greedy import Rows
from g2p_batch.model.ids import START
from g2p_batch.model.progress import Silent
from g2p_compile.bench.flops import Work, model_flops
from tests.helpers.decoding import decode
from tests.lab.gpu_kit.on_card.kit import WIDE, Kit
from tests.lab.gpu_kit.on_card.proofs import Facts, same_tokens
from tests.lab.gpu_kit.on_card.skip import SkippedError

_TURNS = 5
_STEPS = 4


def speed(kit: Kit, dtype: str) -> Iterator[Facts]:
    """Say all words several times: from ids to ids, and from text to text where Arrow is installed."""
    started = time.perf_counter()
    engine = kit.engine(WIDE, dtype)
    loaded = time.perf_counter() - started
    ids, lengths = kit.sources("many")
    once = decode(engine, ids, lengths)  # makes all memory
    same = int(same_tokens(once.ids, kit.words["many_tokens"]).sum())
    work = Work.of(lengths, np.count_nonzero(once.ids, axis=1))
    flops = model_flops(kit.contract(WIDE, dtype).geometry, work) / work.words
    copies, rounds = kit.settings.copies, kit.settings.rounds
    ids, lengths = np.tile(ids, (copies, 1)), np.tile(lengths, copies)
    decode(engine, ids, lengths)  # records all graphs
    facts: Facts = {
        "same": same,
        "words": len(lengths),
        "flops_per_word": flops,
        "load_s": loaded,
        "bytes_in_use": runtime.used_bytes(0),
    }
    rates: list[float] = []
    for _ in range(rounds):
        rates.append(len(lengths) / _seconds(lambda: decode(engine, ids, lengths)))
        yield facts | _told(rates, facts, "")
    if importlib.util.find_spec("pyarrow") is None:
        yield {"text_words_per_s": None, **_told(rates, facts, "; from text not measured, pyarrow is not installed")}
        return
    spoken = [len(lengths) / _seconds(_from_text(kit, engine, copies)) for _ in range(rounds)]
    median = statistics.median(spoken)
    yield {"text_words_per_s": median, **_told(rates, facts, f"; from text to text {median:,.0f}")}


def _told(rates: list[float], facts: Facts, more: str) -> Facts:
    median = statistics.median(rates)
    said = f"{min(rates):,.0f} to {max(rates):,.0f}, {len(rates)} times {facts['words']:,} words"
    text = f"{median:,.0f} words/s ({said}){more}; {facts['same']:,} of the distinct words as the reference"
    return {"words_per_s": median, "rounds": rates, "text": text}


def _from_text(kit: Kit, engine: GpuEngine, copies: int) -> Callable[[], Any]:
    from g2p_batch.model.threaded import pronounce
    from g2p_compile.check.planned_words import planned

    texts = kit.texts
    table = planned(texts["word"] * copies, texts["lang"] * copies, engine.contract)
    return lambda: pronounce(table, engine.contract, lambda: engine, 1, Silent())


def stages(kit: Kit, dtype: str) -> Iterator[Facts]:
    """Time one chunk's encoder and prefill and one full step, the fastest of a few, each waited for."""
    engine, runs = stage_runs(kit, dtype)
    taken = {}
    for name, run in runs.items():

        def whole(run: Callable[[], Any] = run) -> None:
            run()
            engine.device.stream.wait()

        whole()
        taken[name] = min(_seconds(whole) for _ in range(_TURNS)) * 1e3
        yield {"ms": dict(taken), "text": ", ".join(f"{name} {ms:.2f} ms" for name, ms in taken.items())}


def stage_runs(kit: Kit, dtype: str) -> tuple[GpuEngine, dict[str, Callable[[], Any]]]:
    """Return an engine, and what starts each of its stages with as much as it takes at once, by name."""
    engine = kit.engine(WIDE, dtype)
    bucket = engine.shapes.buckets[0]
    ids, lengths = kit.sources("many")
    fitting = np.flatnonzero(lengths <= bucket.source_bytes)
    chosen = fitting[np.arange(bucket.chunk) % len(fitting)]
    ids, lengths = np.ascontiguousarray(ids[chosen, : int(lengths[chosen].max())]), lengths[chosen]
    slots = np.arange(bucket.batch, dtype=np.int32)
    cache = engine.open(bucket)
    hidden = engine.encode(bucket, ids, lengths)
    for start in range(0, bucket.batch - bucket.chunk + 1, bucket.chunk):
        engine.prefill(cache, hidden, slots[start : start + bucket.chunk])
    rows = Rows(slots * 0 + START, slots * 0, slots, np.resize(lengths, bucket.batch))
    return engine, {
        f"encoder of {bucket.chunk} words": lambda: engine.encode(bucket, ids, lengths),
        f"prefill of {bucket.chunk}": lambda: engine.prefill(cache, hidden, slots[: bucket.chunk]),
        f"step of {bucket.batch} rows": lambda: engine.step(cache, rows),
    }


def single(kit: Kit, dtype: str) -> Iterator[Facts]:
    """Run each stage a few times, with no graph: what profilers follow."""
    engine, runs = stage_runs(kit, dtype)
    for name, run in runs.items():
        for _ in range(_STEPS if "step" in name else 1):
            run()
    engine.device.stream.wait()
    yield {"text": f"{len(runs)} stages"}


def peak(kit: Kit, dtype: str) -> Iterator[Facts]:
    """Measure PyTorch's matrix product in every number format."""
    if importlib.util.find_spec("torch") is None:
        raise SkippedError("no PyTorch here: shares of the peak cannot be told")
    from g2p_compile.bench.gpu_ceiling import gpu_ceilings

    found = gpu_ceilings(1, kit.settings.device, kit.settings.peak_size)
    text = ", ".join(f"{name} {value / 1e12:,.2f}" for name, value in found.items())
    yield {"flops": found, "text": f"matrix products of PyTorch, TFLOP/s: {text}"}


def _seconds(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
