"""Every kernel, for every CPU family that this machine can run, against its definition in double precision."""

import math
import platform
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
import tvm
import tvm_ffi
from tvm.tirx.script import builder as T

from g2p_batch.model.cpu_families import FAMILIES, cpu_features
from g2p_compile.export import ops
from g2p_compile.kernels import KERNELS, MACHINES, WEIGHTS, Kernel, Limits, Site
from g2p_compile.kernels.vector import Lanes, buffer, kernel, size

# The tensors are small and the cores shared: waking a second thread costs more than it brings.
torch.set_num_threads(1)

RUNNABLE = [
    family.name
    for family in FAMILIES
    if "float32" in family.dtypes and family.arch == platform.machine() and cpu_features() >= set(family.features)
] or ["portable"]
"""Strongest first."""
LIMITS = Limits(source_bytes=37, target_bytes=29)
"""Multiples of no vector, so that last blocks are part full."""
EPSILON = 1e-6
VOCABULARY = 384
ROWS = (1, 8, 129)
"""One row, a whole tile, and more than any group of tiles with a part of one."""
NAN = float("nan")


@dataclass(frozen=True)
class Widths:
    d_model: int
    d_kv: int
    heads: int
    d_ff: int

    @property
    def attention(self) -> int:
        return self.heads * self.d_kv


WIDTHS = {
    "whole vectors": Widths(64, 64, 2, 96),
    "parts of vectors": Widths(24, 20, 3, 40),
    "scalars": Widths(30, 7, 3, 9),
}
CASES = {
    **{name: (name, "whole vectors") for name in RUNNABLE},
    f"{RUNNABLE[0]} parts": (RUNNABLE[0], "parts of vectors"),
    f"{RUNNABLE[-1]} scalars": (RUNNABLE[-1], "scalars"),
}
"""CPU families and widths: odd widths take other paths, the same in all families."""


def normal(*shape: int) -> torch.Tensor:
    return torch.randn(shape)


def weight(outputs: int, inner: int) -> torch.Tensor:
    return torch.randn(outputs, inner) / math.sqrt(inner)


def gain(width: int) -> torch.Tensor:
    return torch.rand(width) + 0.5


def integers(low: int, high: int, count: int) -> torch.Tensor:
    return torch.randint(low, high, (count,), dtype=torch.int32)


def slots(count: int) -> torch.Tensor:
    """Return a slot for every row, in no order, two slots left empty."""
    return torch.randperm(count + 2, dtype=torch.int32)[:count]


def filled_cache(widths: Widths, slot: torch.Tensor, lengths: torch.Tensor, reach: int) -> torch.Tensor:
    """Return a cache that holds NaN wherever no word of `lengths` is."""
    filled = torch.full((2, len(slot) + 2, reach, widths.heads, widths.d_kv), NAN)
    for s, length in zip(slot.tolist(), lengths.tolist(), strict=True):
        filled[:, s, :length] = normal(2, length, widths.heads, widths.d_kv)
    return filled


Arguments = tuple[Any, ...]


def encoder_arguments(w: Widths, rows: int) -> Arguments:
    lengths = integers(1, LIMITS.source_bytes + 1, rows)
    bias = normal(w.heads, 2 * LIMITS.source_bytes - 1)
    return normal(rows, int(lengths.max()), 3 * w.attention), bias, lengths


def source_arguments(w: Widths, rows: int) -> Arguments:
    length = 1 + rows % LIMITS.source_bytes
    empty = torch.full((2, rows + 2, length + 1, w.heads, w.d_kv), NAN)
    return normal(rows, length, w.d_model), weight(2 * w.attention, w.d_model), slots(rows), empty


def self_arguments(w: Widths, rows: int) -> Arguments:
    slot, position = slots(rows), integers(0, LIMITS.target_bytes, rows)
    position[-1] = LIMITS.target_bytes - 1
    # What a word has is every position before its own; the kernel adds that one.
    past = filled_cache(w, slot, position, LIMITS.target_bytes)
    return normal(rows, 3 * w.attention), normal(w.heads, LIMITS.target_bytes), slot, position, past


