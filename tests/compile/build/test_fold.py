"""First projections as tables: which products they replace, and that they hold what those give."""

from typing import Any

import numpy as np
import pytest
import torch
from tvm import relax

from g2p_batch.model.shipped import BUNDLED
from g2p_compile.build.fold import fold
from g2p_compile.program import WEIGHT_NAMES, Program, load_program


@pytest.fixture(scope="module")
def program() -> Program:
    return load_program(BUNDLED)


def calls(function: relax.Function) -> list[str]:
    found: list[str] = []

    def visit(expression: Any) -> None:
        if getattr(getattr(expression, "op", None), "name", "") == "relax.call_dps_packed":
            found.append(str(expression.args[0].global_symbol))

    relax.analysis.post_order_visit(function.body, visit)
    return found


@pytest.mark.parametrize("stage", ["encoder", "step"])
def test_one_product_of_a_stack_becomes_a_second_embedding(stage: str, program: Program) -> None:
    before, after = calls(program.module[stage]), calls(fold(program).module[stage])
    assert before.count("g2p.norm_linear") - after.count("g2p.norm_linear") == 1
    assert after.count("g2p.embed") - before.count("g2p.embed") == 1
    assert len(before) == len(after)


def test_the_cacheless_check_keeps_its_products(program: Program) -> None:
    assert calls(fold(program).module["cacheless"]) == calls(program.module["cacheless"])


def test_the_tables_hold_the_products_of_every_token(program: Program) -> None:
    folded = fold(program)
    tables = [str(n) for n in folded.module["encoder"].attrs[WEIGHT_NAMES] if str(n) not in program.weights]
    assert tables == ["encoder.layers.0.attention.qkv of encoder.embedding"]
    rows, gain, weight = (
        torch.from_numpy(program.weights[f"encoder.{name}"])
        for name in ("embedding", "layers.0.attention.norm", "layers.0.attention.qkv")
    )
    wanted = torch.ops.g2p.norm_linear(rows, gain, weight, program.contract.geometry.norm_epsilon).numpy()
    np.testing.assert_allclose(folded.weights[tables[0]], wanted, rtol=1e-4, atol=1e-5)


def test_folding_leaves_the_program_as_it_was(program: Program) -> None:
    names = set(program.weights)
    fold(program)
    assert set(program.weights) == names
