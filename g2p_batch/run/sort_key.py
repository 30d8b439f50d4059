"""Language and length of a word as one number, by which plans are sorted."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from g2p_batch.model.contract import Contract

_LENGTH_STEP = 16
"""Words whose lengths in bytes lie in the same step are planned together, whatever their language."""


class Keys:
    """Language and length as one number that sorts by length step, then language, then length."""

    def __init__(self, contract: Contract) -> None:
        self._tags = pa.array(sorted(contract.languages), pa.string())
        self._lengths = contract.max_source_bytes + 1

    @property
    def language(self) -> str:
        """The number of a language in a `key`, in SQL."""
        return f"key // {self._lengths} % {len(self._tags)}"

    def of(self, lang: pa.Array, src_bytes: pa.Array) -> pa.Array:
        """Return the keys of N words, int64."""
        codes = pc.index_in(lang, self._tags).to_numpy().astype(np.int64)
        lengths = src_bytes.to_numpy().astype(np.int64)
        steps = (lengths - 1) // _LENGTH_STEP
        return pa.array((steps * len(self._tags) + codes) * self._lengths + lengths)

    def read(self, key: pa.Array) -> tuple[pa.Array, pa.Array]:
        """Return language, string [N], and src_bytes, int32 [N], of N keys, best where equal ones are adjacent."""
        keys = key.to_numpy()
        starts = np.flatnonzero(np.diff(keys, prepend=-1))
        times, keys = np.diff(starts, append=len(keys)), keys[starts]
        langs = self._tags.take(pa.array(np.repeat(keys // self._lengths % len(self._tags), times)))
        return langs, pa.array(np.repeat((keys % self._lengths).astype(np.int32), times))