def cross_arguments(w: Widths, rows: int) -> Arguments:
    slot, lengths = slots(rows), integers(1, LIMITS.source_bytes + 1, rows)
    return normal(rows, w.attention), slot, lengths, filled_cache(w, slot, lengths, LIMITS.source_bytes)


ARGUMENTS: dict[str, Callable[[Widths, int], Arguments]] = {
    "embed": lambda w, m: (integers(0, VOCABULARY, m), normal(VOCABULARY, w.d_model)),
    "rms_norm": lambda w, m: (normal(m, w.d_model), gain(w.d_model), EPSILON),
    "linear": lambda w, m: (normal(m, w.d_model), weight(w.d_ff, w.d_model)),
    "linear_residual": lambda w, m: (normal(m, w.d_ff), weight(w.d_model, w.d_ff), normal(m, w.d_model)),
    "norm_linear": lambda w, m: (
        normal(m, w.d_model),
        gain(w.d_model),
        weight(3 * w.attention, w.d_model),
        EPSILON,
    ),
    "norm_gated_gelu": lambda w, m: (
        normal(m, w.d_model),
        gain(w.d_model),
        weight(w.d_ff, w.d_model),
        weight(w.d_ff, w.d_model),
        EPSILON,
    ),
    "norm_relu": lambda w, m: (normal(m, w.d_model), gain(w.d_model), weight(w.d_ff, w.d_model), EPSILON),
    "encoder_attention": encoder_arguments,
    "cache_source": source_arguments,
    "self_attention": self_arguments,
    "cross_attention": cross_arguments,
    "greedy_head": lambda w, m: (
        normal(m, w.d_model),
        gain(w.d_model),
        3 * weight(VOCABULARY, w.d_model),
        EPSILON,
        0.5,
    ),
}
"""Random arguments of an operation for a number of rows (words, where it works on words)."""
CACHES = ("cache_source", "self_attention", "cross_attention")
"""Operations whose last argument is a cache."""


def tensors_of(arguments: Arguments) -> list[torch.Tensor]:
    return [a for a in arguments if isinstance(a, torch.Tensor)]


def aligned(array: np.ndarray) -> np.ndarray:
    raw = np.zeros(array.nbytes + 64, np.uint8)
    start = -raw.ctypes.data % 64
    copy = raw[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


@dataclass(frozen=True)
class Compiled:
    """The kernels of one family for one set of widths, ready to run."""

    widths: Widths
    kernels: dict[str, Kernel]
    functions: dict[str, Callable[..., None]]

    def run(self, name: str, arguments: Arguments) -> list[torch.Tensor]:
        """Return the results of an operation, and after them its cache if it has one."""
        tensors = tensors_of(arguments)
        data = [aligned(t.numpy()) for i, t in enumerate(tensors) if i not in WEIGHTS[name]]
        weights = [tensors[i].numpy() for i in WEIGHTS[name]]
        packed = [aligned(array) for array in self.kernels[name].pack(*weights)] if weights else []
        results = [
            aligned(np.full(shape, NAN if dtype == "float32" else -1, dtype))
            for shape, dtype in ops.RESULTS[name](*(tuple(t.shape) for t in tensors))
        ]
        self.functions[name](*(tvm_ffi.from_dlpack(a) for a in [*data, *packed, *results]))
        found = [torch.from_numpy(a) for a in results]
        return [*found, torch.from_numpy(data[-1])] if name in CACHES else found


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest) -> Compiled:
    family, widths = CASES[request.param]
    return compiled(family, WIDTHS[widths])


