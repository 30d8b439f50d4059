"""Heads: which tokens are chosen, in what order, with which log-probabilities, in every number format."""

import math
from typing import cast

import pytest
import torch

from g2p_batch.model.contract import DType
from g2p_compile.program import CHOICES
from tests.helpers.cpu_kernels import (
    ARGUMENTS,
    EPSILON,
    FORMATS,
    RUNNABLE,
    SCALE,
    VOCABULARY,
    Arguments,
    Compiled,
    Widths,
    compiled,
    weight,
)

WHOLE = Widths(64, 64, 2, VOCABULARY)
"""`norm_linear` of these widths makes logits: its weight is that of a head."""
CASES: dict[str, tuple[str, Widths, DType]] = {
    **{f"{family} {dtype}": (family, WHOLE, dtype) for family, dtype in FORMATS},
    f"{RUNNABLE[0]} parts of vectors": (RUNNABLE[0], Widths(30, 64, 2, 9), "float32"),
}
TOLERANCE = {"float32": 1e-5, "bfloat16": 1e-2, "int8": 1e-2}
"""Of numbers that the formats hold nearly exactly."""


@pytest.fixture(scope="module", params=CASES)
def name(request: pytest.FixtureRequest) -> str:
    return cast("str", request.param)


@pytest.fixture(scope="module")
def case(name: str) -> Compiled:
    return compiled(*CASES[name], ("greedy_head", "variants_head", "norm_linear"))


@pytest.fixture
def tolerance(name: str) -> float:
    return TOLERANCE[CASES[name][2]]


def bits(values: torch.Tensor) -> torch.Tensor:
    return values.contiguous().view(torch.int32)


def arguments_of(case: Compiled, rows: int) -> Arguments:
    torch.manual_seed(rows)
    return ARGUMENTS["variants_head"](case.widths, rows)


ROWS = (1, 7, 8, 9, 64, 129, 225)
"""About whole tiles and whole groups of tiles of all families."""


@pytest.mark.parametrize("rows", ROWS)
def test_the_first_choice_is_that_of_greedy_head_bit_by_bit(rows: int, case: Compiled) -> None:
    arguments = arguments_of(case, rows)
    choices = case.run("variants_head", arguments)
    for one, first in zip(case.run("greedy_head", arguments), choices, strict=True):
        assert torch.equal(bits(one), bits(first[:, 0]))


@pytest.mark.parametrize("rows", ROWS)
def test_choices_are_the_largest_logits_in_their_order(rows: int, case: Compiled) -> None:
    x, gain, head, epsilon, _ = arguments_of(case, rows)
    token, logprob = case.run("variants_head", (x, gain, head, epsilon, SCALE))
    (products,) = case.run("norm_linear", (x, gain, head, epsilon))
    logits = products * SCALE
    order = logits.sort(dim=-1, descending=True, stable=True).indices[:, :CHOICES]
    assert torch.equal(token, order.int())
    exact = logits.double().log_softmax(-1).gather(1, order)
    torch.testing.assert_close(logprob.double(), exact, rtol=1e-5, atol=1e-5)


def test_rows_are_bitwise_the_same_alone_and_among_others(case: Compiled) -> None:
    x, *rest = arguments_of(case, 129)
    together = case.run("variants_head", (x, *rest))
    for chosen in ([0], [128], [5, 3, 99], list(range(60, 67))):
        apart = case.run("variants_head", (x[chosen], *rest))
        assert all(torch.equal(bits(many[chosen]), bits(few)) for many, few in zip(together, apart, strict=True))


@pytest.mark.parametrize("ids", [[0, 1], [5, 6, 383], [15, 16], [47, 48, 95, 96], [383], list(range(384))])
def test_greedy_head_picks_the_lowest_id_among_equal_logits(ids: list[int], case: Compiled) -> None:
    width = case.widths.d_model
    torch.manual_seed(2)
    head = weight(VOCABULARY, width) / 10
    head[ids] = torch.ones(width)
    token, logprob = case.run("greedy_head", (torch.rand(3, width) + 1.0, torch.ones(width), head, EPSILON, SCALE))
    assert token.tolist() == [ids[0]] * 3
    assert (logprob <= -math.log(len(ids)) + 1e-6).all()


def test_greedy_head_stays_finite_where_logits_are_far_apart(case: Compiled) -> None:
    width = case.widths.d_model
    head = torch.full((VOCABULARY, width), -1e6)
    head[200] = 1e6
    token, logprob = case.run("greedy_head", (torch.ones(1, width), torch.ones(width), head, EPSILON, SCALE))
    assert token.tolist() == [200]
    assert logprob.abs().max() < 1e-6


TIES: dict[str, tuple[dict[int, float], list[int]]] = {
    "two": ({5: 1.0, 383: 1.0}, [5, 383, 0, 1, 2, 3, 4, 6]),
    "more than are chosen": (
        dict.fromkeys((16, 15, 47, 48, 95, 96, 200, 300, 383), 1.0),
        [15, 16, 47, 48, 95, 96, 200, 300],
    ),
    "all": ({}, list(range(CHOICES))),
    "the last that is chosen": (
        {380: 9.0, 10: 8.0, 9: 7.0, 8: 6.0, 7: 5.0, 100: 4.0, 101: 4.0, 16: 1.0, 0: 1.0, 32: 1.0, 383: 1.0},
        [380, 10, 9, 8, 7, 100, 101, 0],
    ),
    "one lane of every vector": (dict.fromkeys(range(3, VOCABULARY, 16), 2.0), [3 + 16 * i for i in range(CHOICES)]),
    "rising": ({300 + i: 1.0 + i for i in range(12)}, list(range(311, 303, -1))),
    "falling": ({300 + i: 12.0 - i for i in range(12)}, list(range(300, 308))),
    "few that are not below": (
        dict.fromkeys(range(VOCABULARY - 9), -1.0) | {379: -2.0},
        [375, 376, 377, 378, 380, 381, 382, 383],
    ),
}
"""Logits, 0 for all tokens that are not named, and what is chosen by them."""


def head_of(logits: dict[int, float], width: int) -> torch.Tensor:
    """Return a head that gives a row of ones those logits."""
    head = torch.zeros(VOCABULARY, width)
    for token, logit in logits.items():
        head[token] = logit / SCALE / width
    return head


@pytest.mark.parametrize("ties", TIES)
def test_variants_head_puts_equal_logits_in_the_order_of_their_ids(ties: str, case: Compiled, tolerance: float) -> None:
    width = case.widths.d_model
    logits, wanted = TIES[ties]
    head = head_of(logits, width)
    token, logprob = case.run("variants_head", (torch.ones(3, width), torch.ones(width), head, EPSILON, SCALE))
    assert token.tolist() == [wanted] * 3
    exact = (SCALE * head.double().sum(1)).log_softmax(0)[wanted]
    for row in logprob.double():
        torch.testing.assert_close(row, exact, rtol=tolerance, atol=tolerance)


def test_variants_head_orders_logits_that_are_far_apart(case: Compiled, tolerance: float) -> None:
    width = case.widths.d_model
    head = head_of(dict.fromkeys(range(VOCABULARY), -1e6) | {200: 1e6, 3: -5e5, 300: -9e5}, width)
    token, logprob = case.run("variants_head", (torch.ones(1, width), torch.ones(width), head, EPSILON, SCALE))
    assert token.tolist() == [[200, 3, 300, 0, 1, 2, 4, 5]]
    wanted = [0.0, -1.5e6, -1.9e6, *[-2e6] * 5]
    assert logprob[0].tolist() == pytest.approx(wanted, rel=tolerance, abs=1e-6)
