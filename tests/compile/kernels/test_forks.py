"""Copies between slots, in every format of caches."""

import pytest
import torch

from g2p_batch.model.contract import DType
from g2p_compile.export import ops
from g2p_compile.kernels import MACHINES
from g2p_compile.kernels.cpu.cells import choose_cells
from tests.helpers.cpu_kernels import FORMATS, LIMITS, Widths, compiled, integers

WIDTHS = {"whole vectors": Widths(64, 64, 2, 96), "values by themselves": Widths(30, 7, 3, 9)}
SLOTS = 9


@pytest.mark.parametrize("widths", WIDTHS)
@pytest.mark.parametrize(("family", "dtype"), FORMATS)
def test_a_fork_copies_cells_as_they_are_and_touches_no_other(family: str, dtype: DType, widths: str) -> None:
    forks, sizes = compiled(family, WIDTHS[widths], dtype, ["fork"]), WIDTHS[widths]
    cells = choose_cells(MACHINES[family], dtype, sizes.d_kv).stored
    torch.manual_seed(0)
    shape = (2, SLOTS, LIMITS.target_bytes, sizes.heads, cells.width)
    # All bits there are, those of numbers that are none included.
    cache = integers(-(2**31), 2**31 - 1, 2 * SLOTS * LIMITS.target_bytes * sizes.heads * cells.width).view(shape)
    origin, target = torch.tensor([2, 2, 8, 1], dtype=torch.int32), torch.tensor([0, 5, 3, 7], dtype=torch.int32)
    count = torch.tensor([0, LIMITS.target_bytes, 13, 1], dtype=torch.int32)
    (copied,) = forks.run("fork", (origin, target, count, cache.view(getattr(torch, cells.dtype))))
    ops.fork(origin, target, count, cache)
    assert torch.equal(copied.view(torch.int32), cache)
