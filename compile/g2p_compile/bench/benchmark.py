"""The benchmark from start to end."""

import resource
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from g2p_batch.model.progress import Say
from g2p_batch.model.resolve import Model
from g2p_compile.bench.flops import model_flops
from g2p_compile.bench.ground import GROUNDS, Ground
from g2p_compile.bench.ours import Ours
from g2p_compile.bench.peers import enter
from g2p_compile.bench.profile import profile
from g2p_compile.bench.race import Entrant, Result, race
from g2p_compile.bench.results import Report, ReportLine, Skipped, Subject
from g2p_compile.bench.subjects import BenchModel, models, require_shapes


@dataclass(frozen=True)
class Options:
    """What to measure."""

    words: pa.Table
    """Columns word and lang."""
    shapes: tuple[str, ...] = ()
    """Besides the model itself: upstream shapes that it is widened to; `random:SHAPE` takes random weights."""
    rounds: int = 5
    workers: int = 2
    peers: bool = False
    """Whether all known peers race, not only transformers."""
    forced_steps: int = 14
    """Tokens decoded of every word with random weights, which never end on their own."""


def bench(model: Model, options: Options, say: Say) -> Report:
    """Measure the model and the shapes asked for.

    Raises:
        G2PError: the model cannot be loaded, a shape has no such name, or there is no GPU for PyTorch.
    """
    require_shapes(options.shapes)
    ground = GROUNDS[model.target]
    ground.require()
    before = ground.ceilings(options.workers)
    with tempfile.TemporaryDirectory() as name:
        measured = models(model, options.shapes, options.forced_steps, Path(name), say)
        subjects = []
        for index, subject in enumerate(measured):
            ground.tidy()
            subjects.append(_measure(subject, ground, options, Path(name) / f"peers-{index}", say))
    # Who else uses the machine now and then takes from a ceiling; the better of two is nearer to it.
    after = ground.ceilings(options.workers)
    ceilings = {dtype: max(before[dtype], after[dtype]) for dtype in before}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return Report(ground.name(), options.workers, ceilings, peak, tuple(subjects))


def _measure(model: BenchModel, ground: Ground, options: Options, folder: Path, say: Say) -> Subject:
    words, langs = options.words["word"].to_pylist(), options.words["lang"].to_pylist()
    contract = model.checkpoint.contract
    ours = Ours(model.artifact, options.workers)
    entrants, skipped = [Entrant(ours, ours.run(words, langs))], []
    used = ours.on_device()
    for peer in ground.always + (ground.others if options.peers else ()):
        say(f"Preparing {peer.name} for {model.name}")
        entered = enter(peer, model.checkpoint, options.workers, folder, words, langs)
        if isinstance(entered, Skipped):
            skipped.append(entered)
        else:
            entrants.append(entered)
    where_time_goes, work = profile(ours.engine, contract, words, langs)
    flops = model_flops(contract.geometry, work)
    say(f"Measuring {model.name}: {options.rounds} rounds of {len(words):,} words")
    results = race(entrants, words, langs, options.rounds)
    return Subject(model.name, work, flops, _lines(results), tuple(skipped), model.cost, where_time_goes, used)


def _lines(results: Sequence[Result]) -> tuple[ReportLine, ...]:
    ours = results[0].entrant.strings
    lines = []
    for result in results:
        who = result.entrant.contestant
        same = sum(a == b for a, b in zip(result.entrant.strings, ours, strict=True))
        lines.append(
            ReportLine(
                name=who.name,
                dtype=who.dtype,
                setting=who.setting,
                words_per_s=result.words_per_s,
                rounds=result.rates,
                latency_ms=result.latency_ms,
                same_strings=same,
            )
        )
    return tuple(lines)
