"""What a program computes again and again from its weights alone, computed once.

The first projection of a stack sees nothing but an embedding, so its results are a table by token, and a look-up does
what was one of a stack's products. `bind` takes the folded program; the cacheless check keeps the products, and so
checks the tables too.
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import tvm
from tvm import relax
from tvm.relax.expr_functor import PyExprMutator, mutator

from g2p_compile.program import PREFIX, WEIGHT_NAMES, Program, operation_of

_STAGES = ("encoder", "step")


def fold(program: Program) -> Program:
    """Return a program that looks up its first projections, with their tables among the weights."""
    weights = dict(program.weights)
    functions = dict(program.module.functions_items())
    for variable, function in functions.items():
        if variable.name_hint in _STAGES:
            functions[variable] = _folded(function, weights)
    return replace(program, module=tvm.IRModule(functions), weights=weights)


def _folded(function: relax.Function, weights: dict[str, npt.NDArray[np.float32]]) -> relax.Function:
    count, stored = int(function.attrs["num_input"]), [str(name) for name in function.attrs[WEIGHT_NAMES]]
    folder = _ProjectionFolder(function, dict(zip(function.params[count:], stored, strict=True)), weights)
    body = folder.visit_expr(function.body)
    params = [*function.params, *folder.tables.values()]
    whole = relax.Function(params, body, function.ret_ty, function.is_pure, function.attrs)
    return whole.with_attr(WEIGHT_NAMES, [*stored, *folder.tables])


@mutator
class _ProjectionFolder(PyExprMutator):
    """Replaces norm_linear(embed(ids, table), gain, weight) by embed(ids, product); `tables` collects the products."""

    def __init__(
        self,
        function: relax.Function,
        names: dict[relax.Var, str],
        weights: dict[str, npt.NDArray[np.float32]],
    ) -> None:
        super().__init__()
        self.names, self.weights = names, weights
        self.tables: dict[str, relax.Var] = {}
        bindings = (b for block in function.body.blocks for b in block.bindings)
        self.embedded = {b.var: b.value for b in bindings if operation_of(b.value) == "embed"}

    def visit_call_(self, call: relax.Call) -> relax.Expr:
        if operation_of(call) != "norm_linear" or call.args[1][0] not in self.embedded:
            return super().visit_call_(call)
        x, gain, weight, epsilon = call.args[1]
        embed = self.embedded[x]
        ids, table = embed.args[1]
        gained, product = self.names[gain], self.names[weight]
        name = f"{product} of {self.names[table]}"
        rows = self.weights[self.names[table]].astype(np.float64)
        rows /= np.sqrt(np.square(rows).mean(axis=1, keepdims=True) + float(epsilon.value))
        self.weights[name] = ((rows * self.weights[gained]) @ self.weights[product].T).astype(np.float32)
        self.tables[name] = relax.Var(f"table{len(self.tables)}", relax.TensorType(self.weights[name].shape, "float32"))
        return relax.op.call_dps_packed(PREFIX + "embed", [ids, self.tables[name]], list(call.ty_args))
