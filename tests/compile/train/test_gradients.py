"""Gradients of a batch that threads share."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import Tensor

from g2p_compile.train.batches import IGNORED, Batch
from g2p_compile.train.gradients import Gradients
from g2p_compile.train.network import Network
from g2p_compile.train.recipe import Recipe
from g2p_compile.train.start import load_start
from g2p_compile.train.threads import Threads, threads
from tests.helpers.training import TINY


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    before = torch.get_num_threads()
    try:
        # As `threads` has it: operations that threads share have other sums whenever one of them is late.
        with ThreadPoolExecutor(3, initializer=lambda: torch.set_num_threads(1)) as pool:
            yield pool
    finally:
        torch.set_num_threads(before)


def batch(words: int) -> Batch:
    rng = np.random.default_rng(0)
    sources, labels = (rng.integers(3, 259, (words, width)) for width in (7, 5))
    for row in range(words):
        labels[row, 1 + row % 5 :] = IGNORED  # threads have unlike numbers of labels
    inputs = np.where(labels == IGNORED, 0, labels)
    return Batch(sources, inputs, labels)


def found(words: int, workers: Threads) -> tuple[float, list[Tensor]]:
    model = load_start(Recipe(shape=TINY)).model.train()
    parameters = [*model.parameters()]
    loss = Gradients(Network(model, torch.float32, 1.0), parameters, "cpu", workers).set(batch(words))
    return loss.item(), [p.grad for p in parameters]


@pytest.mark.parametrize("words", [1, 2, 7])
def test_threads_find_the_gradients_of_one_in_the_same_bits_every_time(words: int, pool: ThreadPoolExecutor) -> None:
    loss, gradients = found(words, Threads(1, None))
    shared, again = (found(words, Threads(3, pool)) for _ in range(2))
    assert shared[0] == again[0] == pytest.approx(loss, rel=1e-6)
    for alone, one, other in zip(gradients, shared[1], again[1], strict=True):
        assert torch.equal(one, other)
        torch.testing.assert_close(one, alone, rtol=1e-4, atol=1e-6)


def test_a_gpu_has_one_thread_and_a_cpu_those_of_torch() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with threads("cuda:0") as one, threads("cpu") as two:
            assert (one.count, two.count) == (1, 2)
            assert two.map(lambda n: torch.get_num_threads() * n, [1, 2]) == [1, 2]
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
