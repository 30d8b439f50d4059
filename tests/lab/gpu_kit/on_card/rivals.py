"""transformers at its best on the same card: a static cache, and PyTorch's compiler on top."""

import importlib.util
import time
from collections.abc import Callable, Iterator

import numpy as np

from tests.lab.gpu_kit.on_card.kit import WIDE, Kit
from tests.lab.gpu_kit.on_card.proofs import Facts
from tests.lab.gpu_kit.on_card.skip import SkippedError

_NEEDED = ("torch", "transformers", "pyarrow", "huggingface_hub", "safetensors")
_NARROW, _WIDEST = 16, 32
"""Bytes of the words that are said: one width, since PyTorch compiles each for itself; most words have it."""


def rival(compiled: bool) -> Callable[[Kit, str], Iterator[Facts]]:
    """Return the step that measures transformers with or without PyTorch's compiler."""

    def measure(kit: Kit, dtype: str) -> Iterator[Facts]:
        """Try batch sizes, the largest first; each runs once before it is timed."""
        missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
        if missing:
            raise SkippedError(f"{' and '.join(missing)} not installed here")
        import transformers

        from g2p_compile.bench.peer_transformers_gpu import GpuTransformers
        from g2p_compile.bench.race import BatchSize
        from g2p_compile.export.checkpoint import from_program

        contract = kit.contract(WIDE, dtype)
        checkpoint = from_program(contract, kit.weights(contract.geometry))
        peer = GpuTransformers(checkpoint, dtype, compiled, kit.settings.device)
        words, langs = _words(kit)
        rates: dict[str, float] = {}
        for size in kit.settings.peer_batches:
            peer.run(BatchSize(size), words[:size], langs[:size])
            started = time.perf_counter()
            peer.run(BatchSize(size), words, langs)
            rates[str(size)] = len(words) / (time.perf_counter() - started)
            best = max(rates, key=lambda name: rates[name])
            yield {
                "words_per_s": rates[best],
                "by_batch": dict(rates),
                "text": f"{rates[best]:,.0f} words/s in batches of {best}, of {', '.join(rates)} tried, with "
                f"transformers {transformers.__version__} on words of up to {_WIDEST} bytes",
            }

    return measure


def _words(kit: Kit) -> tuple[list[str], list[str]]:
    _, lengths = kit.sources("many")
    fitting = np.flatnonzero((lengths > _NARROW) & (lengths <= _WIDEST))
    chosen = np.resize(fitting, kit.settings.peer_words).tolist()
    return [kit.texts["word"][i] for i in chosen], [kit.texts["lang"][i] for i in chosen]
