"""What searches ask for, derived from a program: the step with other ends, and copies between slots."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tvm import relax

from g2p_compile.build.bind import bind
from g2p_compile.build.search import with_search
from g2p_compile.kernels import MACHINES, CpuKernels, Kernels, Limits
from g2p_compile.kernels.cuda import CudaKernels, gpu
from g2p_compile.program import CHOICES, Program, load_program, operation_of
from tests.helpers.tiny_models import TINY_SHAPES

LIMITS = Limits(TINY_SHAPES.longest.source_bytes, TINY_SHAPES.longest.target_bytes)


@pytest.fixture(scope="module")
def program(tiny_program: Path) -> Program:
    return with_search(load_program(tiny_program))


def calls(function: relax.Function) -> Iterator[tuple[str, list[Any]]]:
    """Yield every operation that a function calls, with its arguments."""
    for block in function.body.blocks:
        for binding in block.bindings:
            if name := operation_of(binding.value):
                inside = binding.value.op.name == "relax.call_inplace_packed"
                yield name, list(binding.value.args[1:] if inside else binding.value.args[1])


def parameters(function: relax.Function) -> list[str]:
    return [p.name for p in function.params[: int(function.attrs["num_input"])]]


def test_extend_is_the_step_with_a_source_and_another_head(program: Program) -> None:
    step, extend = program.module["step"], program.module["extend"]
    own, further = [name for name, _ in calls(step)], [name for name, _ in calls(extend)]
    assert further == [*own[:-1], "variants_head"]
    assert own[-1] == "greedy_head"
    names = parameters(step)
    assert parameters(extend) == [*names[:4], "source", *names[4:]]
    slots = [
        (name, arguments[2 if name == "self_attention" else 1].name)
        for name, arguments in calls(extend)
        if name.endswith("attention")
    ]
    assert slots == [("self_attention", "slot"), ("cross_attention", "source")] * 2
    slots = {p.name: p.ty.shape[1] for p in extend.params if p.name.startswith(("past_", "source_"))}
    assert slots["past_0"].same_as(slots["past_1"])
    assert slots["source_0"].same_as(slots["source_1"])
    assert not slots["past_0"].same_as(slots["source_0"]), "what is said has slots of its own"
    rows = extend.params[0].ty.shape[0]
    results = [(list(field.shape), str(field.dtype)) for field in extend.ret_ty.fields]
    assert results == [([rows, CHOICES], "int32"), ([rows, CHOICES], "float32")]


def test_fork_copies_within_every_cache_that_a_step_writes(program: Program) -> None:
    fork = program.module["fork"]
    assert parameters(fork) == ["origin", "target", "count", "past_0", "past_1"]
    copies = [(name, [a.name for a in arguments]) for name, arguments in calls(fork)]
    assert copies == [("fork", ["origin", "target", "count", cache]) for cache in ("past_0", "past_1")]


def test_the_program_keeps_its_own_functions(tiny_program: Path) -> None:
    program = load_program(tiny_program)
    before = dict(program.module.functions_items())
    further = dict(with_search(program).module.functions_items())
    assert dict(program.module.functions_items()) == before
    assert {v.name_hint for v in further} - {v.name_hint for v in before} == {"extend", "fork"}
    assert all(further[variable].same_as(function) for variable, function in before.items())


STAGES = ["encoder", "prefill", "step", "extend", "fork"]
FAMILIES: dict[str, tuple[Kernels, list[str]]] = {
    "cpu": (CpuKernels(MACHINES["avx2"], LIMITS), ["cacheless"]),
    "cuda": (CudaKernels(gpu(("sm_90",)), LIMITS, "bfloat16"), []),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_every_bucket_can_be_searched_and_no_weight_is_there_twice(family: str, tiny_program: Path) -> None:
    kernels, further = FAMILIES[family]
    functions = bind(load_program(tiny_program), kernels, TINY_SHAPES).functions
    assert list(functions) == [f"{stage}_{i}" for i in range(2) for stage in STAGES] + further
    for i in range(2):
        assert functions[f"extend_{i}"] == functions[f"step_{i}"]
        assert functions[f"fork_{i}"] == ()
