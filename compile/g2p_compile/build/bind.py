"""Program -> bound module: every operation becomes a call of a kernel, every stage a function per bucket."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import tvm
from tvm import relax, tirx
from tvm.relax.expr_functor import PyExprMutator, mutator

from g2p_batch.errors import ModelError
from g2p_batch.model.contract import CacheCells, LengthBucket, Shapes
from g2p_compile.build.fold import fold
from g2p_compile.build.search import with_search
from g2p_compile.kernels import PACKED_AS, WEIGHTS, Call, Kernel, Kernels
from g2p_compile.kernels.kernel import Array
from g2p_compile.program import PREFIX, WEIGHT_NAMES, Program

_STAGES = ("encoder", "prefill", "step", "extend", "fork")
"""What every bucket has a function of."""
HIDDEN_RANK, CACHE_RANK = 3, 5
"""Dimensions of encoder outputs and of a cache; no other parameter has as many."""


@dataclass(frozen=True)
class Origin:
    """What a packed weight was made of: which result it is of how weights of the program are packed."""

    pack: Callable[..., tuple[Array, ...]]
    weights: tuple[str, ...]
    part: int


@dataclass
class Bound:
    """A module of kernels and stage functions, with the packed weights that the functions take."""

    module: tvm.IRModule
    tensors: dict[str, Array] = field(default_factory=dict)
    functions: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Names of the weights of each function, in the order of its last parameters."""
    origins: dict[str, Origin] = field(default_factory=dict)
    """Of those tensors that are not weights of the program as they are."""


def bind(program: Program, kernels: Kernels, shapes: Shapes) -> Bound:
    """Choose a kernel for every operation of a program and make its functions for every bucket."""
    if kernels.folds:
        program = fold(program)
    binder = _Binder(with_search(program), kernels)
    for index, bucket in enumerate(shapes.buckets):
        for stage in _STAGES:
            words = bucket.chunk if stage in ("encoder", "prefill") else bucket.batch
            binder.add(stage, f"{stage}_{index}", _bounds(stage, bucket, shapes.rung(words)))
    if kernels.cacheless:
        binder.add("cacheless", "cacheless", _bounds("cacheless", shapes.longest, cacheless_words(shapes)))
    return Bound(binder.builder.get(), binder.tensors, binder.functions, binder.origins)


def cacheless_words(shapes: Shapes) -> int:
    """Return how many words at a time the cacheless check takes: no more than are encoded together, and at most 16."""
    return min(shapes.longest.chunk, 16)


def _bounds(stage: str, bucket: LengthBucket, batch: int) -> list[tuple[int, int, int]]:
    """Return the largest symbolic sizes as (parameter, dimension, size); memory is planned for them."""
    source, target = bucket.source_bytes, bucket.target_bytes
    return {
        "encoder": [(0, 0, batch), (0, 1, source)],
        "prefill": [(0, 0, batch), (0, 1, source)],
        "step": [(0, 0, batch)],
        "extend": [(0, 0, bucket.search_rows)],
        "fork": [],
        "cacheless": [(0, 0, batch), (0, 1, target), (1, 1, source)],
    }[stage]


class _Binder:
    def __init__(self, program: Program, kernels: Kernels) -> None:
        self.program, self.kernels = program, kernels
        self.builder = relax.BlockBuilder()
        self.tensors: dict[str, Array] = {}
        self.functions: dict[str, tuple[str, ...]] = {}
        self.origins: dict[str, Origin] = {}
        self._kernels: dict[tuple[Any, ...], tuple[Kernel, tvm.ir.GlobalVar]] = {}

    def add(self, stage: str, name: str, bounds: list[tuple[int, int, int]]) -> None:
        """Add one function of a stage, its memory bounded by the largest sizes given."""
        function = relax.utils.copy_with_new_vars(self.program.module[stage])
        count = int(function.attrs["num_input"])
        stored = [str(n) for n in function.attrs[WEIGHT_NAMES]]
        inputs = [self._stored(p) for p in function.params[:count]]
        rewriter = _Rewriter(self, dict(zip(function.params[count:], stored, strict=True)))
        for old, new in zip(function.params, inputs, strict=False):
            rewriter.set_var_remap(old, new)
        body = rewriter.visit_expr(function.body)
        plain = {p for p in relax.analysis.free_vars(body) if p in rewriter.names}
        packed = rewriter.packed | {rewriter.names[p]: p for p in function.params[count:] if p in plain}
        for weight in packed:
            if weight in stored:
                self.tensors[weight] = self.program.weights[weight]
        self.functions[name] = tuple(packed)
        limits = {str(function.params[p].ty.shape[d]): size for p, d, size in bounds}
        inputs += rewriter.outputs
        bound = relax.Function([*inputs, *packed.values()], body, None, function.is_pure)
        attributes = {"global_symbol": name, "num_input": len(inputs), "tir_var_upper_bound": limits}
        self.builder.add_func(bound.with_attrs(attributes), name)

    def _stored(self, parameter: relax.Var) -> relax.Var:
        """Return a parameter in the form in which it is kept: caches, [2, N, C, H, D], are in cells."""
        if not isinstance(parameter.ty, relax.TensorType) or parameter.ty.ndim not in (HIDDEN_RANK, CACHE_RANK):
            return parameter
        *outer, width = parameter.ty.shape
        cells = CacheCells(self.kernels.hidden, int(width))
        if parameter.ty.ndim == CACHE_RANK:
            cells = self.kernels.cells(int(width))
        return relax.Var(parameter.name, relax.TensorType([*outer, cells.width], cells.dtype))

    def kernel(self, operation: str, call: Call) -> tuple[Kernel, tvm.ir.GlobalVar]:
        """Return the kernel for a call, built once for all that look the same."""
        static = tuple(tuple(d if isinstance(d, int) else None for d in shape) for shape in call.shapes)
        key = (operation, static, call.weights, call.constants)
        if key not in self._kernels:
            kernel = self.kernels.make(operation, call)
            self._kernels[key] = kernel, self.builder.add_func(kernel.function, operation)
        return self._kernels[key]


