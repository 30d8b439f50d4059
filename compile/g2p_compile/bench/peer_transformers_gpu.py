"""transformers on a GPU as a peer: a static cache, and PyTorch's compiler on top of it."""

import copy
from collections.abc import Sequence

import numpy as np
import torch

from g2p_batch.codec import EOS, START, detokenize
from g2p_batch.contract import DType
from g2p_compile.bench.peer_transformers import Batch
from g2p_compile.checkpoint import Checkpoint
from g2p_compile.reference import source_ids

_SHORT = 64
"""Tokens that nearly all words end within; a static cache computes all of its length."""
_STEP = 16


class GpuTransformers:
    """`generate` over words sorted by length, as its documentation advises for GPUs."""

    name = "transformers"
    settings = tuple(map(Batch, (256, 512, 1024, 2048)))

    def __init__(self, checkpoint: Checkpoint, dtype: DType, compiled: bool, device: str = "cuda") -> None:
        self.dtype = f"{dtype}{', compiled' if compiled else ''}"
        self._contract, self._compiled = checkpoint.contract, compiled
        # The reference stays as it is.
        self._model = copy.deepcopy(checkpoint.model).to(device, getattr(torch, dtype))

    def run(self, setting: Batch, words: Sequence[str], langs: Sequence[str]) -> list[str]:
        """Pronounce words, with a short cache first; those that do not end in it once more with a long one."""
        sources = [source_ids(self._contract, *pair) for pair in zip(words, langs, strict=True)]
        prons = np.empty(len(sources), object)
        todo = np.argsort([len(source) for source in sources], kind="stable")
        longest = self._contract.max_target_bytes
        for limit in dict.fromkeys((min(_SHORT, longest), longest)):
            again = []
            for start in range(0, len(todo), setting):
                part = todo[start : start + setting]
                tokens = self._generate([sources[i] for i in part], setting, limit)
                prons[part] = detokenize(tokens)[0].to_pylist()
                again.append(part[~(tokens == EOS).any(axis=1)])
            todo = np.concatenate([np.zeros(0, np.int64), *again])
        return list(prons)

    def _generate(self, sources: list[list[int]], batch: int, limit: int) -> np.ndarray:
        """Return tokens [B, T]; batches and lengths are filled up, so that little is compiled for their sizes."""
        longest = -(-max(map(len, sources)) // _STEP) * _STEP
        ids = torch.zeros(batch, longest, dtype=torch.long)
        ids[:, 0] = sources[0][0]
        for row, source in zip(ids, sources, strict=False):
            row[: len(source)] = torch.tensor(source)
        ids = ids.to(self._model.device)
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
                cache_implementation="static",
                disable_compile=not self._compiled,
            )
        own = tokens[: len(sources), 1:].cpu().numpy()
        return np.ascontiguousarray(own, dtype=np.int32)
