"""Every kernel, for every CPU family that this machine can run, against its definition in double precision."""

import pytest
import torch

from g2p_compile.export import ops
from g2p_compile.kernels import KERNELS, WEIGHTS
from tests.helpers.cpu_kernels import (
    ARGUMENTS,
    CACHES,
    NAN,
    RUNNABLE,
    Arguments,
    Compiled,
    Widths,
    compiled,
    encoder_arguments,
    tensors_of,
)

ROWS = (1, 8, 129)
"""One row, a whole tile, and more than any group of tiles with a part of one."""
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


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest) -> Compiled:
    family, widths = CASES[request.param]
    return compiled(family, WIDTHS[widths])


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
    if name == "fork":
        for target, count in zip(arguments[1].tolist(), arguments[2].tolist(), strict=True):
            cells[:, target, :count] = True
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
    return arguments[{"cache_source": 2, "self_attention": 2, "cross_attention": 1, "fork": 1}[name]]


def test_encoder_attention_does_not_see_how_far_a_word_is_padded(case: Compiled) -> None:
    torch.manual_seed(3)
    qkv, bias, lengths = encoder_arguments(case.widths, 9)
    lengths = lengths.clamp(max=20)
    (short,) = case.run("encoder_attention", (qkv[:, :20].contiguous(), bias, lengths))
    poisoned = torch.where((torch.arange(qkv.shape[1]) < lengths[:, None])[..., None], qkv, NAN)
    (long,) = case.run("encoder_attention", (poisoned, bias, lengths))
    assert torch.equal(long[:, :20], short)
    assert not long[:, 20:].any()


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