@mutator
class _Rewriter(PyExprMutator):
    """Replaces the operations of one function.

    `packed` collects the packed weights, by name, that it then takes, `outputs` parameters that it writes results to.
    """

    def __init__(self, binder: _Binder, names: dict[relax.Var, str]) -> None:
        super().__init__()
        self.binder = binder
        self.names = names
        self.packed: dict[str, relax.Var] = {}
        self.outputs: list[relax.Var] = []

    def visit_call_(self, call: relax.Call) -> relax.Expr:
        called = _called(call)
        if called is None:
            call = super().visit_call_(call)
            # A view that a function returns is made by copying, and by the host. Who gave the memory knows its shape.
            return call.args[0] if self.outputs and self._is_output(call.args[0]) else call
        operation, original, results, written = called
        arguments = [self.visit_expr(a) for a in original]
        tensors = [a for a in arguments if isinstance(a.ty, relax.TensorType)]
        weights = [tensors[i] for i in WEIGHTS[operation]]
        data = [t for i, t in enumerate(tensors) if i not in WEIGHTS[operation]]
        kernel, function = self.binder.kernel(
            operation,
            Call(
                shapes=tuple(_shape(t) for t in original if isinstance(t.ty, relax.TensorType)),
                weights=tuple(_shape(w) for w in weights),
                constants=tuple(float(a.value) for a in arguments if not isinstance(a.ty, relax.TensorType)),
            ),
        )
        results = [self._kept(operation, result) for result in results]
        if weights:
            data += self._packed(operation, kernel, [self.names[w] for w in weights])
        if operation == "rms_norm" and self.binder.kernels.places_hidden:
            self.outputs.append(relax.Var("hidden", results[0]))
            return relax.op.call_tir_inplace(function, [*data, *self.outputs], [len(data)], results[0])
        if written is None:
            return relax.op.call_tir(function, data, results)
        # Weights come before the cache among an operation's arguments, behind its data among a kernel's.
        argument = next(i for i, t in enumerate(data) if t.same_as(tensors[written]))
        results = [*results[:-1], data[argument].ty]
        return relax.op.call_tir_inplace(function, data, [-1] * (len(results) - 1) + [argument], results)

    def _is_output(self, value: relax.Expr) -> bool:
        """Tell whether a value is a result that was written to an output."""
        if not isinstance(value, relax.Var):
            return False
        made = self.lookup_binding(value)
        return isinstance(made, relax.Call) and made.args[1].fields[-1].same_as(self.outputs[-1])

    def _kept(self, operation: str, result: relax.TensorType) -> relax.TensorType:
        """Return the type of a result in the number format that its kernel gives."""
        integer = not str(result.dtype).startswith("float")
        return result if integer else relax.TensorType(result.shape, self.binder.kernels.result(operation))

    def _packed(self, operation: str, kernel: Kernel, names: list[str]) -> list[relax.Var]:
        """Return the parameters for packed weights, and pack those when they are first met."""
        whole = f"{PACKED_AS.get(operation, operation)}({', '.join(names)})"
        parts = [f"{whole}[{i}]" for i in range(len(kernel.packed))]
        if parts[0] not in self.binder.tensors:
            arrays = kernel.pack(*(self.binder.program.weights[n] for n in names))
            self.binder.tensors.update(zip(parts, arrays, strict=True))
            for index, part in enumerate(parts):
                self.binder.origins[part] = Origin(kernel.pack, tuple(names), index)
        for part, packed in zip(parts, kernel.packed, strict=True):
            if part not in self.packed:
                self.packed[part] = relax.Var(f"w{len(self.packed)}", relax.TensorType(packed.shape, packed.dtype))
        return [self.packed[part] for part in parts]


def _called(call: relax.Call) -> tuple[str, list[Any], list[Any], int | None] | None:
    """Take a call of an operation apart: its name, arguments, result types, and the argument that it writes into."""
    op = getattr(call.op, "name", "")
    if op == "relax.call_dps_packed":
        (result,) = call.ty_args
        results = list(result.fields) if isinstance(result, relax.TupleType) else [result]
        return _operation(call.args[0]), list(call.args[1]), results, None
    if op == "relax.call_inplace_packed":
        return _operation(call.args[0]), list(call.args[1:]), list(call.ty_args), int(call.attrs.inplace_indices[-1])
    return None


def _operation(function: relax.ExternFunc) -> str:
    name = str(function.global_symbol).removeprefix(PREFIX)
    if name not in WEIGHTS:
        raise ModelError(f"the program calls an operation {name!r} that this version does not know: export it again")
    return name


def _shape(tensor: relax.Expr) -> tuple[Any, ...]:
    return tuple(_dimensions(tensor))


def _dimensions(tensor: relax.Expr) -> Iterator[Any]:
    for extent in tensor.ty.shape:
        yield int(extent) if isinstance(extent, (int, tirx.IntImm)) else extent