def compiled(family: str, widths: Widths) -> Compiled:
    machine = MACHINES[family]
    kernels = {}
    for name, make in ARGUMENTS.items():
        arguments = make(widths, 2)
        shapes = [tuple(t.shape) for t in tensors_of(arguments)]
        weights = tuple(shapes[i] for i in WEIGHTS[name])
        constants = tuple(a for a in arguments if isinstance(a, float))
        kernels[name] = KERNELS[name](Site(machine, LIMITS, "float32", tuple(shapes), weights, constants))
    functions = {name: built.function.with_attr("global_symbol", name) for name, built in kernels.items()}
    return Compiled(widths, kernels, compile_functions(functions, family))


def compile_functions(functions: dict[str, Any], family: str) -> dict[str, Callable[..., None]]:
    target = tvm.target.Target({"kind": "llvm", **MACHINES[family].target})
    library = tvm.compile(tvm.IRModule(functions), target=target).jit()
    return {name: library[name] for name in functions}


def defined(name: str, arguments: Arguments) -> list[torch.Tensor]:
    """Return the same as `Compiled.run`, by the operation's definition in double precision."""
    # The definitions multiply what is masked by 0, so it must be finite there.
    exact = [
        (torch.nan_to_num(a, 0.0).double() if a.is_floating_point() else a) if isinstance(a, torch.Tensor) else a
        for a in arguments
    ]
    found = getattr(torch.ops.g2p, name)(*exact)
    results = list(found) if isinstance(found, tuple) else [] if found is None else [found]
    return [*results, exact[-1]] if name in CACHES else results


@pytest.mark.parametrize("name", KERNELS)
def test_a_kernel_computes_its_definition_for_any_number_of_rows(name: str, case: Compiled) -> None:
    for rows in ROWS:
        torch.manual_seed(rows)
        arguments = ARGUMENTS[name](case.widths, rows)
        got, wanted = case.run(name, arguments), defined(name, arguments)
        if name in CACHES:
            written = cells_of(name, arguments)
            before = torch.where(written, 0.0, arguments[-1])
            untouched, cached = torch.where(written, 0.0, got[-1]), torch.where(written, got[-1], 0.0)
            assert torch.equal(untouched.view(torch.int32), before.view(torch.int32)), rows
            got[-1], wanted[-1] = cached, torch.where(written, wanted[-1], 0.0)
        for result, exact in zip(got, wanted, strict=True):
            if exact.dtype == torch.int32:
                assert torch.equal(result, exact), rows
            else:
                torch.testing.assert_close(result.double(), meant(name, arguments, exact), rtol=1e-5, atol=1e-5)


def cells_of(name: str, arguments: Arguments) -> torch.Tensor:
    """Return which cells of its cache an operation writes."""
    cells = torch.zeros(arguments[-1].shape, dtype=torch.bool)
    if name == "cache_source":
        cells[:, arguments[2].long(), : arguments[0].shape[1]] = True
    if name == "self_attention":
        cells[:, arguments[2].long(), arguments[3].long()] = True
    return cells


def meant(name: str, arguments: Arguments, exact: torch.Tensor) -> torch.Tensor:
    """Return what a kernel stores: the rows of padding, whose attention means nothing, are zero."""
    if name != "encoder_attention":
        return exact
    return exact * (torch.arange(exact.shape[1]) < arguments[2][:, None])[..., None]


@pytest.mark.parametrize("name", KERNELS)
def test_a_row_is_bitwise_the_same_alone_and_among_others(name: str, case: Compiled) -> None:
    rows = ROWS[-1]
    torch.manual_seed(1)
    arguments = ARGUMENTS[name](case.widths, rows)
    together = case.run(name, arguments)
    shuffled = torch.randperm(rows)
    for chosen in (shuffled, *(torch.tensor([row]) for row in (0, 7, 8, 63, 128)), torch.arange(60, 67)):
        apart = case.run(name, rows_of(name, arguments, chosen))
        for many, few in zip(together, apart, strict=True):
            held = many[chosen] if many.shape[0] == rows else many
            if many.shape[0] != rows:  # a cache: its slots are those of the rows
                kept = slot_of(name, arguments)[chosen].long()
                held, few = many[:, kept], few[:, kept]
            assert torch.equal(held.contiguous().view(torch.int32), few.contiguous().view(torch.int32)), chosen


