"""Whom we are compared with. A peer that cannot run is named with its reason; the others still race."""

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from g2p_batch.model.contract import DType
from g2p_batch.model.cpu_families import cpu_family
from g2p_compile.bench.race import TRIAL_WORDS, Entrant, Peer, Tuned
from g2p_compile.bench.results import Skipped
from g2p_compile.export.checkpoint import Checkpoint

Make = Callable[[Checkpoint, int, Path, int | None], Peer]
"""From a checkpoint, the number of threads, a folder of its own for converted models, and how many outputs of a word
are wanted, if not the one that greedy decoding finds."""


@dataclass(frozen=True)
class PeerEntry:
    """A peer that may or may not be installed."""

    name: str
    packages: tuple[str, ...]
    """What it imports, the program itself last."""
    make: Make
    trial_words: int = TRIAL_WORDS
    """Words that its settings are tried on."""
    warm: bool = False
    """Whether it compiles when a setting is first used."""
    greedy_only: str | None = None
    """Why it cannot give several outputs of a word."""

    @property
    def program(self) -> str:
        """What `--peer` calls it, in any number format."""
        return self.packages[-1]


def _transformers(dtype: DType) -> PeerEntry:
    def make(checkpoint: Checkpoint, threads: int, folder: Path, variants: int | None) -> Peer:
        from g2p_compile.bench.peer_transformers import Transformers

        return Transformers(checkpoint, threads, dtype, variants)

    return PeerEntry(f"transformers {dtype}", ("transformers",), make)


def _ctranslate2(dtype: str) -> Make:
    def make(checkpoint: Checkpoint, threads: int, folder: Path, variants: int | None) -> Peer:
        from g2p_compile.bench.peer_ctranslate2 import CTranslate2

        return CTranslate2(checkpoint, threads, dtype, folder, variants)

    return make


def _onnxruntime(checkpoint: Checkpoint, threads: int, folder: Path, variants: int | None) -> Peer:
    from g2p_compile.bench.peer_onnxruntime import OnnxRuntime

    return OnnxRuntime(checkpoint, threads, folder)


ALWAYS = (_transformers("float32"),)
OTHERS = (
    # Without the instructions it takes many times as long as float32.
    *((_transformers("bfloat16"),) if cpu_family("bfloat16") else ()),
    PeerEntry("CTranslate2 float32", ("ctranslate2",), _ctranslate2("float32")),
    PeerEntry("CTranslate2 int8", ("ctranslate2",), _ctranslate2("int8")),
    PeerEntry(
        "ONNX Runtime float32",
        ("onnx", "onnxruntime"),
        _onnxruntime,
        greedy_only="its decoding loop is ours, and greedy",
    ),
)
"""With `--peers`."""


def _gpu(dtype: DType, compiled: bool) -> PeerEntry:
    def make(checkpoint: Checkpoint, threads: int, folder: Path, variants: int | None) -> Peer:
        from g2p_compile.bench.peer_transformers_gpu import GpuTransformers

        return GpuTransformers(checkpoint, dtype, compiled)

    name = f"transformers {'compiled ' if compiled else ''}{dtype}"
    return PeerEntry(name, ("transformers",), make, trial_words=8192, warm=True)  # several of the largest batches


GPU_ALWAYS = (_gpu("bfloat16", compiled=False),)
GPU_OTHERS = (
    _gpu("float16", compiled=False),
    _gpu("float32", compiled=False),
    _gpu("bfloat16", compiled=True),
    _gpu("float16", compiled=True),
)
"""The same on a GPU; all with a static cache."""


def enter(
    entry: PeerEntry,
    checkpoint: Checkpoint,
    threads: int,
    folder: Path,
    words: Sequence[str],
    langs: Sequence[str],
    variants: int | None = None,
) -> Entrant | Skipped:
    """Prepare a peer: convert the model, find the best setting, and run all words once.

    Args:
        entry: the peer.
        checkpoint, threads, folder, variants: as `Make` takes them.
        words, langs: of the race.
    """
    if variants and entry.greedy_only:
        return Skipped(entry.name, entry.greedy_only)
    missing = [package for package in entry.packages if importlib.util.find_spec(package) is None]
    if missing:
        return Skipped(entry.name, f"{' and '.join(missing)} not installed (`pip install 'g2p-batch[bench]'`)")
    try:
        peer = entry.make(checkpoint, threads, folder, variants)
        contestant = Tuned(peer, words, langs, entry.trial_words, entry.warm)
        return Entrant(contestant, contestant.run(words, langs))
    except Exception as cause:  # there is no telling what another program raises
        return Skipped(entry.name, f"{type(cause).__name__}: {next(iter(str(cause).splitlines()), '')}")
