"""transformers as a peer."""

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from g2p_batch.model.contract import DType
from g2p_batch.model.tokenizer import detokenize
from g2p_compile.bench.race import BatchSize, Texts
from g2p_compile.check.transformers_reference import generate, source_ids
from g2p_compile.export.checkpoint import Checkpoint


class Transformers:
    """`generate` over words sorted by length, greedy or with beams."""

    name = "transformers"
    settings = tuple(map(BatchSize, (16, 32, 64, 128, 256)))

    def __init__(self, checkpoint: Checkpoint, threads: int, dtype: DType, variants: int | None = None) -> None:
        torch.set_num_threads(threads)
        self.dtype = dtype
        # The reference stays as it is.
        model = copy.deepcopy(checkpoint.model).to(getattr(torch, dtype))
        self._checkpoint = replace(checkpoint, model=model)
        self._outputs = variants or 1
        self._search: dict[str, Any] = {}
        if self._outputs > 1:
            # By itself it would not rank by probability, but by probability per token.
            self._search = {"num_beams": variants, "num_return_sequences": variants, "length_penalty": 0.0}

    def run(self, setting: BatchSize, words: Sequence[str], langs: Sequence[str]) -> list[Texts]:
        """Pronounce words."""
        sources = [source_ids(self._checkpoint.contract, *pair) for pair in zip(words, langs, strict=True)]
        order = np.argsort([len(source) for source in sources], kind="stable")
        found: list[Texts] = [()] * len(sources)
        for start in range(0, len(order), setting):
            part = order[start : start + setting]
            tokens = generate(self._checkpoint, [sources[i] for i in part], **self._search).sequences[:, 1:]
            texts = detokenize(np.ascontiguousarray(tokens.numpy(), dtype=np.int32))[0].to_pylist()
            for number, at in enumerate(part.tolist()):
                own = texts[number * self._outputs : (number + 1) * self._outputs]
                found[at] = tuple(dict.fromkeys(own))
        return found
