"""transformers as a peer."""

import copy
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from g2p_batch.model.contract import DType
from g2p_batch.model.tokenizer import detokenize
from g2p_compile.check.transformers_reference import generate, source_ids
from g2p_compile.export.checkpoint import Checkpoint


class BatchSize(int):
    """Words at a time."""

    def __str__(self) -> str:
        return f"batch {int(self)}"


class Transformers:
    """`generate` over words sorted by length."""

    name = "transformers"
    settings = tuple(map(BatchSize, (16, 32, 64, 128, 256)))

    def __init__(self, checkpoint: Checkpoint, threads: int, dtype: DType) -> None:
        torch.set_num_threads(threads)
        self.dtype = dtype
        # The reference stays as it is.
        model = copy.deepcopy(checkpoint.model).to(getattr(torch, dtype))
        self._checkpoint = replace(checkpoint, model=model)

    def run(self, setting: BatchSize, words: Sequence[str], langs: Sequence[str]) -> list[str]:
        """Pronounce words."""
        sources = [source_ids(self._checkpoint.contract, *pair) for pair in zip(words, langs, strict=True)]
        order = np.argsort([len(source) for source in sources], kind="stable")
        prons = np.empty(len(sources), object)
        for start in range(0, len(order), setting):
            part = order[start : start + setting]
            tokens = generate(self._checkpoint, [sources[i] for i in part]).sequences[:, 1:]
            prons[part] = detokenize(np.ascontiguousarray(tokens.numpy(), dtype=np.int32))[0].to_pylist()
        return list(prons)
