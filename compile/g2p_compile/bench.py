"""Words per second, ours and others', on the same words in the same run, round by round."""

import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from g2p_batch import artifacts
from g2p_batch.codec import detokenize
from g2p_batch.contract import Bucket, Contract, Shapes
from g2p_batch.crew import pronounce
from g2p_batch.engine import Artifact
from g2p_batch.errors import UsageError
from g2p_batch.host import cpu_name
from g2p_batch.models import Request, compile_model
from g2p_compile.build import build
from g2p_compile.checkpoint import Checkpoint
from g2p_compile.reference import generate, load_reference, source_ids
from g2p_compile.widen import SHAPES, random_checkpoint, widen

Say = Callable[[str], None]

_REFERENCE_BATCHES = (16, 32, 64, 128, 256)
_LATENCY_WORDS = 40


@dataclass(frozen=True)
class Options:
    """What to measure."""

    words: pa.Table
    """Columns word and lang."""
    shapes: tuple[str, ...] = ()
    """Besides the model itself: upstream shapes that it is widened to; `random:SHAPE` takes random weights."""
    rounds: int = 5
    workers: int = 2
    forced_steps: int = 14
    """Tokens decoded of every word with random weights, which never end on their own."""


@dataclass(frozen=True)
class Line:
    """One contestant's result on one subject."""

    name: str
    words_per_s: float
    """Median over the rounds."""
    rounds: tuple[float, ...]
    latency_ms: float
    """Median time of one word alone."""
    same_strings: int
    """Words whose string is ours."""
    setting: str


