"""Products on a matrix unit: what they have in common with other CPU families, and how near they come to the truth."""

import re
from math import prod

import pytest
import torch
import tvm

from g2p_batch.model.contract import DType
from g2p_compile.kernels import KERNELS, MACHINES, Limits, Site
from g2p_compile.kernels.cpu.gemm import choose_operands
from g2p_compile.kernels.cpu.matrix_unit import MATRIX_OPERANDS, Float32Tiles
from tests.helpers.cpu_kernels import FORMATS, Compiled, Widths, compiled, normal, weight

WIDTHS = Widths(d_model=256, d_kv=64, heads=3, d_ff=1024)
"""A row of d_ff takes several chunks of a weight in each number format."""
RUNS = pytest.mark.skipif(("amx", "int8") not in FORMATS, reason="this CPU has no matrix unit")


def product(family: str, dtype: DType, *operations: str) -> Compiled:
    return compiled(family, WIDTHS, dtype, operations)


@RUNS
@pytest.mark.parametrize("rows", [1, 33, 300])
def test_int8_is_bitwise_that_of_the_family_without(rows: int) -> None:
    operations = ("linear", "linear_residual", "norm_linear", "norm_gated_gelu")
    unit, vectors = product("amx", "int8", *operations), product("avx512vnni", "int8", *operations)
    torch.manual_seed(rows)
    arguments = {
        "linear": (normal(rows, 256), weight(1024, 256)),
        "linear_residual": (normal(rows, 1024), weight(256, 1024), normal(rows, 256)),
        "norm_linear": (normal(rows, 256), torch.ones(256), weight(576, 256), 1e-6),
        "norm_gated_gelu": (normal(rows, 256), torch.ones(256), weight(1024, 256), weight(1024, 256), 1e-6),
    }
    for name, given in arguments.items():
        assert torch.equal(unit.run(name, given)[0], vectors.run(name, given)[0]), name


def float32_products(family: str, x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    if x.shape[1] == WIDTHS.d_model:
        return product(family, "float32", "linear").run("linear", (x, w))[0]
    none = torch.zeros(len(x), len(w))
    return product(family, "float32", "linear_residual").run("linear_residual", (x, w, none))[0]


@RUNS
@pytest.mark.parametrize(("outputs", "inner"), [(1024, 256), (256, 1024)])
def test_float32_is_as_near_to_the_truth_as_by_its_own_instructions(outputs: int, inner: int) -> None:
    torch.manual_seed(inner)
    x, w = normal(300, inner), weight(outputs, inner)
    exact = x.double() @ w.double().T
    errors = {family: (float32_products(family, x, w) - exact).abs() for family in ("amx", "avx512")}
    assert errors["amx"].max() <= errors["avx512"].max()
    assert errors["amx"].mean() <= errors["avx512"].mean()


@RUNS
@pytest.mark.parametrize(("outputs", "inner"), [(1024, 256), (256, 1024)])
def test_float32_is_off_by_units_of_the_largest_values(outputs: int, inner: int) -> None:
    """Whatever the magnitudes: bounds of what each step of `Float32Tiles` rounds away."""
    torch.manual_seed(inner)
    x = normal(300, inner) * torch.exp(3 * normal(300, inner))
    w = weight(outputs, inner) * torch.exp(normal(outputs, inner))
    size = x.double().abs() @ w.double().abs().T
    unit_x, unit_w = (values.double().abs().amax(1, keepdim=True) / (127 << 16) for values in (x, w))
    # A value is scaled in float32, which rounds by a quarter of a unit, and then to a whole number.
    numbers = 0.75 * unit_x * w.double().abs().sum(1) + 0.5 * x.double().abs().sum(1, keepdim=True) * unit_w.T
    left_out = inner * 2.0**14 * unit_x * unit_w.T
    # Scales, and sums of four orders and of the chunks of a row.
    rounded = 12 * 2.0**-24 * size
    error = (float32_products("amx", x, w) - x.double() @ w.double().T).abs()
    assert (error <= numbers + left_out + rounded).all()


def test_whole_sums_of_a_chunk_of_float32_are_floats_too() -> None:
    site = Site(MACHINES["amx"], Limits(8, 8), "float32", ((2, 4096), (256, 4096)), ((256, 4096),), ())
    layout, operands = choose_operands(site, 256, 1, False)
    assert isinstance(operands, Float32Tiles)
    values = operands.chunk * layout.inner // operands.steps
    # Of an order up to three products of two signed bytes are summed.
    assert 3 * values * 128**2 <= 2**24


@RUNS
@pytest.mark.parametrize("dtype", MATRIX_OPERANDS)
def test_rows_that_are_not_there_are_not_seen(dtype: DType) -> None:
    """Tiles of 16 rows are multiplied whole: what lies beyond the last row comes from the row group before."""
    built = product("amx", dtype, "linear")
    torch.manual_seed(0)
    x, w = normal(128 + 5, 256), weight(1024, 256)
    spoilt = torch.cat([torch.full((128, 256), 1e30), x[128:]])
    assert torch.equal(built.run("linear", (spoilt, w))[0][128:], built.run("linear", (x[128:].clone(), w))[0])


@pytest.mark.parametrize("dtype", MATRIX_OPERANDS)
def test_a_kernel_has_whole_tiles_whatever_the_rows(dtype: DType) -> None:
    """Tiles are read and written whole, so their buffers must not shrink to the rows that there are."""
    shapes = ((2, 1024), (256, 1024), (2, 256))
    site = Site(MACHINES["amx"], Limits(8, 8), dtype, shapes, shapes[1:2], ())
    layout, operands = choose_operands(site, 256, 1, False)
    assert type(operands) is MATRIX_OPERANDS[dtype]
    module = tvm.IRModule({"main": KERNELS["linear_residual"](site).function})
    script = tvm.s_tir.transform.CompactBufferAllocation()(module)["main"].script()
    text = re.sub(r"T\.int64\((\d+)\)", r"\1", script)
    tile, bytes_of_row = layout.tile, 1024 * {"float32": 3, "bfloat16": 2, "int8": 1}[dtype]
    found = [prod(map(int, shape.split(", "))) for shape in re.findall(r"T\.alloc_\w+\(\(([\d, ]+\d)\)", text)]
    assert {tile.group * bytes_of_row // 4, tile.group * tile.columns} <= set(found), text


@pytest.mark.parametrize("dtype", MATRIX_OPERANDS)
def test_products_that_fill_no_tiles_run_on_vectors(dtype: DType) -> None:
    for outputs, inner in ((48, 256), (64, 80)):
        site = Site(MACHINES["amx"], Limits(8, 8), dtype, ((2, inner), (outputs, inner)), ((outputs, inner),), ())
        _, operands = choose_operands(site, outputs, 1, False)
        assert operands.in_registers
