"""What a training step computes between its products, element by element: one pass over memory each where that can be.

Written in PyTorch, and compiled by PyTorch's compiler where the machine has what that needs (a C++ compiler for CPUs,
Triton for GPUs). Elsewhere the same functions run as they stand, several times slower and to other last digits.
"""

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor

Pointwise = Callable[..., Any]

_LINEAR = 2 * math.sqrt(2 / math.pi)
_CUBIC = 0.044715 * _LINEAR
"""Of what gelu's sigmoid is taken (Hendrycks and Gimpel 2016, the approximation by tanh)."""


def normalised(x: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    """Return T5's norm of rows [N, d] without its weights, and one over each root mean square, [N, 1] float32."""
    wide = x.float()
    scale = torch.rsqrt((wide * wide).mean(-1, keepdim=True) + epsilon)
    return (wide * scale).to(x.dtype), scale


def normalised_back(above: Tensor, grad: Tensor, rows: Tensor, scale: Tensor) -> Tensor:
    """Return a gradient [N, d] that goes past a norm, plus the one that comes through it.

    Args:
        above: [N, d], the gradient of the sum that the norm's input also goes into.
        grad: [N, d], of the norm's output.
        rows, scale: what `normalised` returned.
    """
    grad, rows = grad.float(), rows.float()
    along = (grad * rows).mean(-1, keepdim=True)
    return (above.float() + scale * (grad - rows * along)).to(above.dtype)


def gated(gate: Tensor, up: Tensor) -> Tensor:
    """Return gelu(gate) * up, [N, f]; gelu by tanh(z), which is gate * sigmoid(2 * z)."""
    wide = gate.float()
    return (wide * torch.sigmoid(wide * (_LINEAR + _CUBIC * wide * wide)) * up).to(gate.dtype)


def gated_back(gate: Tensor, up: Tensor, grad: Tensor) -> tuple[Tensor, Tensor]:
    """Return the gradients [N, f] of what `gated` was given, by that of its result."""
    wide, above, square = gate.float(), grad.float(), gate.float() * gate.float()
    share = torch.sigmoid(wide * (_LINEAR + _CUBIC * square))
    gelu = wide * share
    slope = share + gelu * (1 - share) * (_LINEAR + 3 * _CUBIC * square)
    return (above * up * slope).to(gate.dtype), (above * gelu).to(gate.dtype)


def probabilities(scores: Tensor, bias: Tensor, masked: Tensor) -> Tensor:
    """Return attention's weights.

    Args:
        scores: [B, H, Q, K].
        bias: [H, Q, K] float32, -inf where a query may not look.
        masked: [B, K] float32, 0 or, for padding, -inf.
    """
    return torch.softmax(scores.float() + bias + masked[:, None, None, :], -1).to(scores.dtype)


def scores_back(weights: Tensor, grad: Tensor) -> Tensor:
    """Return the gradient of scores by that of what `probabilities` returned, [B, H, Q, K] both."""
    wide, above = weights.float(), grad.float()
    along = wide * above
    return (along - wide * along.sum(-1, keepdim=True)).to(weights.dtype)


def cross_entropy(logits: Tensor, labels: Tensor, ignored: int) -> tuple[Tensor, Tensor]:
    """Return the mean loss over labels [N] that count, and its gradient [N, V] by the logits [N, V]."""
    wide = logits.float()
    counted = labels != ignored
    share = counted / counted.sum()
    at = torch.where(counted, labels, 0)[:, None]
    logprob = wide - torch.logsumexp(wide, -1, keepdim=True)
    loss = -(logprob.gather(1, at)[:, 0] * share).sum()
    is_label = torch.arange(logits.shape[1], device=logits.device) == at
    return loss, ((logprob.exp() - is_label.float()) * share[:, None]).to(logits.dtype)


_FORMS = 64
"""Forms of a function that are compiled: by dtype, sizes that are 1, and whether gradients are wanted. Beyond them it
would run as it stands."""


@cache
def compiled(function: Pointwise, device: str) -> Pointwise:
    """Return a function of this module, compiled for any sizes on a kind of device, if that can be done here."""
    if not can_compile(device):
        return function
    fast: Pointwise = torch.compile(function, dynamic=True)

    def in_any_form(*arguments: Any) -> Any:
        # PyTorch keeps its limit by thread, and a GPU's gradients come from threads of its own.
        if torch._dynamo.config.recompile_limit < _FORMS:
            torch._dynamo.config.recompile_limit = _FORMS
        return fast(*arguments)

    return in_any_form


@cache
def can_compile(device: str) -> bool:
    """Tell whether PyTorch's compiler works here for `cpu` or `cuda`, by trying it."""
    try:
        torch.compile(_probe, dynamic=True)(torch.ones(64, device=device))
    except Exception:  # it fails in many ways: no compiler, no headers of Python, no Triton, no folder to write to
        return False
    return True


def _probe(x: Tensor) -> Tensor:
    return x * 2 + 1