@dataclass(frozen=True)
class Subject:
    """One model and all results on it; ours is the first line."""

    name: str
    words: int
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Report:
    """The whole run."""

    cpu: str
    workers: int
    subjects: tuple[Subject, ...]

    def to_json(self) -> str:
        """Return everything that was measured."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False)

    def to_text(self) -> str:
        """Return a table."""
        out = [f"{self.cpu}, {self.workers} workers; words/s are medians of interleaved rounds"]
        for subject in self.subjects:
            ours = subject.lines[0].words_per_s
            out.append(f"\n{subject.name}, {subject.words:,} words")
            out.append(f"  {'':34}{'words/s':>9}{'slowest':>9}{'fastest':>9}{'ours is':>9}{'one word':>11}{'same':>8}")
            for line in subject.lines:
                out.append(
                    f"  {line.name + ' ' + line.setting:34}{line.words_per_s:9,.0f}{min(line.rounds):9,.0f}"
                    f"{max(line.rounds):9,.0f}{ours / line.words_per_s:8.2f}x{line.latency_ms:8.1f} ms"
                    f"{line.same_strings / subject.words:8.2%}"
                )
        return "\n".join(out)


class Contestant(Protocol):
    """One way to pronounce words."""

    name: str

    @property
    def setting(self) -> str:
        """Number format and whatever else was chosen for it."""

    def run(self, words: Sequence[str], langs: Sequence[str]) -> list[str]:
        """Pronounce words of known languages, all cores included."""


def bench(request: Request, options: Options, say: Say) -> Report:
    """Measure the model and the shapes asked for.

    Raises:
        G2PError: the model cannot be loaded, or a shape has no such name.
    """
    subjects = []
    names, langs = options.words["word"].to_pylist(), options.words["lang"].to_pylist()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for name, contestants in _subjects(request, options, folder, say):
            say(f"Measuring {name}: {options.rounds} rounds of {len(names):,} words")
            subjects.append(Subject(name, len(names), _race(contestants, names, langs, options.rounds)))
    return Report(f"{cpu_name()} ({os.cpu_count()} cores)", options.workers, tuple(subjects))


def _subjects(request: Request, options: Options, folder: Path, say: Say) -> Iterator[tuple[str, list[Contestant]]]:
    checkpoint = load_reference(request.model)
    ours = Artifact(compile_model(request, say))
    yield request.model, _contestants(ours, checkpoint, options)
    for shape in options.shapes:
        random = shape.startswith("random:")
        if shape.removeprefix("random:") not in SHAPES:
            raise UsageError(f"{shape!r} is no shape: give one of {', '.join(SHAPES)}, or random: before it")
        steps = options.forced_steps if random else checkpoint.contract.max_target_bytes
        other = random_checkpoint(checkpoint, shape.removeprefix("random:")) if random else widen(checkpoint, shape)
        other = replace(other, contract=replace(other.contract, max_target_bytes=steps))
        say(f"Compiling {other.contract.name}")
        artifact = _compiled(other, request, folder / shape.replace(":", "-"), forced=steps if random else None)
        name = f"{other.contract.name}, {steps} tokens a word" if random else other.contract.name
        yield name, _contestants(artifact, other, options)


def _compiled(checkpoint: Checkpoint, request: Request, folder: Path, forced: int | None) -> Artifact:
    from g2p_compile.export import export_program

    contract = export_program(checkpoint, folder / "program")
    full = replace(contract, max_target_bytes=256) if forced else contract
    shapes = artifacts.load_shapes(request.config or artifacts.default_config(), full)
    if forced:
        shapes = Shapes(tuple(Bucket(b.source_bytes, forced, b.batch) for b in shapes.buckets), shapes.ladder)
    family = artifacts.target_family(request.target)
    build(folder / "program", family, shapes, request.dtype, folder / "artifact")
    return Artifact(folder / "artifact")


def _contestants(artifact: Artifact, checkpoint: Checkpoint, options: Options) -> list[Contestant]:
    return [Ours(artifact, options.workers), Transformers(checkpoint, options.workers)]


class Ours:
    """This project: tokenise, decode on threads, detokenise."""

    name = "g2p-batch"

    def __init__(self, artifact: Artifact, workers: int) -> None:
        self._contract: Contract = artifact.manifest.contract
        self._engines = [artifact.engine() for _ in range(workers)]
        self._workers = workers
        self._dtype = artifact.manifest.dtype

    @property
    def setting(self) -> str:
        """Number format."""
        return self._dtype

    def run(self, words: Sequence[str], langs: Sequence[str]) -> list[str]:
        """Pronounce words."""
        prefixes = {lang: len(self._contract.prefix_for(lang).encode()) for lang in set(langs)}
        sizes = [len(word.encode()) + prefixes[lang] for word, lang in zip(words, langs, strict=True)]
        table = pa.table({"word": words, "lang": langs, "src_bytes": pa.array(sizes, pa.int32())})
        spare = iter(self._engines)
        found = pronounce(table, self._contract, lambda: next(spare), self._workers, _Silent())
        prons: list[str] = found.pron.to_pylist()
        return prons


class _Silent:
    def start(self, total_words: int) -> None:
        """Say nothing."""

    def advance(self, words: int) -> None:
        """Say nothing."""

    def close(self) -> None:
        """Say nothing."""


class Transformers:
    """`generate` of transformers over words sorted by length, at the batch size that was fastest in a trial."""

    name = "transformers"

    def __init__(self, checkpoint: Checkpoint, threads: int) -> None:
        import torch

        torch.set_num_threads(threads)
        self._checkpoint = checkpoint
        self._batch = 0

    @property
    def setting(self) -> str:
        """Chosen batch size."""
        return f"float32 batch {self._batch}"

    def run(self, words: Sequence[str], langs: Sequence[str]) -> list[str]:
        """Pronounce words."""
        if len(words) > 1 and not self._batch:
            trial = min(len(words), 2 * _REFERENCE_BATCHES[-1])
            self._batch = min(_REFERENCE_BATCHES, key=lambda b: _seconds(self._run, words[:trial], langs[:trial], b))
        return self._run(words, langs, max(self._batch, 1))

    def _run(self, words: Sequence[str], langs: Sequence[str], batch: int) -> list[str]:
        sources = [source_ids(self._checkpoint.contract, *pair) for pair in zip(words, langs, strict=True)]
        order = np.argsort([len(source) for source in sources], kind="stable")
        prons = np.empty(len(sources), object)
        for start in range(0, len(order), batch):
            part = order[start : start + batch]
            tokens = generate(self._checkpoint, [sources[i] for i in part]).sequences[:, 1:]
            prons[part] = detokenize(np.ascontiguousarray(tokens.numpy(), dtype=np.int32))[0].to_pylist()
        return list(prons)


def _seconds(work: Callable[..., Any], *arguments: Any) -> float:
    started = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - started


def _race(
    contestants: Sequence[Contestant], words: Sequence[str], langs: Sequence[str], rounds: int
) -> tuple[Line, ...]:
    """Let every contestant run once unmeasured, then all of them in turn, round by round."""
    strings = [contestant.run(words, langs) for contestant in contestants]
    times: list[list[float]] = [[] for _ in contestants]
    for index in range(rounds):
        # A different one begins each round, so that none always runs on a warm or a throttled machine.
        for i in np.roll(np.arange(len(contestants)), index).tolist():
            times[i].append(_seconds(contestants[i].run, words, langs))
    lines = []
    for contestant, found, taken in zip(contestants, strings, times, strict=True):
        some = range(0, len(words), max(1, len(words) // _LATENCY_WORDS))
        alone = [_seconds(contestant.run, words[i : i + 1], langs[i : i + 1]) for i in some]
        rates = tuple(len(words) / t for t in taken)
        same = sum(a == b for a, b in zip(found, strings[0], strict=True))
        latency = statistics.median(alone) * 1e3
        lines.append(Line(contestant.name, statistics.median(rates), rates, latency, same, contestant.setting))
    return tuple(lines)
