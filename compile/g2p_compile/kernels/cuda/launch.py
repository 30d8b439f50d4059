"""Device code and its launch: one `__global__` function, and the PrimFunc that starts it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tvm import tirx
from tvm.tirx.script import builder as T

from g2p_batch.model.contract import DType, Stored
from g2p_compile.kernels.vector import Expr, buffer, kernel

THREADS = 128
"""Of every block of every kernel."""

# The number format of tensors by that of an artifact: TVM sees bits where it has no arithmetic to do.
STORED: dict[DType, Stored] = {"float32": "float32", "bfloat16": "uint16", "float16": "uint16"}
C_TYPES: dict[DType, str] = {"float32": "float", "bfloat16": "bfloat16", "float16": "float16"}
_SCALARS = {"int64": "int64_t", "float32": "float", "int32": "int"}


@dataclass(frozen=True)
class DeviceCode:
    """A `__global__` function as it is compiled, and the types of its parameters as TVM names them."""

    name: str
    source: str
    types: tuple[str, ...]


@dataclass(frozen=True)
class Scalar:
    """An argument that is no tensor."""

    name: str
    value: Expr
    dtype: str = "int64"


@dataclass(frozen=True)
class Grid:
    """Blocks in two dimensions, and shared memory of each in bytes."""

    x: Expr
    y: Expr = 1
    shared: Expr = 0


@dataclass(frozen=True)
class Pointer:
    """A tensor argument: its buffer and its type in C++."""

    name: str
    buffer: Any
    c_type: str


def device_code(name: str, body: str, arguments: Sequence[Pointer | Scalar]) -> DeviceCode:
    """Write the function `name` that passes its arguments on to `body`, a template of a `.cuh` file, filled in."""
    parameters = ", ".join(
        f"{a.c_type}* {a.name}" if isinstance(a, Pointer) else f"{_SCALARS[a.dtype]} {a.name}" for a in arguments
    )
    names = ", ".join(a.name for a in arguments)
    types = tuple("handle" if isinstance(a, Pointer) else a.dtype for a in arguments)
    return DeviceCode(name, f"KERNEL {name}({parameters}) {{ {body}({names}); }}\n", types)


def launch(code: DeviceCode, arguments: Sequence[Pointer | Scalar], grid: Grid) -> None:
    """Emit the start of a kernel into the open PrimFunc."""
    values = [a.buffer.data if isinstance(a, Pointer) else _typed(a) for a in arguments]
    blocks = [_whole(extent) for extent in (grid.x, grid.y, THREADS, grid.shared)]
    T.evaluate(T.call_packed(code.name, *values, *blocks))


def prim_func(name: str, emit: Callable[[], None]) -> tirx.PrimFunc:
    """Return a PrimFunc that `emit` declares the parameters of and fills."""
    with kernel(name) as built:
        emit()
    return built.get()


def pointer(name: str, shape: tuple[Expr, ...], stored: str, c_type: str) -> Pointer:
    """Declare the next parameter of the open PrimFunc, a tensor."""
    return Pointer(name, buffer(name, shape, stored), c_type)


def up(value: Expr, step: int) -> Expr:
    """Return `value / step`, rounded up."""
    return (value + (step - 1)) // step


def _typed(scalar: Scalar) -> Expr:
    return T.float32(scalar.value) if scalar.dtype == "float32" else _whole(scalar.value)


def _whole(value: Expr) -> Expr:
    return T.int64(value) if isinstance(value, int) else value
