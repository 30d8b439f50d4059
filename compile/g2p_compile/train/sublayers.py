"""The sublayers of a T5 in training, each with a backward pass of its own: norm, products, and the sum with its input.

Rows are the positions of all words of a batch, padding included. A norm's weights are folded into the product behind it
(`network`), so a sublayer sees weights [out, in] of the dtype that products run in.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from g2p_compile.train import pointwise
from g2p_compile.train.pointwise import compiled


class Normalise(Function):
    """Rows [N, d] divided by their root mean square."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, epsilon: float) -> Tensor:
        rows, scale = compiled(pointwise.normalised, x.device.type)(x, epsilon)
        ctx.save_for_backward(rows, scale)
        return rows

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        return _normalised_back(torch.zeros_like(grad), grad, *ctx.saved_tensors), None


class FeedForward(Function):
    """x + down(gelu(gate(norm(x))) * up(norm(x))), or x + down(relu(up(norm(x)))).

    Args of `apply`: x [N, d]; `gate` [f, d] or None; `up` [f, d]; `down` [d, f]; the norm's epsilon; share of the
    result's units that is dropped.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, gate: Tensor | None, up: Tensor, down: Tensor, epsilon: float, dropout: float
    ) -> Tensor:
        rows, scale = compiled(pointwise.normalised, x.device.type)(x, epsilon)
        if gate is None:
            opened, raised = None, None
            units = (rows @ up.T).relu_()
        else:
            opened, raised = rows @ gate.T, rows @ up.T
            units = compiled(pointwise.gated, x.device.type)(opened, raised)
        out, kept = _added(x, units, down, dropout)
        ctx.save_for_backward(rows, scale, opened, raised, units, gate, up, down, kept)
        return out

    @staticmethod
    def backward(ctx: Any, above: Tensor) -> Any:
        rows, scale, opened, raised, units, gate, up, down, kept = ctx.saved_tensors
        grad = above if kept is None else above * kept
        grad_down, below = grad.T @ units, grad @ down
        if gate is None:
            grad_gate = None
            below.masked_fill_(units == 0, 0)
            grad_rows = below @ up
        else:
            to_gate, below = compiled(pointwise.gated_back, above.device.type)(opened, raised, below)
            grad_gate = to_gate.T @ rows
            grad_rows = torch.addmm(to_gate @ gate, below, up)
        grad_x = _normalised_back(above, grad_rows, rows, scale)
        return grad_x, grad_gate, below.T @ rows, grad_down, None, None


class SelfAttention(Function):
    """x + out(attention over norm(x)).

    Args of `apply`: x [B * S, d]; `qkv` [3 * H * D, d]; `out` [d, H * D]; bias [H, S, S] float32, -inf where a query
    may not look; `masked` [B, S] float32, -inf for padding; the norm's epsilon; share of the result's units that is
    dropped.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, qkv: Tensor, out: Tensor, bias: Tensor, masked: Tensor, epsilon: float, dropout: float
    ) -> Tensor:
        rows, scale = compiled(pointwise.normalised, x.device.type)(x, epsilon)
        queries, keys, values = _split(rows @ qkv.T, 3, masked.shape[0], bias.shape[0])
        weights, context = _attend(queries, keys, values, bias, masked)
        y, kept = _added(x, context, out, dropout)
        ctx.save_for_backward(rows, scale, queries, keys, values, weights, context, qkv, out, kept)
        return y

    @staticmethod
    def backward(ctx: Any, above: Tensor) -> Any:
        rows, scale, queries, keys, values, weights, context, qkv, out, kept = ctx.saved_tensors
        grad = above if kept is None else above * kept
        grad_out = grad.T @ context
        *parts, grad_bias = _attend_back(grad @ out, queries, keys, values, weights)
        below = _joined(parts)
        grad_qkv = below.T @ rows
        grad_x = _normalised_back(above, below @ qkv, rows, scale)
        return grad_x, grad_qkv, grad_out, grad_bias, None, None, None


