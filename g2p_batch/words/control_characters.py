"""Control characters and line separators in text, found by looking at the bytes of all of it at once.

A regular expression takes longer than everything else that is asked of a word.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from g2p_batch.storage.tables import contents

Bytes = npt.NDArray[np.uint8]
Bool = npt.NDArray[np.bool_]

_SPACE, _DELETE = 0x20, 0x7F
_C1_LEAD, _C1_END = 0xC2, 0xA0
"""U+0080 to U+009F are the bytes C2 80 to C2 9F."""
_SEPARATORS_LEAD, _SEPARATORS = 0xE2, ((0x80, 0xA8), (0x80, 0xA9))
"""U+2028 and U+2029 are the bytes E2 80 A8 and E2 80 A9."""


def has_control(texts: pa.Array, separators: bool) -> Bool:
    """Tell which of N texts, string with nulls, hold characters of class Cc, or if asked for of Zl and Zp; [N] bool."""

    def wrong(data: Bytes) -> Bool:
        may = (data < _SPACE) | (data == _DELETE) | (data == _C1_LEAD)
        if separators:
            may |= data == _SEPARATORS_LEAD
        at = np.flatnonzero(may)
        may[at] = _is_control(data, at)
        return np.asarray(may)

    return holds(texts, wrong)


def holds(texts: pa.Array, wanted: Callable[[Bytes], Bool]) -> Bool:
    """Tell which of N texts, string with nulls, hold a byte that is `wanted`, which is asked about all of them; [N]."""
    offsets, data = contents(texts.cast(pa.large_string()))
    at = np.flatnonzero(wanted(data[offsets[0] : offsets[-1]])) + offsets[0]
    has = np.zeros(len(texts), np.bool_)
    has[np.searchsorted(offsets, at, side="right") - 1] = True
    return has


def _is_control(data: Bytes, at: npt.NDArray[np.int64]) -> Any:
    """Tell at which places, whose bytes may begin such a character, one does: UTF-8 is whole, so what leads goes on."""
    first, second = data[at], data[np.minimum(at + 1, len(data) - 1)]
    third = data[np.minimum(at + 2, len(data) - 1)]
    c1 = (first == _C1_LEAD) & (second < _C1_END)
    separator = np.zeros(len(at), np.bool_)
    for pair in _SEPARATORS:
        separator |= (first == _SEPARATORS_LEAD) & (second == pair[0]) & (third == pair[1])
    return (first <= _DELETE) | c1 | separator
