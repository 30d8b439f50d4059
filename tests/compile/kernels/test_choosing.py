"""What chooses between the steps of a search reads arrays wherever they begin."""

from dataclasses import replace

import numpy as np
import pytest
import tvm

from g2p_batch.model.contract import CHOOSE, LengthBucket
from g2p_batch.model.cpu_engine import host_function
from g2p_batch.model.ids import EOS
from g2p_batch.model.search_table import SearchTable, search_table
from g2p_compile.build.search import with_choosing
from g2p_compile.kernels import MACHINES
from tests.helpers.cpu_kernels import RUNNABLE

BUCKET = LengthBucket(16, 6, batch=8, chunk=8)
A, B = 100, 101


def shifted(table: SearchTable, by: int) -> SearchTable:
    """Return a table of the same values, every array `by` elements behind the start of a vector."""
    moved = {}
    for name, array in vars(table).items():
        raw = np.zeros(array.nbytes + 128, np.uint8)
        start = -raw.ctypes.data % 64 + by * array.itemsize
        moved[name] = raw[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
        moved[name][...] = array
    return replace(table, **moved)


@pytest.mark.parametrize("family", RUNNABLE)
@pytest.mark.parametrize("by", [0, 1, 3])
def test_a_table_may_begin_anywhere(family: str, by: int) -> None:
    target = tvm.target.Target({"kind": "llvm", **MACHINES[family].target})
    choose = host_function(tvm.compile(with_choosing(tvm.IRModule()), target=target).jit()[CHOOSE])
    table = shifted(search_table(BUCKET, variants=1, allowance=9), by)
    rows = np.arange(8, dtype=np.int32)
    table.seat(rows, rows.astype(np.int64) + 50, rows + 1, rows)
    half = np.log(np.array([[0.5, 0.25]] * 8, np.float32))
    choose(np.array([[A, B]] * 8, np.int32), half, *table.arrays, -np.inf)
    assert table.next_columns.tolist() == [[A] * 8, [1] * 8, rows.tolist(), (rows + 1).tolist(), rows.tolist()]
    # What was opened first comes first among equals: the odd words go on with the other beginning, in another slot.
    tokens = np.array([[EOS if row % 2 else A, B] for row in rows], np.int32)
    choose(tokens, half, *table.arrays, -np.inf)
    assert table.next_columns[0].tolist() == [A, B, A, B, A, B, A, B]
    assert table.next_columns[1].tolist() == [2, 1, 2, 1, 2, 1, 2, 1]
    assert table.next_forks.tolist() == [[1, 3, 5, 7], [9, 11, 13, 15], [1, 1, 1, 1]]
    assert (table.words_ended, len(table.vacated_rows)) == (0, 0)
    choose(np.array([[EOS, B]] * 8, np.int32), half - 9, *table.arrays, -np.inf)
    assert table.words_ended == 4
    words, count, proven, ids, logprob, length = table.take_ended()
    assert (words.tolist(), count.tolist(), proven.tolist()) == ([51, 53, 55, 57], [1] * 4, [True] * 4)
    assert (ids.tolist(), logprob.tolist(), length.tolist()) == ([[A, EOS]] * 4, [2 * half[0, 0]] * 4, [2] * 4)
    assert (table.vacated_rows.tolist(), table.live, table.words_ended) == ([1, 3, 5, 7], 4, 0)