class CrossAttention(Function):
    """x + out(attention over keys and values of what was encoded).

    Args of `apply`: x [B * T, d]; `query` [H * D, d]; `keys_values` [B * S, 2 * H * D]; `out` [d, H * D]; `heads`;
    `masked` [B, S] float32, -inf for padding; the norm's epsilon; share of the result's units that is dropped.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        query: Tensor,
        keys_values: Tensor,
        out: Tensor,
        heads: int,
        masked: Tensor,
        epsilon: float,
        dropout: float,
    ) -> Tensor:
        words = masked.shape[0]
        rows, scale = compiled(pointwise.normalised, x.device.type)(x, epsilon)
        (queries,) = _split(rows @ query.T, 1, words, heads)
        keys, values = _split(keys_values, 2, words, heads)
        no_bias = torch.zeros(heads, 1, 1, device=x.device)
        weights, context = _attend(queries, keys, values, no_bias, masked)
        y, kept = _added(x, context, out, dropout)
        ctx.save_for_backward(rows, scale, queries, keys, values, weights, context, query, out, kept)
        return y

    @staticmethod
    def backward(ctx: Any, above: Tensor) -> Any:
        rows, scale, queries, keys, values, weights, context, query, out, kept = ctx.saved_tensors
        grad = above if kept is None else above * kept
        grad_out = grad.T @ context
        grad_queries, grad_keys, grad_values, _ = _attend_back(grad @ out, queries, keys, values, weights)
        below = _joined([grad_queries])
        grad_query = below.T @ rows
        grad_x = _normalised_back(above, below @ query, rows, scale)
        return grad_x, grad_query, _joined([grad_keys, grad_values]), grad_out, None, None, None, None


class CrossEntropy(Function):
    """Mean loss over the labels [N] that count, by logits [N, V]."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, labels: Tensor, ignored: int) -> Tensor:
        loss: Tensor
        loss, grad = compiled(pointwise.cross_entropy, logits.device.type)(logits, labels, ignored)
        ctx.save_for_backward(grad)
        return loss

    @staticmethod
    def backward(ctx: Any, above: Tensor) -> Any:
        (grad,) = ctx.saved_tensors
        return grad * above.to(grad.dtype), None, None


def _normalised_back(above: Tensor, grad: Tensor, rows: Tensor, scale: Tensor) -> Tensor:
    result: Tensor = compiled(pointwise.normalised_back, above.device.type)(above, grad, rows, scale)
    return result


def _added(x: Tensor, units: Tensor, weight: Tensor, dropout: float) -> tuple[Tensor, Tensor | None]:
    """Return x + units @ weight.T, and what each unit of the product was multiplied with if some are dropped."""
    if not dropout:
        return torch.addmm(x, units, weight.T), None
    kept = torch.empty_like(x).bernoulli_(1 - dropout).div_(1 - dropout)
    return torch.addcmul(x, units @ weight.T, kept), kept


def _split(side_by_side: Tensor, parts: int, words: int, heads: int) -> tuple[Tensor, ...]:
    """Return `parts` tensors [B * H, S, D] of [B * S, parts * H * D]."""
    rows, width = side_by_side.shape
    apart = side_by_side.view(words, rows // words, parts, heads, width // parts // heads).permute(2, 0, 3, 1, 4)
    return tuple(apart.contiguous().flatten(1, 2))


def _joined(parts: list[Tensor]) -> Tensor:
    """Return [B * S, parts * H * D] of tensors [B, H, S, D]."""
    return torch.stack(parts, 2).permute(0, 3, 2, 1, 4).flatten(2).flatten(0, 1)


def _attend(queries: Tensor, keys: Tensor, values: Tensor, bias: Tensor, masked: Tensor) -> tuple[Tensor, Tensor]:
    """Return weights [B, H, Q, K], and contexts [B * Q, H * D]."""
    words, heads = masked.shape[0], bias.shape[0]
    scores = torch.bmm(queries, keys.transpose(1, 2)).unflatten(0, (words, heads))
    weights = compiled(pointwise.probabilities, scores.device.type)(scores, bias, masked)
    context = torch.bmm(weights.flatten(0, 1), values).unflatten(0, (words, heads))
    return weights, context.transpose(1, 2).flatten(2).flatten(0, 1)


def _attend_back(
    grad: Tensor, queries: Tensor, keys: Tensor, values: Tensor, weights: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the gradients of queries, keys and values, [B, H, S, D], and of the bias, [H, Q, K], by the contexts'."""
    words, heads = weights.shape[:2]
    flat = weights.flatten(0, 1)
    (above,) = _split(grad, 1, words, heads)
    grad_values = torch.bmm(flat.transpose(1, 2), above)
    grad_weights = torch.bmm(above, values.transpose(1, 2)).view_as(weights)
    scores = compiled(pointwise.scores_back, weights.device.type)(weights, grad_weights)
    grad_bias = scores.sum(0, dtype=torch.float32)
    scores = scores.flatten(0, 1)
    parts = (torch.bmm(scores, keys), torch.bmm(scores.transpose(1, 2), queries), grad_values)
    grad_queries, grad_keys, grad_values = (part.unflatten(0, (words, heads)) for part in parts)
    return grad_queries, grad_keys, grad_values, grad_bias
