"""The characters of many words at once, and back."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from g2p_batch.storage.tables import contents

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class CodePoints:
    """The characters of N words, end to end.

    Attributes:
        codes: [C] code points.
        starts: [N + 1], where each word begins.
    """

    codes: Indices
    starts: Indices

    @classmethod
    def of(cls, words: pa.Array) -> "CodePoints":
        """Return the characters of words, string [N]."""
        offsets, data = contents(words.cast(pa.large_string()))
        octets = data[offsets[0] : offsets[-1]]
        offsets = offsets - offsets[0]
        if not len(octets) or octets.max() < 0x80:
            return cls(octets.astype(np.int64), offsets)
        codes = np.frombuffer(octets.tobytes().decode().encode("utf-32-le"), np.uint32).astype(np.int64)
        return cls(codes, np.concatenate([[0], np.cumsum(pc.utf8_length(words).to_numpy(), dtype=np.int64)]))

    @property
    def lengths(self) -> Indices:
        """Characters of each word, [N]."""
        return np.diff(self.starts)

    def characters(self, rows: Indices) -> tuple[Indices, Indices]:
        """Return for each character of words [n] which of those it belongs to, rising, and its place in `codes`."""
        lengths = self.lengths[rows]
        owner = np.repeat(np.arange(len(rows)), lengths)
        return owner, np.arange(len(owner)) + np.repeat(self.starts[rows] - (np.cumsum(lengths) - lengths), lengths)


def strings(codes: npt.NDArray[Any], lengths: Indices) -> pa.Array:
    """Return words, string [n], whose characters lie end to end in `codes`, `lengths` [n] of them in each."""
    octets = codes.astype("<u4").tobytes().decode("utf-32-le").encode()
    sizes = 1 + (codes >= 0x80) + (codes >= 0x800) + (codes >= 0x10000)
    ends = np.concatenate([[0], np.cumsum(sizes)])
    offsets = ends[np.concatenate([[0], np.cumsum(lengths)])].astype(np.int32)
    return pa.Array.from_buffers(pa.string(), len(lengths), [None, pa.py_buffer(offsets), pa.py_buffer(octets)])
