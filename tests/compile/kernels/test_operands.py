"""bfloat16 and int8: products near the float32 definition, rows and words bitwise independent, strings that agree."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
import tvm

from g2p_batch.errors import UsageError
from g2p_batch.model.artifact_cache import GPU_DTYPES
from g2p_batch.model.contract import DTYPES, DType
from g2p_batch.model.cpu_families import cpu_family
from g2p_batch.model.resolve import find_model
from g2p_batch.model.shipped import shipped
from g2p_batch.model.tokenizer import tokenize
from g2p_compile.check.golden import read_tsv
from g2p_compile.check.verify import AGREEMENT
from g2p_compile.kernels import KERNELS, MACHINES, WEIGHTS, Limits, Site
from g2p_compile.kernels.cpu.cells import choose_cells
from g2p_compile.kernels.cpu.gemm import OPERANDS
from tests.helpers.decoding import decode

NARROW: tuple[DType, ...] = ("bfloat16", "int8")

# Largest error relative to the largest result: 8 bits of mantissa; 7 bits of rows and of weights.
TOLERANCE = {"bfloat16": 8e-3, "int8": 5e-2}


def shapes(rows: int, inner: int, outputs: int) -> dict[str, tuple[tuple[int, ...], ...]]:
    return {
        "linear": ((rows, inner), (outputs, inner)),
        "linear_residual": ((rows, inner), (outputs, inner), (rows, outputs)),
        "norm_linear": ((rows, inner), (inner,), (outputs, inner)),
        "norm_gated_gelu": ((rows, inner), (inner,), (outputs, inner), (outputs, inner)),
        "norm_relu": ((rows, inner), (inner,), (outputs, inner)),
    }


@pytest.fixture(params=NARROW)
def dtype(request: pytest.FixtureRequest) -> DType:
    if cpu_family(request.param) is None:
        pytest.skip(f"this CPU has no instructions for {request.param}")
    found: DType = request.param
    return found


def compiled(operation: str, arguments: Sequence[torch.Tensor], dtype: DType) -> Any:
    """Return a function of the data arguments that runs the kernel."""
    family = cpu_family(dtype)
    assert family is not None
    machine, weights = MACHINES[family.name], WEIGHTS[operation]
    own = [arguments[i] for i in weights]
    constants = (1e-6,) if operation.startswith("norm") else ()
    site = Site(
        machine,
        Limits(64, 64),
        dtype,
        tuple(tuple(a.shape) for a in arguments),
        tuple(tuple(w.shape) for w in own),
        constants,
    )
    kernel = KERNELS[operation](site)
    target = tvm.target.Target({"kind": "llvm", **machine.target})
    function = tvm.compile(tvm.IRModule({operation: kernel.function}), target=target)[operation]
    packed = [tvm.runtime.tensor(array) for array in kernel.pack(*(w.numpy() for w in own))]

    def run(*data: torch.Tensor) -> np.ndarray:
        outputs = own[-1].shape[0]
        result = tvm.runtime.tensor(np.full((len(data[0]), outputs), np.nan, np.float32))
        function(*(tvm.runtime.tensor(d.numpy()) for d in data), *packed, result)
        return result.numpy()

    return run


@pytest.mark.parametrize("operation", ["linear", "linear_residual", "norm_linear", "norm_gated_gelu", "norm_relu"])
def test_a_product_is_near_its_definition_and_its_rows_are_independent(operation: str, dtype: DType) -> None:
    torch.manual_seed(0)
    arguments = [torch.randn(s) * (1 if len(s) == 1 else s[-1] ** -0.5) for s in shapes(61, 96, 64)[operation]]
    arguments[0] = arguments[0] * 30
    arguments[0][5] = 0.0  # a row without any scale of its own
    run = compiled(operation, arguments, dtype)
    data = [a for i, a in enumerate(arguments) if i not in WEIGHTS[operation]]
    constants = (1e-6,) if operation.startswith("norm") else ()
    wanted = getattr(torch.ops.g2p, operation)(*arguments, *constants).numpy()
    got = run(*data)
    assert np.abs(got - wanted).max() <= TOLERANCE[dtype] * np.abs(wanted).max()
    for rows in ([0], [60], [5, 3, 17], list(range(40))):
        assert (run(*(d[rows] for d in data)) == got[rows]).all()


def test_weights_of_a_bfloat16_checkpoint_are_held_exactly() -> None:
    torch.manual_seed(1)
    weight = torch.randn(32, 64).bfloat16().float()
    x = torch.eye(64)
    if cpu_family("bfloat16") is None:
        pytest.skip("this CPU has no instructions for bfloat16")
    assert (compiled("linear", [x, weight], "bfloat16")(x) == weight.T.numpy()).all()


def test_every_dtype_has_operands_and_an_agreement() -> None:
    assert set(OPERANDS) == {"float32", *NARROW}
    assert set(AGREEMENT) == {*OPERANDS, *GPU_DTYPES} == set(DTYPES)


def test_a_cpu_without_the_instructions_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("g2p_batch.model.artifact_cache.cpu_family", lambda dtype: None)
    with pytest.raises(UsageError, match="this CPU has no instructions for int8: use float32"):
        find_model("bundled", print, dtype="int8").compile(print)


def test_words_are_bitwise_independent_and_agree_with_float32(dtype: DType) -> None:
    artifact = find_model("bundled", print, dtype=dtype).open(print)
    table = read_tsv(shipped("golden/bench.tsv")).slice(0, 400)
    prefixes = pa.array(map(artifact.manifest.contract.prefix_for, table["lang"].to_pylist()), pa.string())
    ids, lengths = tokenize(table["word"].combine_chunks(), prefixes)
    engine = artifact.engine()
    whole = decode(engine, ids, lengths)
    for rows in ([7], [399, 3, 100], np.random.default_rng(0).permutation(400)[:90]):
        part = decode(engine, ids[rows], lengths[rows])
        width = part.ids.shape[1]
        assert (part.ids == whole.ids[rows, :width]).all()
        assert (part.logprob == whole.logprob[rows]).all()
    exact = find_model("bundled", lambda _: None).open(lambda _: None).engine()
    wanted = decode(exact, ids, lengths).ids
    width = max(wanted.shape[1], whole.ids.shape[1])
    same = (padded(wanted, width) == padded(whole.ids, width)).all(axis=1).mean()
    assert same >= {"bfloat16": 0.985, "int8": 0.96}[dtype]


def padded(ids: np.ndarray, width: int) -> np.ndarray:
    return np.pad(ids, ((0, 0), (0, width - ids.shape[1])))


def test_values_survive_a_bfloat16_cache_to_its_precision() -> None:
    """A token that attends to itself alone gets its own value back, rounded to the nearest bfloat16."""
    torch.manual_seed(0)
    heads, width, rows = 2, 64, 5
    family = cpu_family("int8")
    assert family is not None
    machine = MACHINES[family.name]
    qkv = torch.randn(rows, 3 * heads * width)
    shapes = ((rows, 3 * heads * width), (heads, 8), (rows,), (rows,), (2, rows, 8, heads, width))
    kernel = KERNELS["self_attention"](Site(machine, Limits(8, 8), "int8", shapes, ((heads, 8),), ()))
    target = tvm.target.Target({"kind": "llvm", **machine.target})
    function = tvm.compile(tvm.IRModule({"self_attention": kernel.function}), target=target)["self_attention"]
    slots, positions = np.arange(rows, dtype=np.int32)[::-1].copy(), np.zeros(rows, np.int32)
    cells = choose_cells(machine, "int8", width).stored
    cache = tvm.runtime.tensor(np.zeros((2, rows, 8, heads, cells.width), cells.dtype))
    result = tvm.runtime.tensor(np.full((rows, heads * width), np.nan, np.float32))
    (bias,) = kernel.pack(np.zeros((heads, 8), np.float32))
    function(*(tvm.runtime.tensor(a) for a in (qkv.numpy(), slots, positions)), cache, tvm.runtime.tensor(bias), result)
    wanted = qkv[:, 2 * heads * width :].bfloat16().float().numpy()
    assert cells.dtype == "int32"
    assert (result.numpy() == wanted).all()
