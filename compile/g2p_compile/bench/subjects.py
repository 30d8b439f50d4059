"""The models that are measured: the one asked for, and it or random weights in other shapes."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from g2p_batch.errors import UsageError
from g2p_batch.model import artifact_cache
from g2p_batch.model.contract import Shapes
from g2p_batch.model.cpu_engine import Artifact
from g2p_batch.model.progress import Say
from g2p_batch.model.resolve import Model
from g2p_compile.bench.results import Cost
from g2p_compile.build.builder import build
from g2p_compile.check.transformers_reference import load_reference
from g2p_compile.export.checkpoint import Checkpoint
from g2p_compile.export.widen import SHAPES, random_checkpoint, widen

_RANDOM = "random:"


@dataclass(frozen=True)
class BenchModel:
    """A checkpoint, and our compiled form of it."""

    name: str
    checkpoint: Checkpoint
    artifact: Artifact
    cost: Cost


def require_shapes(shapes: Sequence[str], random: bool = True) -> None:
    """Check the names of shapes.

    Args:
        shapes: as for `models`.
        random: whether random weights will do. A search among their outputs, all about as probable, has no end.

    Raises:
        UsageError: one is unknown, or not to be had.
    """
    for shape in shapes:
        if shape.startswith(_RANDOM) and not random:
            raise UsageError(
                f"{shape!r} has no outputs that are more probable than others: leave out {_RANDOM}, or --variants"
            )
        if shape.removeprefix(_RANDOM) not in SHAPES:
            raise UsageError(f"{shape!r} is no shape: give one of {', '.join(SHAPES)}, or {_RANDOM} before it")


def models(model: Model, shapes: Sequence[str], forced_steps: int, folder: Path, say: Say) -> Iterator[BenchModel]:
    """Yield the model itself, then the shapes.

    Args:
        model: the one that is asked for.
        shapes: upstream shapes that it is widened to; `random:SHAPE` takes random weights.
        forced_steps: tokens decoded of every word with random weights.
        folder: where other shapes are compiled to.
        say: told what takes time.
    """
    checkpoint = load_reference(model.name)
    yield _model(model.name, checkpoint, model.compile(say))
    for shape in shapes:
        random = shape.startswith(_RANDOM)
        steps = forced_steps if random else checkpoint.contract.max_target_bytes
        other = random_checkpoint(checkpoint, shape.removeprefix(_RANDOM)) if random else widen(checkpoint, shape)
        other = replace(other, contract=replace(other.contract, max_target_bytes=steps))
        say(f"Compiling {other.contract.name}")
        compiled = _compiled(other, model, folder / shape.replace(":", "-"), forced=steps if random else None)
        name = f"{other.contract.name}, {steps} tokens a word" if random else other.contract.name
        yield _model(name, other, compiled)


def _model(name: str, checkpoint: Checkpoint, compiled: Path) -> BenchModel:
    started = time.perf_counter()
    artifact = Artifact(compiled)
    artifact.engine()
    taken = time.perf_counter() - started
    size = sum(path.stat().st_size for path in compiled.iterdir())
    return BenchModel(name, checkpoint, artifact, Cost(taken, artifact.manifest.seconds, size))


def _compiled(checkpoint: Checkpoint, like: Model, folder: Path, forced: int | None) -> Path:
    from g2p_compile.export.exporter import export_program

    contract = export_program(checkpoint, folder / "program")
    full = replace(contract, max_target_bytes=256) if forced else contract
    family = artifact_cache.target_family(like.target, like.dtype)
    shapes = artifact_cache.load_shapes(like.config or artifact_cache.default_config(family), full)
    if forced:
        shapes = Shapes(
            tuple(msgspec.structs.replace(bucket, target_bytes=forced) for bucket in shapes.buckets), shapes.ladder
        )
    build(folder / "program", family, shapes, like.dtype, folder / "artifact")
    return folder / "artifact"
