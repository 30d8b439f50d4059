"""A module that is bound: its steps take the caches as they are, and no memory beside them."""

import re
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

import pytest
import tvm
from tvm import relax

from g2p_compile.build.bind import Bound, bind
from g2p_compile.build.passes import passes_to_executable
from g2p_compile.kernels import MACHINES, CpuKernels, Limits
from g2p_compile.program import load_program
from tests.helpers.elf import elf_machine
from tests.helpers.tiny_models import TINY_SHAPES


def step_instructions(executable: Any, name: str) -> list[tuple[str, list[str], str]]:
    """Return the calls of a function of the virtual machine: what is called, its arguments, the register it sets."""
    lines = re.split(r"^@(\w+):$", executable.as_text(), flags=re.MULTILINE)
    body = dict(zip(lines[1::2], lines[2::2], strict=True))[name]
    found = re.findall(r"^\s+call\s+(\S+)\s+in:(.*?)dst:\s*(\S+)\s*$", body, flags=re.MULTILINE)
    return [(called, [a.strip() for a in arguments.split(",")], result) for called, arguments, result in found]


NEON = MACHINES["neon"]
"""What the stages do around the kernels is the same for all families."""


HARMLESS = {"vm.builtin.check_tensor_info", "vm.builtin.match_shape", "vm.builtin.make_tuple"}
"""What the virtual machine may do with a cache."""
SHAPES = {"vm.builtin.alloc_shape_heap", "vm.builtin.null_value"}
"""What it may do beside that where nothing is computed."""


@pytest.fixture(scope="module")
def bound(tiny_program: Path) -> Bound:
    longest = TINY_SHAPES.longest
    kernels = CpuKernels(NEON, Limits(longest.source_bytes, longest.target_bytes))
    return bind(load_program(tiny_program), kernels, TINY_SHAPES)


@pytest.fixture(scope="module")
def executable(bound: Bound) -> Any:
    # Instructions of the virtual machine do not depend on how well LLVM optimises the kernels.
    target = tvm.target.Target({"kind": "llvm", "opt-level": 0, **NEON.target})
    return tvm.compile(bound.module, target=target, relax_pipeline=tvm.transform.Sequential(passes_to_executable()))


FIRST_CACHE = {"step": 4, "extend": 5}
"""Parameters are registers: token, position, slot, lengths, if need be the slots of sources, then the caches."""


@pytest.mark.parametrize("stage", FIRST_CACHE)
@pytest.mark.parametrize("bucket", range(len(TINY_SHAPES.buckets)))
def test_a_compiled_step_hands_its_caches_straight_to_the_kernels(bucket: int, stage: str, executable: Any) -> None:
    calls = step_instructions(executable, f"{stage}_{bucket}")
    caches = [f"%{FIRST_CACHE[stage] + i}" for i in range(4)]
    past, source = caches[:2], caches[2:]
    assert [arguments[3] for called, arguments, _ in calls if called == "self_attention"] == past
    assert [arguments[3] for called, arguments, _ in calls if called == "cross_attention"] == source
    kernels = {called for called, arguments, _ in calls if set(arguments) & set(caches)}
    assert {name for name in kernels if not name.startswith("vm.builtin.")} == {"self_attention", "cross_attention"}
    assert {name for name in kernels if name.startswith("vm.builtin.")} <= HARMLESS
    assert not [called for called, _, result in calls if result in caches]


@pytest.mark.parametrize("bucket", range(len(TINY_SHAPES.buckets)))
def test_a_compiled_fork_hands_its_caches_straight_to_the_kernel(bucket: int, executable: Any) -> None:
    calls = step_instructions(executable, f"fork_{bucket}")
    assert [arguments[:4] for called, arguments, _ in calls if called == "fork"] == [
        ["%0", "%1", "%2", "%3"],
        ["%0", "%1", "%2", "%4"],
    ]
    assert {called for called, _, _ in calls if called.startswith("vm.builtin.")} <= {*HARMLESS, *SHAPES}


@pytest.mark.parametrize("stage", FIRST_CACHE)
def test_no_allocation_of_a_step_is_as_large_as_a_cache(stage: str, bound: Bound) -> None:
    with tvm.target.Target({"kind": "llvm", **NEON.target}):
        lowered = tvm.transform.Sequential(passes_to_executable())(bound.module)
    for index, bucket in enumerate(TINY_SHAPES.buckets):
        sizes = list(storage_sizes(lowered[f"{stage}_{index}"]))
        cache = 2 * bucket.slots * prod((4, 12, 16)) * 4
        # The two results, tokens and log-probabilities, are as long as the rows given and belong to the caller.
        assert sizes.count(None) == 2
        assert 0 < max(size for size in sizes if size) < cache


def storage_sizes(function: relax.Function) -> Iterator[int | None]:
    """Yield the bytes of every storage that a function allocates; None where only a call tells."""
    found: list[Any] = []

    def visit(expression: relax.Expr) -> None:
        if isinstance(expression, relax.Call) and getattr(expression.op, "name", "") == "relax.vm.alloc_storage":
            found.append(expression.args[0])

    relax.analysis.post_order_visit(function.body, visit)
    for size in found:
        yield int(size.values[0]) if isinstance(size, relax.ShapeExpr) else None


def test_compiling_for_neon_makes_aarch64_code(executable: Any, tmp_path: Path) -> None:
    (code,) = (imported for imported in executable.mod.imports if imported.kind == "llvm")
    code.write_to_file(str(tmp_path / "model.o"), "o")
    assert elf_machine(tmp_path / "model.o") == 183
