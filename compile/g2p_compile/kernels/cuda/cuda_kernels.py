"""One kernel for every operation of a program, for GPUs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from tvm import tirx
from tvm.tirx.script import builder as T

from g2p_batch.errors import ModelError
from g2p_batch.model.contract import CacheCells, DType, Stored
from g2p_compile.kernels.cuda.gpu_generation import Gpu
from g2p_compile.kernels.cuda.launch import (
    C_TYPES,
    STORED,
    THREADS,
    DeviceCode,
    Grid,
    Pointer,
    Scalar,
    device_code,
    launch,
    pointer,
    prim_func,
    up,
)
from g2p_compile.kernels.cuda.tiling import FEW_ROWS, Packing, Tiling, choose
from g2p_compile.kernels.kernel import Call, Kernel, Limits, Packed
from g2p_compile.kernels.vector import Expr, size
from g2p_compile.program import CHOICES

_WARPS = THREADS // 32
_BLOCKS = 264
"""Blocks that fill a large GPU twice: rows are shared out among as many where there are few of them."""
_FEW_ROWS = 8192
"""Up to as many, a product that is not shared out takes smaller tiles."""
_EASY_SHARED = 48 << 10
"""Bytes of shared memory that a launch may use without asking first."""
_LANES = (8, 16, 32, 64, 128, 256)
"""Widths of a head that eight values a lane divide among lanes of a warp evenly."""

_WIDE_RESULTS = ("embed", "linear_residual", "greedy_head", "variants_head")
"""Operations whose results are float32 in every number format."""

Arguments = Sequence[Pointer | Scalar]


@dataclass
class CudaKernels:
    """Kernels of one number format for some GPUs; collects the device code of those that are asked for."""

    gpu: Gpu
    limits: Limits
    dtype: DType
    code: dict[str, DeviceCode] = field(default_factory=dict)
    """By name."""
    shared_bytes: int = 0
    """Most that a block of them uses."""

    folds: ClassVar[bool] = False
    cacheless: ClassVar[bool] = False
    # Sizes of chunks differ: left to the pool, each would keep a block of its own, and making one stops the device.
    places_hidden: ClassVar[bool] = True

    @property
    def hidden(self) -> Stored:
        """Number format of encoder outputs."""
        return STORED[self.dtype]

    def result(self, operation: str) -> Stored:
        """Return the number format of an operation's float results: what is added up stays float32."""
        return "float32" if operation in _WIDE_RESULTS else STORED[self.dtype]

    def cells(self, width: int) -> CacheCells:
        """Return how caches hold a head."""
        return CacheCells(STORED[self.dtype], width)

    def make(self, operation: str, call: Call) -> Kernel:
        """Return the kernel for a call.

        Raises:
            ModelError: there is none for its sizes.
        """
        return _MAKERS[operation](self, call)

    def emit(self, name: str, body: str, arguments: Arguments, grid: Grid, shared: int = 0) -> None:
        """Write a device function, once, and emit its launch; `shared` is the most that a launch asks for."""
        code = device_code(f"g2p_{name}", body, arguments)
        self.code[code.name] = code
        self.shared_bytes = max(self.shared_bytes, shared)
        launch(code, arguments, grid)

    def narrow(self, name: str, shape: tuple[Expr, ...]) -> Pointer:
        """Declare a tensor in the artifact's number format."""
        return pointer(name, shape, STORED[self.dtype], C_TYPES[self.dtype])

    def tiling(self, inner: int, outputs: int, *, parts: int = 1, normed: bool = False, kept: int = 0) -> Tiling:
        """Choose how to cut a product."""
        return choose(
            self.dtype, inner, outputs, parts=parts, normed=normed, kept=kept, shared_bytes=self.gpu.shared_bytes
        )


def _float(name: str, shape: tuple[Expr, ...]) -> Pointer:
    return pointer(name, shape, "float32", "float")


def _int(name: str, shape: tuple[Expr, ...]) -> Pointer:
    return pointer(name, shape, "int32", "int")


