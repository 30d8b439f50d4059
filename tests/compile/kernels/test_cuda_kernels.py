"""CUDA kernels on the emulator, launched by the compiled host code, against the definitions of the operations."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import tvm

from g2p_batch.model.artifact_cache import COMMON_GPUS, GPU_DTYPES, target_family
from g2p_batch.model.contract import DType
from g2p_batch.model.cpu_engine import _gpu_runtime, _runtime
from g2p_batch.model.cuda.device import CudaDevice, device_module
from g2p_compile.build.nvcc import compile_device_code
from g2p_compile.export import ops
from g2p_compile.kernels import Call, Limits
from g2p_compile.kernels.cuda import CudaKernels, gpu
from g2p_compile.kernels.cuda.launch import DeviceCode
from g2p_compile.kernels.cuda.tiling import as_stored
from g2p_compile.program import CHOICES
from tests.helpers.emulated import emulated_code, require_gpu

HEADS, WIDTH, SOURCE, TARGET, SLOTS = 2, 16, 40, 20, 6
INNER, WIDE, VOCABULARY = 72, 136, 384
ALL = HEADS * WIDTH
EPSILON = 1e-6

CALLS = {
    "embed": Call(((None,), (VOCABULARY, INNER)), ((VOCABULARY, INNER),), ()),
    "rms_norm": Call(((None, INNER), (INNER,)), ((INNER,),), (EPSILON,)),
    "linear_residual": Call(((None, WIDE), (INNER, WIDE), (None, INNER)), ((INNER, WIDE),), ()),
    "norm_linear": Call(((None, INNER), (INNER,), (WIDE, INNER)), ((INNER,), (WIDE, INNER)), (EPSILON,)),
    "norm_gated_gelu": Call(
        ((None, INNER), (INNER,), (WIDE, INNER), (WIDE, INNER)), ((INNER,), (WIDE, INNER), (WIDE, INNER)), (EPSILON,)
    ),
    "norm_relu": Call(((None, INNER), (INNER,), (WIDE, INNER)), ((INNER,), (WIDE, INNER)), (EPSILON,)),
    "encoder_attention": Call(
        ((None, None, 3 * ALL), (HEADS, 2 * SOURCE - 1), (None,)), ((HEADS, 2 * SOURCE - 1),), ()
    ),
    "cache_source": Call(
        ((None, None, INNER), (2 * ALL, INNER), (None,), (2, None, None, HEADS, WIDTH)), ((2 * ALL, INNER),), ()
    ),
    "self_attention": Call(
        ((None, 3 * ALL), (HEADS, TARGET), (None,), (None,), (2, None, None, HEADS, WIDTH)), ((HEADS, TARGET),), ()
    ),
    "cross_attention": Call(((None, ALL), (None,), (None,), (2, None, None, HEADS, WIDTH)), (), ()),
    **dict.fromkeys(
        ("greedy_head", "variants_head"),
        Call(((None, INNER), (INNER,), (VOCABULARY, INNER)), ((INNER,), (VOCABULARY, INNER)), (EPSILON, 0.5)),
    ),
    "fork": Call(((None,), (None,), (None,), (2, None, None, HEADS, WIDTH)), (), ()),
}
TOLERANCE: dict[DType, float] = {"float32": 5e-6, "float16": 3e-3, "bfloat16": 2e-2}
"""Of the largest value: rounding of inputs that the definitions are not given, and of results."""


class Bench:
    """All kernels of a number format, ready to be called with arrays."""

    def __init__(self, dtype: DType, make: Callable[[Iterable[DeviceCode]], bytes], folder: Path) -> None:
        self.dtype = dtype
        kernels = CudaKernels(gpu(COMMON_GPUS), Limits(SOURCE, TARGET), dtype)
        self.kernels = {name: kernels.make(name, call) for name, call in CALLS.items()}
        module = tvm.IRModule(
            {name: kernel.function.with_attr("global_symbol", name) for name, kernel in self.kernels.items()}
        )
        limits = {"max_threads_per_block": 1024, "thread_warp_size": 32, "max_shared_memory_per_block": 48 << 10}
        target = tvm.target.Target({"kind": "cuda", "arch": "sm_80", **limits}, host={"kind": "llvm"})
        tvm.compile(module, target=target).export_library(str(folder / "host.so"))
        machine_code = make(kernels.code.values())
        _gpu_runtime()
        ffi = _runtime()
        self.device = CudaDevice(ffi)
        self.library = ffi.load_module(str(folder / "host.so"))
        types = {name: code.types for name, code in kernels.code.items()}
        self.library.import_module(device_module(ffi, machine_code, types))

    def run(self, name: str, data: list[Any], weights: list[Any], results: list[Any]) -> list[np.ndarray]:
        """Call a kernel; returns its results, or what it wrote into the last of the data if it has none."""
        tensors = [self.device.tensor(a) for a in [*data, *self.kernels[name].pack(*weights)] if a is not None]
        made = [self.device.tensor(a) for a in results]
        with self.device.working():
            self.library[name](*tensors, *made)
        return [self.wide(self.device.array(t)) for t in made or [tensors[len(data) - 1]]]

    def narrow(self, values: np.ndarray) -> np.ndarray:
        return as_stored(values, self.dtype)

    def wide(self, values: np.ndarray) -> np.ndarray:
        if values.dtype != np.uint16:
            return values
        if self.dtype == "float16":
            return values.view(np.float16).astype(np.float32)
        return (values.astype(np.uint32) << 16).view(np.float32)

    def rounded(self, *shape: int, spread: float = 1.0) -> np.ndarray:
        """Return random values that the number format holds exactly."""
        return self.wide(self.narrow(values(*shape) * np.float32(spread)))

    def blank(self, *shape: int) -> np.ndarray:
        return self.narrow(np.zeros(shape, np.float32))

    def close(self, got: np.ndarray, wanted: torch.Tensor) -> None:
        expected = wanted.numpy()
        assert np.abs(got - expected).max() <= TOLERANCE[self.dtype] * max(1.0, np.abs(expected).max())


RANDOM = np.random.default_rng(0)


def values(*shape: int) -> np.ndarray:
    return RANDOM.standard_normal(shape, np.float32)


def t(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(array.copy())


HARDWARE = [
    pytest.param((dtype, hardware), id=f"{dtype}-{hardware}", marks=[pytest.mark.cuda] if hardware == "gpu" else [])
    for hardware in ("emulator", "gpu")
    for dtype in GPU_DTYPES
]


@pytest.fixture(scope="module", params=HARDWARE)
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    dtype, hardware = request.param
    folder = tmp_path_factory.mktemp("kernels")

    def emulated(code: Iterable[DeviceCode]) -> bytes:
        return emulated_code(code, folder / "kernels.so")

    def compiled(code: Iterable[DeviceCode]) -> bytes:
        compile_device_code(code, target_family("cuda", dtype).features, folder / "kernels.fatbin")
        return (folder / "kernels.fatbin").read_bytes()

    if hardware == "gpu":
        require_gpu()
    else:
        request.getfixturevalue("emulator")
    return Bench(dtype, {"emulator": emulated, "gpu": compiled}[hardware], folder)


@pytest.mark.parametrize("rows", [1, 130])
@pytest.mark.parametrize("name", ["norm_linear", "norm_relu", "norm_gated_gelu"])
def test_products_of_normalised_rows(bench: Bench, name: str, rows: int) -> None:
    x, gain = values(rows, INNER), values(INNER)
    weights = [bench.rounded(WIDE, INNER, spread=0.2) for _ in range(2 if name == "norm_gated_gelu" else 1)]
    (got,) = bench.run(name, [x], [gain, *weights], [bench.blank(rows, WIDE)])
    bench.close(got, getattr(ops, name)(t(x), t(gain), *map(t, weights), EPSILON))


@pytest.mark.parametrize("rows", [1, 130, 8200])
def test_a_product_is_added_to_what_is_there(bench: Bench, rows: int) -> None:
    x, weight, kept = bench.rounded(rows, WIDE), bench.rounded(INNER, WIDE, spread=0.2), values(rows, INNER)
    (got,) = bench.run("linear_residual", [bench.narrow(x), kept], [weight], [np.zeros_like(kept)])
    bench.close(got, ops.linear_residual(t(x), t(weight), t(kept)))


@pytest.mark.parametrize("rows", [1, 70])
def test_the_head_chooses_the_lowest_of_the_best(bench: Bench, rows: int) -> None:
    x, gain, weight = values(rows, INNER), values(INNER), bench.rounded(VOCABULARY, INNER)
    weight[300:] = weight[100:184]
    token, logprob = choose(bench, "greedy_head", x, [gain, weight])
    wanted, expected = ops.greedy_head(t(x), t(gain), t(weight), EPSILON, 0.5)
    assert not ((token >= 300) & (token < VOCABULARY)).any()
    assert (token == wanted.numpy()).mean() > (0.999 if bench.dtype == "float32" else 0.9)
    same = token == wanted.numpy()
    bench.close(logprob[same], expected[torch.from_numpy(same)])


def choose(bench: Bench, operation: str, x: np.ndarray, weights: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    shape = (len(x), CHOICES) if operation == "variants_head" else (len(x),)
    token, logprob = bench.run(operation, [x], weights, [np.full(shape, -1, np.int32), np.zeros(shape, np.float32)])
    return token, logprob


@pytest.mark.parametrize("rows", [1, 31, 70])
def test_a_head_of_searches_gives_the_best_in_their_order(bench: Bench, rows: int) -> None:
    x, gain, weight = values(rows, INNER), values(INNER), bench.rounded(VOCABULARY, INNER)
    token, logprob = choose(bench, "variants_head", x, [gain, weight])
    for one, first in zip(choose(bench, "greedy_head", x, [gain, weight]), (token, logprob), strict=True):
        assert one.tobytes() == first[:, 0].tobytes()
    assert all(len(set(row)) == CHOICES for row in token.tolist())
    assert (np.diff(logprob, axis=1) <= 0).all()
    all_logprobs = (ops._rms_norm(t(x), t(gain), EPSILON) @ t(weight).T * 0.5).log_softmax(-1)
    bench.close(logprob, all_logprobs.gather(1, torch.from_numpy(token).long()))
    bench.close(logprob, ops.variants_head(t(x), t(gain), t(weight), EPSILON, 0.5)[1])


TIES: dict[str, tuple[dict[int, float], list[int]]] = {
    "two": ({5: 1.0, 383: 1.0}, [5, 383, 0, 1, 2, 3, 4, 6]),
    "more than are chosen": (
        dict.fromkeys((383, 16, 15, 47, 48, 95, 96, 200, 300), 1.0),
        [15, 16, 47, 48, 95, 96, 200, 300],
    ),
    "all": ({}, list(range(CHOICES))),
    "of one lane": ({37: 1.0, 5: 1.0, 69: 1.0, 101: 2.0}, [101, 5, 37, 69, 0, 1, 2, 3]),
    "the last that is chosen": (
        {383: 9.0, 10: 8.0, 9: 7.0, 8: 6.0, 7: 5.0, 42: 4.0, 74: 4.0, 64: 1.0, 32: 1.0},
        [383, 10, 9, 8, 7, 42, 74, 32],
    ),
}


@pytest.mark.parametrize("ties", TIES)
def test_equals_are_chosen_in_the_order_of_their_ids(bench: Bench, ties: str) -> None:
    logits, wanted = TIES[ties]
    x, gain, weight = (
        np.ones((3, INNER), np.float32),
        np.ones(INNER, np.float32),
        np.zeros((VOCABULARY, INNER), np.float32),
    )
    for token, logit in logits.items():
        weight[token] = logit
    token, logprob = choose(bench, "variants_head", x, [gain, weight])
    assert token.tolist() == [wanted] * 3
    expected = ops.variants_head(t(x), t(gain), t(weight), EPSILON, 0.5)[1]
    bench.close(logprob, expected)


def test_a_token_that_is_certain_has_the_bits_of_greedy_decoding(bench: Bench) -> None:
    x, gain, weight = (
        np.ones((1, INNER), np.float32),
        np.ones(INNER, np.float32),
        np.full((VOCABULARY, INNER), -900.0, np.float32),
    )
    weight[200] = 900.0
    token, logprob = choose(bench, "variants_head", x, [gain, weight])
    assert token[0].tolist() == [200, *range(CHOICES - 1)]
    assert logprob[0, 0].tobytes() == choose(bench, "greedy_head", x, [gain, weight])[1].tobytes()


def test_a_fork_copies_positions_as_they_are_and_touches_no_other(bench: Bench) -> None:
    cache = bench.narrow(values(2, 9, TARGET, HEADS, WIDTH))
    origin, target, count = (np.array(c, np.int32) for c in ([2, 2, 8, 1], [0, 5, 3, 7], [0, TARGET, 13, 1]))
    tensors = [bench.device.tensor(a) for a in (origin, target, count, cache)]
    with bench.device.working():
        bench.library["fork"](*tensors)
    wanted = t(bench.wide(cache))
    ops.fork(t(origin), t(target), t(count), wanted)
    assert bench.wide(bench.device.array(tensors[3])).tobytes() == wanted.numpy().tobytes()


def test_logits_that_are_no_numbers_choose_a_token_that_there_is(bench: Bench) -> None:
    x, gain, weight = np.full((3, INNER), np.nan, np.float32), values(INNER), bench.rounded(VOCABULARY, INNER)
    for operation in ("greedy_head", "variants_head"):
        token, logprob = choose(bench, operation, x, [gain, weight])
        assert (token == 0).all()
        assert np.isnan(logprob).all()


def test_embedding_and_norm(bench: Bench) -> None:
    ids, table, gain = RANDOM.integers(0, VOCABULARY, 9).astype(np.int32), values(VOCABULARY, INNER), values(INNER)
    (got,) = bench.run("embed", [ids], [table], [np.zeros((9, INNER), np.float32)])
    assert (got == table[ids]).all()
    x = values(9, INNER)
    (got,) = bench.run("rms_norm", [x], [gain], [bench.blank(9, INNER)])
    bench.close(got, ops.rms_norm(t(x), t(gain), EPSILON))


def test_attention_of_the_encoder_sees_a_word_and_leaves_zeros_behind_it(bench: Bench) -> None:
    lengths = np.array([37, 1, 20], np.int32)
    qkv, bias = bench.rounded(3, 37, 3 * ALL), values(HEADS, 2 * SOURCE - 1)
    (got,) = bench.run("encoder_attention", [bench.narrow(qkv), lengths], [bias], [bench.blank(3, 37, ALL)])
    wanted = ops.encoder_attention(t(qkv), t(bias), t(lengths))
    for word, length in enumerate(lengths):
        wanted[word, length:] = 0
    bench.close(got, wanted)


def test_a_step_of_self_attention_appends_and_attends(bench: Bench) -> None:
    cache, qkv, bias = bench.rounded(2, SLOTS, TARGET, HEADS, WIDTH), bench.rounded(5, 3 * ALL), values(HEADS, TARGET)
    slot, position = np.array([4, 0, 1, 5, 2], np.int32), np.array([0, TARGET - 1, 7, 3, 9], np.int32)
    data = [bench.narrow(qkv), slot, position, bench.narrow(cache)]
    tensors = [bench.device.tensor(a) for a in [*data, bias, bench.blank(5, ALL)]]
    with bench.device.working():
        bench.library["self_attention"](*tensors)
    after = t(cache)
    wanted = ops.self_attention(t(qkv), t(bias), t(slot), t(position), after)
    bench.close(bench.wide(bench.device.array(tensors[-1])), wanted)
    assert (bench.wide(bench.device.array(tensors[3])) == after.numpy()).all()


def test_cross_attention(bench: Bench) -> None:
    cache, q = bench.rounded(2, SLOTS, SOURCE, HEADS, WIDTH), bench.rounded(5, ALL)
    slot, lengths = np.array([4, 0, 1, 5, 2], np.int32), np.array([SOURCE, 1, 9, 17, 5], np.int32)
    data = [bench.narrow(q), slot, lengths, bench.narrow(cache)]
    tensors = [bench.device.tensor(a) for a in [*data, bench.blank(5, ALL)]]
    with bench.device.working():
        bench.library["cross_attention"](*tensors)
    wanted = ops.cross_attention(t(q), t(slot), t(lengths), t(cache))
    bench.close(bench.wide(bench.device.array(tensors[-1])), wanted)


def test_keys_and_values_of_the_source_go_into_their_slots(bench: Bench) -> None:
    x, weight = bench.rounded(3, 21, INNER), bench.rounded(2 * ALL, INNER, spread=0.2)
    cache, slot = bench.rounded(2, SLOTS, SOURCE, HEADS, WIDTH), np.array([2, 0, 5], np.int32)
    tensors = [bench.device.tensor(a) for a in [bench.narrow(x), slot, bench.narrow(cache)]]
    weights = [bench.device.tensor(a) for a in bench.kernels["cache_source"].pack(weight)]
    with bench.device.working():
        bench.library["cache_source"](*tensors, *weights)
    after = t(cache)
    ops.cache_source(t(x), t(weight), t(slot), after)
    bench.close(bench.wide(bench.device.array(tensors[2])), after)


def test_every_float_operation_of_a_step_has_a_kernel() -> None:
    assert set(CALLS) == set(ops.RESULTS) - {"linear"}, "the cacheless check is not built"
