"""The gradients of a batch, whose words are dealt to threads."""

import numpy as np
import torch
from torch import Tensor, nn

from g2p_compile.train.batches import IGNORED, Batch
from g2p_compile.train.network import Network
from g2p_compile.train.threads import Threads


class Gradients:
    """Computes what a step follows."""

    def __init__(self, network: Network, parameters: list[nn.Parameter], device: str, threads: Threads) -> None:
        """Differentiate a network's loss.

        Args:
            network: on the device.
            parameters: what to differentiate by.
            device: `cpu` or `cuda[:N]`.
            threads: what they are dealt to.
        """
        self._network, self._parameters = network, parameters
        self._device, self._threads = torch.device(device), threads

    def set(self, batch: Batch) -> Tensor:
        """Set the gradients of the parameters, and return the loss, a scalar on the device.

        The sums of threads are added in one order, so the same number of threads gives the same bits.
        """
        parts = self._parts(batch)
        counted = sum(int((part.labels != IGNORED).sum()) for part in parts)
        found = self._threads.map(lambda part: self._of(part, counted), parts)
        loss, gradients = found[0]
        for other, more in found[1:]:
            loss = loss + other
            torch._foreach_add_(gradients, more)
        for parameter, gradient in zip(self._parameters, gradients, strict=True):
            parameter.grad = gradient
        return loss

    def _of(self, part: Batch, counted: int) -> tuple[Tensor, list[Tensor]]:
        """Return a part's share of the loss, and its gradients."""
        arrays = (part.sources, part.inputs, part.labels)
        loss = self._network.loss(*(torch.from_numpy(ids).to(self._device) for ids in arrays))
        loss = loss * (int((part.labels != IGNORED).sum()) / counted)
        return loss.detach(), [*torch.autograd.grad(loss, self._parameters)]

    def _parts(self, batch: Batch) -> list[Batch]:
        """Deal the words of a batch, which are of like length."""
        rows = np.array_split(np.arange(len(batch.sources)), min(self._threads.count, len(batch.sources)))
        arrays = (batch.sources, batch.inputs, batch.labels)
        return [Batch(*(np.ascontiguousarray(ids[part]) for ids in arrays)) for part in rows]
