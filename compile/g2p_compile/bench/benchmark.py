"""The benchmark from start to end."""

import resource
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from g2p_batch.model.progress import Say
from g2p_batch.model.resolve import Model
from g2p_compile.bench.contest import searched
from g2p_compile.bench.flops import model_flops
from g2p_compile.bench.ground import GROUNDS, Ground
from g2p_compile.bench.ours import Ours
from g2p_compile.bench.peers import enter
from g2p_compile.bench.profile import profile
from g2p_compile.bench.race import Entrant, Result, race
from g2p_compile.bench.results import Missed, Report, ReportLine, Skipped, Subject
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
    programs: tuple[str, ...] = ()
    """Peers that race alone, as `PeerEntry.program` names them."""
    forced_steps: int = 14
    """Tokens decoded of every word with random weights, which never end on their own."""
    variants: int | None = None
    """How many outputs of a word, the most probable ones, are raced for, on a CPU; else what greedy decoding finds."""


def bench(model: Model, options: Options, say: Say) -> Report:
    """Measure the model and the shapes asked for.

    Raises:
        G2PError: the model cannot be loaded, a shape or a peer has no such name, there is no GPU for PyTorch, or the
            compiled model cannot search for variants.
    """
    require_shapes(options.shapes, random=options.variants is None)
    ground = GROUNDS[model.target]
    ground.require()
    ground.peers(options.peers, options.programs)
    # A search has no share of a peak: how much of its arithmetic is of use is not known.
    ceilings_of = ground.ceilings if options.variants is None else _none
    before = ceilings_of(options.workers)
    with tempfile.TemporaryDirectory() as name:
        measured = models(model, options.shapes, options.forced_steps, Path(name), say)
        subjects = []
        for index, subject in enumerate(measured):
            ground.tidy()
            subjects.append(_measure(subject, ground, options, Path(name) / f"peers-{index}", say))
    # Who else uses the machine now and then takes from a ceiling; the better of two is nearer to it.
    after = ceilings_of(options.workers)
    ceilings = {dtype: max(before[dtype], after[dtype]) for dtype in before}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return Report(ground.name(), options.workers, ceilings, peak, tuple(subjects))


def _none(_workers: int) -> dict[str, float]:
    return {}


def _measure(model: BenchModel, ground: Ground, options: Options, folder: Path, say: Say) -> Subject:
    words, langs = options.words["word"].to_pylist(), options.words["lang"].to_pylist()
    contract, variants = model.checkpoint.contract, options.variants
    ours = Ours(model.artifact, options.workers, "g2p-batch greedy" if variants else "g2p-batch")
    found = searched(ours, variants, words, langs) if variants else None
    own = found.entrants if found else [Entrant(ours, ours.run(words, langs))]
    used = ours.on_device()
    peers: list[Entrant] = []
    skipped: list[Skipped] = []
    for peer in ground.peers(options.peers, options.programs):
        say(f"Preparing {peer.name} for {model.name}")
        entered = enter(peer, model.checkpoint, options.workers, folder, words, langs, variants)
        if isinstance(entered, Skipped):
            skipped.append(entered)
        else:
            peers.append(entered)
    where_time_goes, work = profile(ours.engine, contract, words, langs)
    flops = model_flops(contract.geometry, work)
    say(f"Measuring {model.name}: {options.rounds} rounds of {len(words):,} words")
    results = race([*own, *peers], words, langs, options.rounds)
    missed = [*[None] * len(own), *(found.truth.missed(peer.texts) if found else None for peer in peers)]
    return Subject(
        name=model.name,
        work=work,
        flops=flops,
        lines=tuple(_line(result, own[0], of_peer) for result, of_peer in zip(results, missed, strict=True)),
        skipped=tuple(skipped),
        cost=model.cost,
        profile=None if found else where_time_goes,
        on_device=used,
        variants=found.variants if found else None,
    )


def _line(result: Result, ours: Entrant, missed: Missed | None) -> ReportLine:
    who = result.entrant.contestant
    return ReportLine(
        name=who.name,
        dtype=who.dtype,
        setting=who.setting,
        words_per_s=result.words_per_s,
        rounds=result.rates,
        latency_ms=result.latency_ms,
        same_strings=sum(a[0] == b[0] for a, b in zip(result.entrant.texts, ours.texts, strict=True)),
        missed=missed,
    )