def rows_of(name: str, arguments: Arguments, chosen: torch.Tensor) -> Arguments:
    """Keep some rows of the arguments that have rows: all but weights, caches and numbers."""
    data = iter(range(len(arguments)))
    kept = []
    for argument in arguments:
        if not isinstance(argument, torch.Tensor):
            kept.append(argument)
            continue
        place = next(data)
        is_cache = name in CACHES and argument is arguments[-1]
        kept.append(argument if place in WEIGHTS[name] or is_cache else argument[chosen])
    return tuple(kept)


def slot_of(name: str, arguments: Arguments) -> torch.Tensor:
    return arguments[{"cache_source": 2, "self_attention": 2, "cross_attention": 1}[name]]


def test_encoder_attention_does_not_see_how_far_a_word_is_padded(case: Compiled) -> None:
    torch.manual_seed(3)
    qkv, bias, lengths = encoder_arguments(case.widths, 9)
    lengths = lengths.clamp(max=20)
    (short,) = case.run("encoder_attention", (qkv[:, :20].contiguous(), bias, lengths))
    poisoned = torch.where((torch.arange(qkv.shape[1]) < lengths[:, None])[..., None], qkv, NAN)
    (long,) = case.run("encoder_attention", (poisoned, bias, lengths))
    assert torch.equal(long[:, :20], short)
    assert not long[:, 20:].any()


@pytest.mark.parametrize("ids", [[0, 1], [5, 6, 383], [15, 16], [47, 48, 95, 96], [383], list(range(384))])
def test_greedy_head_picks_the_lowest_id_among_equal_logits(ids: list[int], case: Compiled) -> None:
    width = case.widths.d_model
    torch.manual_seed(2)
    head = weight(VOCABULARY, width) / 10
    head[ids] = torch.ones(width)
    token, logprob = case.run("greedy_head", (torch.rand(3, width) + 1.0, torch.ones(width), head, EPSILON, 0.5))
    assert token.tolist() == [ids[0]] * 3
    assert (logprob <= -math.log(len(ids)) + 1e-6).all()


def test_greedy_head_stays_finite_where_logits_are_far_apart(case: Compiled) -> None:
    width = case.widths.d_model
    head = torch.full((VOCABULARY, width), -1e6)
    head[200] = 1e6
    token, logprob = case.run("greedy_head", (torch.ones(1, width), torch.ones(width), head, EPSILON, 0.5))
    assert token.tolist() == [200]
    assert logprob.abs().max() < 1e-6


ELEMENTARY: dict[str, Callable[[Lanes, Any], Any]] = {"exp": Lanes.exp, "log": Lanes.log, "gelu": Lanes.gelu}


