"""What a search asks for beyond the stages of a program, derived from its `step`.

A search extends several beginnings of one word: a row of `extend` has a slot of its own for what was said, reads what
was encoded from the slot `source`, and gives several tokens. `fork` gives a beginning to a slot that goes on otherwise.
"""

from dataclasses import replace

import tvm
from tvm import relax, tirx
from tvm.relax.expr_functor import PyExprMutator, mutator

from g2p_batch.model.contract import CHOOSE
from g2p_compile.kernels.cpu.choosing import choose
from g2p_compile.program import CHOICES, PREFIX, WEIGHT_NAMES, Program, operation_of

_LENGTHS = 3
"""Which parameter of `step` is the last that all rows have one of: token, position, slot, lengths, then caches."""


def with_search(program: Program) -> Program:
    """Return a program with two more functions.

    `extend` is `step` with a further parameter, `source` [R] int32, before the caches, of which those of sources have
    as many slots as they like, and the results of `variants_head`. `fork` takes origin, target and count, [F] int32,
    and the caches that `step` writes.
    """
    functions = dict(program.module.functions_items())
    for name, derive in (("extend", _extend), ("fork", _fork)):
        step = relax.utils.copy_with_new_vars(program.module["step"])
        functions[tvm.ir.GlobalVar(name)] = derive(step).with_attr("global_symbol", name)
    return replace(program, module=tvm.IRModule(functions))


def with_choosing(module: tvm.IRModule) -> tvm.IRModule:
    """Return a module with the function `CHOOSE`, which the host calls between the steps of a search."""
    function = choose().with_attrs({"global_symbol": CHOOSE, "tirx.is_host_func": True})
    return tvm.IRModule({**dict(module.functions_items()), tvm.ir.GlobalVar(CHOOSE): function})


def _extend(step: relax.Function) -> relax.Function:
    count = int(step.attrs["num_input"])
    source = relax.Var("source", step.params[_LENGTHS].ty)
    extender, sources = _Extender(source), tirx.Var("sources", "int64")
    own = {cache: _with_slots(cache, sources) for cache in _caches_of(step, "cross_attention")}
    for cache, other in own.items():
        extender.set_var_remap(cache, other)
    body = extender.visit_expr(step.body)
    caches = [own.get(parameter, parameter) for parameter in step.params[_LENGTHS + 1 :]]
    parameters = [*step.params[: _LENGTHS + 1], source, *caches]
    return relax.Function(parameters, body, None, step.is_pure, step.attrs).with_attr("num_input", count + 1)


def _with_slots(cache: relax.Var, slots: tirx.Var) -> relax.Var:
    kinds, _, *cells = cache.ty.shape
    return relax.Var(cache.name, relax.TensorType([kinds, slots, *cells], cache.ty.dtype))


@mutator
class _Extender(PyExprMutator):
    """Has cross-attention read the slots `source`, and the head give several tokens."""

    def __init__(self, source: relax.Var) -> None:
        super().__init__()
        self.source = source

    def visit_call_(self, call: relax.Call) -> relax.Expr:
        call = super().visit_call_(call)
        operation = operation_of(call)
        if operation == "cross_attention":
            query, _, lengths, cache = call.args[1]
            return _call(operation, [query, self.source, lengths, cache], list(call.ty_args))
        if operation == "greedy_head":
            rows = call.args[1][0].ty.shape[0]
            results = [relax.TensorType([rows, CHOICES], dtype) for dtype in ("int32", "float32")]
            return _call("variants_head", list(call.args[1]), results)
        return call


def _call(operation: str, arguments: list[relax.Expr], results: list[relax.Type]) -> relax.Call:
    return relax.op.call_dps_packed(PREFIX + operation, arguments, results)


def _fork(step: relax.Function) -> relax.Function:
    past = _caches_of(step, "self_attention")
    forks = tirx.Var("forks", "int64")
    chosen = [relax.Var(name, relax.TensorType([forks], "int32")) for name in ("origin", "target", "count")]
    builder = relax.BlockBuilder()
    attributes = {"num_input": len(chosen) + len(past), WEIGHT_NAMES: []}
    with builder.function("fork", [*chosen, *past], attributes):
        with builder.dataflow():
            forked = []
            for cache in past:
                written = {"inplace_indices": [len(chosen)], "ty_args": [cache.ty]}
                forked.append(builder.emit(relax.op.call_inplace_packed(PREFIX + "fork", *chosen, cache, **written)))
            caches = builder.emit_output(relax.Tuple(forked))
        builder.emit_func_output(caches)
    return builder.get()["fork"]


def _caches_of(step: relax.Function, operation: str) -> list[relax.Var]:
    """Return the caches that calls of an operation take, each the last argument."""
    values = [b.value for block in step.body.blocks for b in block.bindings]
    calls = [value for value in values if operation_of(value) == operation]
    return [(call.args if call.op.name == "relax.call_inplace_packed" else call.args[1])[-1] for call in calls]