def _norm_product(operation: str, parts: int) -> Callable[[CudaKernels, Call], Kernel]:
    def make(kernels: CudaKernels, call: Call) -> Kernel:
        outputs, inner = call.weights[-1]
        (epsilon,) = call.constants
        tiling = kernels.tiling(inner, outputs, parts=parts, normed=True)

        def emit() -> None:
            rows = size()
            x, gain = _float("x", (rows, inner)), _float("gain", (inner,))
            weight, y = kernels.narrow("weight", tiling.packed_shape), kernels.narrow("y", (rows, outputs))
            blocks = up(rows, tiling.tile.rows)
            share = tirx.min(tirx.max(_BLOCKS // blocks, T.int64(1)), T.int64(tiling.tiles))
            arguments: Arguments = [x, gain, weight, y, Scalar("rows", rows), Scalar("epsilon", epsilon, "float32")]
            body = f"{operation}<{tiling.plan(C_TYPES[kernels.dtype])}>"
            name = f"{operation}_{inner}_{outputs}"
            kernels.emit(name, body, arguments, Grid(blocks, share, tiling.shared_bytes), tiling.shared_bytes)

        function = prim_func(operation, emit)
        packed = (Packed((inner,), "float32"), Packed(tiling.packed_shape, STORED[kernels.dtype]))
        return Kernel(function, packed, Packing(tiling, gained=True))

    return make


def _linear_residual(kernels: CudaKernels, call: Call) -> Kernel:
    outputs, inner = call.weights[-1]
    tiling = kernels.tiling(inner, outputs)
    small = Tiling(tiling.dtype, inner, outputs, 1, False, FEW_ROWS)

    def emit() -> None:
        rows = size()
        x, kept = kernels.narrow("x", (rows, inner)), _float("residual", (rows, outputs))
        weight, y = kernels.narrow("weight", tiling.packed_shape), _float("y", (rows, outputs))
        arguments: Arguments = [x, kept, weight, y, Scalar("rows", rows)]

        def start(how: Tiling, suffix: str) -> None:
            body = f"linear_residual<{how.plan(C_TYPES[kernels.dtype])}>"
            grid = Grid(up(rows, how.tile.rows), how.tiles, how.shared_bytes)
            kernels.emit(f"linear_residual_{inner}_{outputs}_{suffix}", body, arguments, grid, how.shared_bytes)

        with T.If(rows > _FEW_ROWS):
            with T.Then():
                start(tiling, "many")
            with T.Else():
                start(small, "few")

    function = prim_func("linear_residual", emit)
    return Kernel(function, (Packed(tiling.packed_shape, STORED[kernels.dtype]),), Packing(tiling))


def _cache_source(kernels: CudaKernels, call: Call) -> Kernel:
    outputs, inner = call.weights[0]
    heads, width = (int(extent) for extent in call.shapes[-1][3:])
    tiling = kernels.tiling(inner, outputs)

    def emit() -> None:
        words, length, slots, reach = size(), size(), size(), size()
        x, slot = kernels.narrow("x", (words, length, inner)), _int("slot", (words,))
        cache = kernels.narrow("cache", (2, slots, reach, heads, width))
        weight = kernels.narrow("weight", tiling.packed_shape)
        sizes = [Scalar("words", words), Scalar("length", length), Scalar("slots", slots), Scalar("reach", reach)]
        body = f"cache_source<{tiling.plan(C_TYPES[kernels.dtype])}>"
        grid = Grid(up(words * length, tiling.tile.rows), tiling.tiles, tiling.shared_bytes)
        kernels.emit(
            f"cache_source_{inner}_{outputs}", body, [x, slot, cache, weight, *sizes], grid, tiling.shared_bytes
        )

    function = prim_func("cache_source", emit)
    return Kernel(function, (Packed(tiling.packed_shape, STORED[kernels.dtype]),), Packing(tiling))


def _head(operation: str, choices: tuple[int, ...]) -> Callable[[CudaKernels, Call], Kernel]:
    """Return what makes a head that gives tokens and log-probabilities, each [R, *choices]."""

    def make(kernels: CudaKernels, call: Call) -> Kernel:
        vocabulary, inner = call.weights[-1]
        epsilon, scale = call.constants
        tiling = kernels.tiling(inner, vocabulary, normed=True, kept=vocabulary)

        def emit() -> None:
            rows = size()
            x, gain = _float("x", (rows, inner)), _float("gain", (inner,))
            weight = kernels.narrow("weight", tiling.packed_shape)
            token, logprob = _int("token", (rows, *choices)), _float("logprob", (rows, *choices))
            constants = [Scalar("epsilon", epsilon, "float32"), Scalar("scale", scale, "float32")]
            arguments: Arguments = [x, gain, weight, token, logprob, Scalar("rows", rows), *constants]
            parameters = ", ".join([tiling.plan(C_TYPES[kernels.dtype]), *map(str, choices)])
            grid = Grid(up(rows, tiling.tile.rows), 1, tiling.shared_bytes)
            name = f"{operation}_{inner}_{vocabulary}"
            kernels.emit(name, f"{operation}<{parameters}>", arguments, grid, tiling.shared_bytes)

        function = prim_func(operation, emit)
        packed = (Packed((inner,), "float32"), Packed(tiling.packed_shape, STORED[kernels.dtype]))
        return Kernel(function, packed, Packing(tiling, gained=True))

    return make


def _embed(kernels: CudaKernels, call: Call) -> Kernel:
    vocabulary, width = call.weights[0]

    def emit() -> None:
        rows = size()
        ids, table, y = _int("ids", (rows,)), _float("table", (vocabulary, width)), _float("y", (rows, width))
        arguments: Arguments = [ids, table, y, Scalar("rows", rows)]
        kernels.emit(f"embed_{width}", f"embed<float, {width}>", arguments, Grid(up(rows, _WARPS)))

    return Kernel(prim_func("embed", emit), (Packed((vocabulary, width), "float32"),), Packing())


def _rms_norm(kernels: CudaKernels, call: Call) -> Kernel:
    (width,) = call.weights[0]
    (epsilon,) = call.constants

    def emit() -> None:
        rows = size()
        x, gain, y = _float("x", (rows, width)), _float("gain", (width,)), kernels.narrow("y", (rows, width))
        arguments: Arguments = [x, gain, y, Scalar("rows", rows), Scalar("epsilon", epsilon, "float32")]
        body = f"rms_norm<{C_TYPES[kernels.dtype]}, {width}>"
        kernels.emit(f"rms_norm_{width}", body, arguments, Grid(up(rows, _WARPS)))

    return Kernel(prim_func("rms_norm", emit), (Packed((width,), "float32"),), Packing())


def _encoder_attention(kernels: CudaKernels, call: Call) -> Kernel:
    heads, span = call.weights[0]
    width, reach = _head_width(int(call.shapes[0][2]) // 3, heads), (span + 1) // 2
    size_of = 4 if kernels.dtype == "float32" else 2
    each = (width + 8) * size_of + _WARPS * 4 * 4
    largest = reach * each

    def emit() -> None:
        words, length = size(), size()
        qkv, lengths = kernels.narrow("qkv", (words, length, 3 * heads * width)), _int("lengths", (words,))
        bias, y = _float("bias", (heads, span)), kernels.narrow("y", (words, length, heads * width))
        # What goes beyond the usual must be asked for once, for the largest launch.
        shared = length * each if largest <= _EASY_SHARED else T.int64(largest)
        body = f"encoder_attention<{C_TYPES[kernels.dtype]}, {heads}, {width}, {reach}>"
        arguments: Arguments = [qkv, lengths, bias, y, Scalar("length", length)]
        kernels.emit(f"encoder_attention_{heads}_{width}", body, arguments, Grid(words * heads, 1, shared), largest)

    return Kernel(prim_func("encoder_attention", emit), (Packed((heads, span), "float32"),), Packing())


def _self_attention(kernels: CudaKernels, call: Call) -> Kernel:
    heads, longest = call.weights[0]
    width = _head_width(int(call.shapes[-1][4]) * heads, heads)

    def emit() -> None:
        rows, slots, reach = size(), size(), size()
        qkv, slot, position = (
            kernels.narrow("qkv", (rows, 3 * heads * width)),
            _int("slot", (rows,)),
            _int("position", (rows,)),
        )
        cache, bias = kernels.narrow("cache", (2, slots, reach, heads, width)), _float("bias", (heads, longest))
        y = kernels.narrow("y", (rows, heads * width))
        sizes = [Scalar("rows", rows), Scalar("slots", slots), Scalar("reach", reach)]
        body = f"self_attention<{C_TYPES[kernels.dtype]}, {heads}, {width}, {longest}>"
        arguments: Arguments = [qkv, slot, position, cache, bias, y, *sizes]
        kernels.emit(f"self_attention_{heads}_{width}", body, arguments, Grid(up(rows * heads, _WARPS)))

    return Kernel(prim_func("self_attention", emit), (Packed((heads, longest), "float32"),), Packing())


def _cross_attention(kernels: CudaKernels, call: Call) -> Kernel:
    heads, depth = (int(extent) for extent in call.shapes[-1][3:])
    width = _head_width(depth * heads, heads)
    longest = kernels.limits.source_bytes

    def emit() -> None:
        rows, slots, reach = size(), size(), size()
        q, slot, lengths = kernels.narrow("q", (rows, heads * width)), _int("slot", (rows,)), _int("lengths", (rows,))
        cache = kernels.narrow("cache", (2, slots, reach, heads, width))
        y = kernels.narrow("y", (rows, heads * width))
        sizes = [Scalar("rows", rows), Scalar("slots", slots), Scalar("reach", reach)]
        body = f"cross_attention<{C_TYPES[kernels.dtype]}, {heads}, {width}, {longest}>"
        kernels.emit(
            f"cross_attention_{heads}_{width}",
            body,
            [q, slot, lengths, cache, y, *sizes],
            Grid(up(rows * heads, _WARPS)),
        )

    return Kernel(prim_func("cross_attention", emit))


def _fork(kernels: CudaKernels, call: Call) -> Kernel:
    heads, depth = (int(extent) for extent in call.shapes[-1][3:])
    width = _head_width(depth * heads, heads)

    def emit() -> None:
        forks, slots, reach = size(), size(), size()
        origin, target, count = (_int(name, (forks,)) for name in ("origin", "target", "count"))
        cache = kernels.narrow("cache", (2, slots, reach, heads, width))
        arguments: Arguments = [origin, target, count, cache, Scalar("slots", slots), Scalar("reach", reach)]
        body = f"fork<{C_TYPES[kernels.dtype]}, {heads * width}>"
        kernels.emit(f"fork_{heads * width}", body, arguments, Grid(forks, 2))

    return Kernel(prim_func("fork", emit))


def _head_width(total: int, heads: int) -> int:
    width = total // heads
    if width not in _LANES:
        raise ModelError(f"heads of {width} values have no kernel for CUDA: they must have one of {_LANES}")
    return width


# Only the cacheless check, which is for CPUs, calls `linear`.
_MAKERS: dict[str, Callable[[CudaKernels, Call], Kernel]] = {
    "embed": _embed,
    "rms_norm": _rms_norm,
    "linear_residual": _linear_residual,
    "norm_linear": _norm_product("norm_linear", 1),
    "norm_gated_gelu": _norm_product("norm_gated_gelu", 2),
    "norm_relu": _norm_product("norm_relu", 1),
    "encoder_attention": _encoder_attention,
    "cache_source": _cache_source,
    "self_attention": _self_attention,
    "cross_attention": _cross_attention,
    "greedy_head": _head("greedy_head", ()),
    "variants_head": _head("variants_head", (CHOICES,)),
    "fork": _fork,
}


def decoder_row_functions(kernels: CudaKernels) -> dict[str, tirx.PrimFunc]:
    """Return what keeps words in rows of the decoder, by name: `clear`, `assign_rows` and `advance` of `rows.cuh`."""

    def decoder() -> tuple[Expr, Arguments]:
        rows = size()
        step = [_int(name, (rows,)) for name in ("token", "position", "slot", "length")]
        return rows, [*step, _int("status", (STATUS_FIELDS, rows))]

    def scratch() -> Scalar:
        return Scalar("scratch", T.arg("scratch", T.int32()), "int32")

    def clear() -> None:
        rows, own = decoder()
        kernels.emit("clear", "clear", [*own, Scalar("rows", rows), scratch()], Grid(up(rows, THREADS)))

    def assign_rows() -> None:
        words = size()
        assignments = _int("assignments", (2, words))
        rows, own = decoder()
        sizes = [Scalar("words", words), Scalar("rows", rows)]
        kernels.emit("assign_rows", "assign_rows", [assignments, *own, *sizes], Grid(up(words, THREADS)))

    def advance() -> None:
        stepped, reach = size(), size()
        chosen, gain = _int("chosen", (stepped,)), _float("gain", (stepped,))
        rows, own = decoder()
        outputs = pointer("outputs", (rows, reach), "uint16", "uint16_t")
        sizes = [Scalar("stepped", stepped), Scalar("rows", rows), Scalar("reach", reach), scratch()]
        kernels.emit("advance", "advance", [chosen, gain, *own, outputs, *sizes], Grid(up(stepped, THREADS)))

    return {emit.__name__: prim_func(emit.__name__, emit) for emit in (clear, assign_rows, advance)}


STATUS_FIELDS = 3