@dataclass(frozen=True)
class Elementary:
    """The elementary functions, each over a row of vectors of some lanes."""

    lanes: int
    functions: dict[str, Callable[..., None]]

    def __call__(self, name: str, x: np.ndarray) -> np.ndarray:
        y = aligned(np.full((len(x) // self.lanes, self.lanes), NAN, np.float32))
        self.functions[name](tvm_ffi.from_dlpack(aligned(x.reshape(y.shape))), tvm_ffi.from_dlpack(y))
        return y.ravel()


@pytest.fixture(
    scope="module", params=[*((name, "vector") for name in RUNNABLE), (RUNNABLE[0], "scalar")], ids="-".join
)
def elementary(request: pytest.FixtureRequest) -> Elementary:
    family, kind = request.param
    lanes_count = MACHINES[family].lanes if kind == "vector" else 1
    lanes = Lanes(MACHINES[family], lanes_count)
    functions = {}
    for name, function in ELEMENTARY.items():
        with kernel(name) as built:
            blocks = size()
            x, y = buffer("x", (blocks, lanes_count)), buffer("y", (blocks, lanes_count))
            with T.serial(0, blocks) as i:
                T.buffer_store(y, function(lanes, x[i, lanes.at(0)]), [i, lanes.at(0)])
        functions[name] = built.get().with_attr("global_symbol", name)
    return Elementary(lanes_count, compile_functions(functions, family))


def grid(low: float, high: float, count: int = 1 << 17) -> np.ndarray:
    return np.linspace(low, high, count, dtype=np.float64).astype(np.float32)


def ulps(found: np.ndarray, exact: np.ndarray) -> float:
    return float((np.abs(found - exact) / np.spacing(np.abs(exact).astype(np.float32))).max())


def test_exp_is_within_two_units_in_the_last_place(elementary: Elementary) -> None:
    x = np.concatenate([grid(-87.0, 88.0), grid(-1.0, 1.0)])
    assert ulps(elementary("exp", x), np.exp(x.astype(np.float64))) <= 2.0


def test_exp_of_what_is_out_of_range_is_tiny_or_huge_and_finite(elementary: Elementary) -> None:
    x = np.repeat(np.array([-3e38, -1e4, -87.5, 88.5, 1e4, 3e38], np.float32), 16)
    found = elementary("exp", x).reshape(6, 16)
    assert ((found[:3] > 0) & (found[:3] < 2e-38)).all()
    assert (np.isfinite(found[3:]) & (found[3:] > 1.6e38)).all()


def test_exp_of_zero_and_log_of_one_are_exact(elementary: Elementary) -> None:
    assert (elementary("exp", np.zeros(16, np.float32)) == 1.0).all()
    assert (elementary("log", np.ones(16, np.float32)) == 0.0).all()


def test_log_is_within_two_units_in_the_last_place(elementary: Elementary) -> None:
    x = np.concatenate([grid(1.0, 400.0), grid(1e-3, 1.0), np.exp2(grid(-125.9, 127.9)).astype(np.float32)])
    exact = np.log(x.astype(np.float64))
    assert ulps(elementary("log", x), exact) <= 2.0


def test_gelu_is_within_a_millionth_of_its_definition(elementary: Elementary) -> None:
    x = np.concatenate([grid(-12.0, 12.0), np.repeat(np.array([-1e30, -500.0, 500.0, 1e30], np.float32), 16)])
    exact = torch.nn.functional.gelu(torch.from_numpy(x).double(), approximate="tanh").numpy()
    away = np.abs(elementary("gelu", x) - exact)
    assert (away / np.maximum(1.0, np.abs(exact))).max() <= 1e-6


def test_kernels_weights_and_results_name_the_same_operations() -> None:
    registered = {name.split("::")[1] for name in torch._C._dispatch_get_all_op_names() if name.startswith("g2p::")}
    assert set(KERNELS) == set(WEIGHTS) == set(ops.RESULTS) == set(ARGUMENTS) == registered


@pytest.mark.parametrize("name", KERNELS)
def test_the_weights_of_an_operation_are_what_its_definition_calls_weights(name: str) -> None:
    schema = getattr(torch.ops.g2p, name).default._schema
    tensors = [argument.name for argument in schema.arguments if str(argument.type) == "Tensor"]
    named = {"table", "gain", "weight", "gate", "up", "bias"}
    assert [tensors[i] for i in WEIGHTS[name]] == [t for t in tensors if t in named]


@pytest.mark.parametrize("name", KERNELS)
def test_a_kernel_packs_its_weights_as_it_says(name: str, case: Compiled) -> None:
    built = case.kernels[name]
    arguments = ARGUMENTS[name](case.widths, 2)
    weights = [tensors_of(arguments)[i].numpy() for i in WEIGHTS[name]]
    packed = built.pack(*weights) if weights else ()
    assert [(p.shape, p.dtype) for p in built.packed] == [(array.shape, array.dtype.name) for array in packed]
    assert all(array.flags.c_contiguous for array in packed)
