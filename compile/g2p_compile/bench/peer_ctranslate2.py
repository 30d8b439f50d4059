"""CTranslate2 as a peer."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ctranslate2
import torch
from ctranslate2.converters import Converter
from ctranslate2.converters.transformers import T5Loader
from ctranslate2.specs.model_spec import OPTIONAL
from transformers import ByT5Tokenizer

from g2p_batch.model.cpu_families import cpu_features
from g2p_compile.bench.race import Texts
from g2p_compile.export.checkpoint import Checkpoint

_EXAMPLES, _TOKENS = (16, 32, 64, 128), (512, 1024, 2048, 4096)
_EXAMPLES_TOGETHER = (128, 256)
"""Where all threads share a batch, small ones are hopeless."""
_AVX512 = frozenset(("avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"))


@dataclass(frozen=True)
class TranslatorSetting:
    """How words are batched, and how threads share them."""

    batch: int
    unit: str
    """Of `batch`: examples or tokens."""
    at_once: int
    """Batches translated at the same time."""
    threads: int
    """For each of them."""

    def __str__(self) -> str:
        return f"batch {self.batch} {self.unit}, {self.at_once}x{self.threads} threads"


class CTranslate2:
    """`translate_batch`, greedy without scores or with beams; it sorts by length and drops finished words itself."""

    name = "CTranslate2"

    def __init__(
        self, checkpoint: Checkpoint, threads: int, dtype: str, folder: Path, variants: int | None = None
    ) -> None:
        self.dtype = dtype
        self._search: dict[str, Any] = {"beam_size": 1, "return_scores": False}
        if variants:
            # By itself it would not rank by probability, but by probability per token.
            self._search = {
                "beam_size": variants,
                "num_hypotheses": variants,
                "return_scores": True,
                "length_penalty": 0,
            }
        self._contract = checkpoint.contract
        self._folder = folder / "ctranslate2"
        if cpu_features() >= _AVX512:
            # Left to itself it takes AVX2 on AMD, a tenth slower in int8. Read when its first model is loaded.
            os.environ.setdefault("CT2_FORCE_CPU_ISA", "AVX512")
        if not self._folder.exists():
            _Loaded(checkpoint).convert(str(self._folder))
        self._translators: dict[tuple[int, int], Any] = {}
        apart = [(size, "examples") for size in _EXAMPLES] + [(size, "tokens") for size in _TOKENS]
        together = [(size, "examples") for size in _EXAMPLES_TOGETHER] if threads > 1 else []
        self.settings = (
            *(TranslatorSetting(*batch, threads, 1) for batch in apart),
            *(TranslatorSetting(*batch, 1, threads) for batch in together),
        )

    def run(self, setting: TranslatorSetting, words: Sequence[str], langs: Sequence[str]) -> list[Texts]:
        """Pronounce words; a token of ByT5 is named by the character of its byte's number."""
        prefix = {lang: self._contract.prefix_for(lang) for lang in set(langs)}
        sources = [
            list((prefix[lang] + word).encode().decode("latin-1")) for word, lang in zip(words, langs, strict=True)
        ]
        results = self._translator(setting).translate_batch(
            sources,
            max_batch_size=setting.batch,
            batch_type=setting.unit,
            max_input_length=0,
            max_decoding_length=self._contract.max_target_bytes,
            min_decoding_length=0,
            **self._search,
        )
        return [tuple(dict.fromkeys(map(_text, result.hypotheses))) for result in results]

    def _translator(self, setting: TranslatorSetting) -> Any:
        threads = setting.at_once, setting.threads
        if threads not in self._translators:
            self._translators[threads] = ctranslate2.Translator(
                str(self._folder), compute_type=self.dtype, inter_threads=threads[0], intra_threads=threads[1]
            )
        return self._translators[threads]


def _text(tokens: list[str]) -> str:
    # Ids that stand for no byte have longer names.
    return "".join(t for t in tokens if len(t) == 1).encode("latin-1").decode(errors="ignore")


class _Loaded(Converter):
    """CTranslate2's own conversion of T5, from a model in memory."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._model, self._scale = checkpoint.model, checkpoint.contract.geometry.logit_scale

    def _load(self) -> Any:
        with torch.no_grad():
            spec = T5Loader()(self._model, ByT5Tokenizer())
        # It goes by a flag that transformers 5 sets on every T5. A wrong scale leaves the best token the best, but
        # makes all tokens about as probable, and the shortest output the most probable one.
        spec.decoder.scale_outputs = OPTIONAL if self._scale == 1.0 else self._scale
        return spec
