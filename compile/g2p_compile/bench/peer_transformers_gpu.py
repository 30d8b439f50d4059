"""transformers on a GPU as a peer: a static cache, and PyTorch's compiler on top of it."""

import copy
from collections.abc import Iterator, Sequence
from inspect import signature
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from transformers import CompileConfig, EncoderDecoderCache, StaticCache, T5ForConditionalGeneration

from g2p_batch.model.contract import DType
from g2p_batch.model.greedy import Indices
from g2p_batch.model.ids import EOS, START, Int32
from g2p_batch.model.tokenizer import detokenize, tokenize
from g2p_compile.bench.race import BatchSize, Texts
from g2p_compile.export.checkpoint import Checkpoint

_SHORT = 64
"""Tokens that nearly all words end within; a static cache computes all of its length."""
_STEP = 16
_FEW = 8
# A machine with a GPU may have a transformers of its own: before 5.24 it had another name for the cache.
_CACHE = "cache" if "cache" in signature(T5ForConditionalGeneration.forward).parameters else "past_key_values"
_FORMS = 64
"""Sizes that PyTorch may compile for; it would go on without compiling, and not say so."""


class GpuTransformers:
    """`generate` over words sorted by length, as its documentation advises for GPUs.

    Caches are kept from batch to batch, since a graph is of use only while its memory lies where it did.
    """

    settings = tuple(map(BatchSize, (256, 512, 1024, 2048)))

    def __init__(self, checkpoint: Checkpoint, dtype: DType, compiled: bool, device: str = "cuda") -> None:
        self.name, self.dtype = f"transformers{' compiled' if compiled else ''}", dtype
        self._contract, self._compiled = checkpoint.contract, compiled
        # The reference stays as it is.
        self._model = copy.deepcopy(checkpoint.model).to(device, getattr(torch, dtype))
        self._model.set_attn_implementation("sdpa")
        self._caches: dict[tuple[int, int, int], EncoderDecoderCache] = {}
        torch._dynamo.config.recompile_limit = _FORMS
        torch._dynamo.config.fail_on_recompile_limit_hit = True

    def run(self, setting: BatchSize, words: Sequence[str], langs: Sequence[str]) -> list[Texts]:
        """Pronounce words, with a short cache first; those that do not end in it once more with a long one."""
        prefixes = pa.array([self._contract.prefix_for(lang) for lang in langs], pa.string())
        ids, lengths = tokenize(pa.array(words, pa.string()), prefixes)
        prons = np.empty(len(words), object)
        todo = np.argsort(lengths, kind="stable")
        longest = self._contract.max_target_bytes
        for limit in dict.fromkeys((min(_SHORT, longest), longest)):
            again = [np.zeros(0, np.int64)]
            for part, sources in self._batches(setting, todo, ids, lengths):
                tokens = self._generate(sources, limit)[: len(part)]
                prons[part] = detokenize(tokens)[0].to_pylist()
                again.append(part[~(tokens == EOS).any(axis=1)])
            todo = np.concatenate(again)
        return [(pron,) for pron in prons]

    def _batches(self, size: int, todo: Indices, ids: Int32, lengths: Int32) -> Iterator[tuple[Indices, Int32]]:
        """Yield words and their ids [B, S]; few sizes of either, filled up with copies of the first word."""
        for start in range(0, len(todo), size):
            part = todo[start : start + size]
            rows = next(rows for rows in (_FEW, size // 8, size) if rows >= len(part))
            width = -(-int(lengths[part].max()) // _STEP) * _STEP
            filled = np.concatenate([part, np.repeat(part[:1], rows - len(part))])
            sources = np.zeros((rows, width), np.int32)
            own = ids[filled, :width]
            sources[:, : own.shape[1]] = own
            yield part, sources

    def _generate(self, sources: Int32, limit: int) -> Int32:
        """Return tokens [B, T]."""
        rows, width = sources.shape
        ids = torch.from_numpy(sources).to(self._model.device, torch.long)
        options: dict[str, Any] = {"compile_config": CompileConfig(dynamic=False)} if self._compiled else {}
        with torch.inference_mode():
            tokens = self._model.generate(
                input_ids=ids,
                attention_mask=(ids != 0).long(),
                do_sample=False,
                num_beams=1,
                max_new_tokens=limit,
                decoder_start_token_id=START,
                eos_token_id=EOS,
                pad_token_id=0,
                disable_compile=not self._compiled,
                **{_CACHE: self._cache(rows, width, limit)},
                **options,
            )
        return np.ascontiguousarray(tokens[:, 1:].cpu().numpy(), dtype=np.int32)

    def _cache(self, rows: int, width: int, limit: int) -> EncoderDecoderCache:
        form = (rows, width, limit)
        if form not in self._caches:
            config = self._model.config.get_text_config(decoder=True)
            self._caches[form] = EncoderDecoderCache(*(StaticCache(config, length) for length in (limit, width)))
        self._caches[form].reset()
        return self._caches[form]
