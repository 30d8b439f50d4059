"""Outputs that say the same again and again: how a greedy decoder fails when it loses its place in a word."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from g2p_batch.model.ids import Bool
from g2p_batch.storage.tables import contents

TIMES = 4
"""A piece that is said so often in a row makes an output a loop. Of 2.97 million pronunciations of CharsiuG2P's
dictionaries 8 hold one, in words whose letters repeat likewise."""
_IN_WORD = 3
"""How often a word has to repeat a piece for its output to repeat one rightly."""
_LONGEST = 32
"""Bytes of the longest piece that is looked for."""
_TOGETHER = 8192
"""Texts that are looked at together: their bytes stay in the nearest cache."""

Octets = npt.NDArray[np.uint8]
Offsets = npt.NDArray[np.int64]


def repeated(prons: pa.Array, words: Any) -> Bool:
    """Tell which of N outputs say a piece `TIMES` in a row although their words do not repeat theirs; bool [N].

    Args:
        prons: large_string [N]; their bytes are the tokens of the model.
        words: a column of strings [N], in one piece or several: what it was asked.
    """
    found = np.zeros(len(prons), np.bool_)
    offsets, octets = contents(prons)
    for start in range(0, len(prons), _TOGETHER):
        part = offsets[start : start + _TOGETHER + 1]
        for times in _repeating(octets[part[0] : part[-1]], part - part[0], TIMES):
            found[start + times] = True
    looped = np.flatnonzero(found)
    if len(looped):
        some = words.take(pa.array(looped)).cast(pa.large_string())
        offsets, octets = contents(some.combine_chunks() if isinstance(some, pa.ChunkedArray) else some)
        for own in _repeating(octets[offsets[0] : offsets[-1]], offsets - offsets[0], _IN_WORD):
            found[looped[own]] = False
    return found


def _repeating(octets: Octets, offsets: Offsets, times: int) -> Iterator[Offsets]:
    """Yield, for each length of a piece, the texts that hold one so many times in a row.

    A run of n bytes that are each the same as the one `length` before is a piece said n / length + 1 times.
    """
    longest = int(np.diff(offsets).max(initial=0))
    for length in range(1, min(_LONGEST, longest // times) + 1):
        wanted = (times - 1) * length
        run = octets[length:] == octets[:-length]
        reach = 1
        while reach < wanted and len(run):
            step = min(reach, wanted - reach)
            run = run[:-step] & run[step:]
            reach += step
        at = np.flatnonzero(run)
        if len(at):
            owner = np.searchsorted(offsets, at, side="right") - 1
            yield owner[at + times * length <= offsets[owner + 1]]
