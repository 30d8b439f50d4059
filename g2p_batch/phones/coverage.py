"""Which phones are not among those that an acoustic model or a voice knows."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from g2p_batch.errors import InputError
from g2p_batch.phones.lines import numbered_lines


@dataclass(frozen=True)
class PhoneSet:
    """The phones that may occur, and the file that lists them."""

    path: Path
    phones: frozenset[str]


@dataclass(frozen=True)
class Coverage:
    """How far a phone set covers N rows.

    Attributes:
        outside: occurrences of each phone that is not in the set, the most frequent first, ties by phone.
        rows: bool [N], true where a row has any of them.
    """

    outside: Mapping[str, int]
    rows: pa.BooleanArray


def read_phone_set(path: Path) -> PhoneSet:
    """Read a list of phones: one a line, or the first column of lines `phone id`, as in a `tokens.txt`.

    A line that begins with a blank names the blank itself, which is no phone here. `<eps>`, `#0` and their like may
    stand in the list; no phone is called so.

    Raises:
        InputError: the file cannot be read, or lists nothing.
    """
    lines = [line for _, line in numbered_lines(path, "list of phones")]
    phones = frozenset(line.split()[0] for line in lines if line.strip() and not line[0].isspace())
    if not phones:
        raise InputError(f"{path} lists no phones: write one a line")
    return PhoneSet(path, phones)


def coverage(phones: pa.ListArray, allowed: PhoneSet) -> Coverage:
    """Compare the phones of N rows, list<string> [N], with a phone set."""
    values, rows = phones.flatten(), phones.value_parent_indices()
    outside = pc.invert(pc.is_in(values, pa.array(sorted(allowed.phones), pa.string())))
    counted = pc.value_counts(values.filter(outside)).to_pylist()
    ordered = sorted(counted, key=lambda pair: (-pair["counts"], pair["values"]))
    mask = np.zeros(len(phones), np.bool_)
    mask[rows.filter(outside).to_numpy()] = True
    return Coverage({pair["values"]: pair["counts"] for pair in ordered}, pa.array(mask))
