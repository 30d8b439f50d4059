"""The fused operations that the stages are written in, each with its plain PyTorch meaning.

Every operation is a fusion boundary: `export` keeps it as one call in the Relax program, `kernels` implements it for a
target, and the definition here is what a kernel is tested against. All tensors are float32 but the int32 indices.

Dimensions: B words, S padded source bytes, R decoder rows (words still being decoded), T cached target tokens,
N cache slots, H heads, D width of a head, K and F inner widths, M rows of a matrix, V vocabulary.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.library import custom_op

from g2p_compile.program import CHOICES

NEGATIVE = float(torch.finfo(torch.float32).min)


def _rms_norm(x: Tensor, gain: Tensor, epsilon: float) -> Tensor:
    return gain * (x * torch.rsqrt(x.square().mean(-1, keepdim=True) + epsilon))


@custom_op("g2p::embed", mutates_args=())
def embed(ids: Tensor, table: Tensor) -> Tensor:
    """Rows [M, K] of `table` [V, K] at `ids` [M] int32."""
    return table[ids.long()]


@custom_op("g2p::rms_norm", mutates_args=())
def rms_norm(x: Tensor, gain: Tensor, epsilon: float) -> Tensor:
    """Root-mean-square norm of each row of x [M, K] times gain [K] (Zhang and Sennrich 2019)."""
    return _rms_norm(x, gain, epsilon)


@custom_op("g2p::linear", mutates_args=())
def linear(x: Tensor, weight: Tensor) -> Tensor:
    """x [M, K] times weight [F, K] transposed: [M, F]."""
    return F.linear(x, weight)


@custom_op("g2p::linear_residual", mutates_args=())
def linear_residual(x: Tensor, weight: Tensor, residual: Tensor) -> Tensor:
    """Residual [M, F] plus x [M, K] times weight [F, K] transposed."""
    return residual + F.linear(x, weight)


@custom_op("g2p::norm_linear", mutates_args=())
def norm_linear(x: Tensor, gain: Tensor, weight: Tensor, epsilon: float) -> Tensor:
    """`linear` of the normalised rows: [M, F]."""
    return F.linear(_rms_norm(x, gain, epsilon), weight)


@custom_op("g2p::norm_gated_gelu", mutates_args=())
def norm_gated_gelu(x: Tensor, gain: Tensor, gate: Tensor, up: Tensor, epsilon: float) -> Tensor:
    """First half of a gated feed-forward block, [M, F]: gelu(n gate^T) * (n up^T), n the normalised rows.

    gelu is the tanh form that T5 calls gelu_new (Hendrycks and Gimpel 2016). gate, up: [F, K].
    """
    normal = _rms_norm(x, gain, epsilon)
    return F.gelu(F.linear(normal, gate), approximate="tanh") * F.linear(normal, up)


@custom_op("g2p::norm_relu", mutates_args=())
def norm_relu(x: Tensor, gain: Tensor, weight: Tensor, epsilon: float) -> Tensor:
    """First half of a plain feed-forward block, [M, F]: relu of `norm_linear`. weight: [F, K]."""
    return F.relu(F.linear(_rms_norm(x, gain, epsilon), weight))


@custom_op("g2p::encoder_attention", mutates_args=())
def encoder_attention(qkv: Tensor, bias: Tensor, lengths: Tensor) -> Tensor:
    """Bidirectional attention within each word, unscaled as in T5: [B, S, H*D].

    qkv: [B, S, 3*H*D], queries then keys then values. bias: [H, 2*L-1], entry L-1+j-i added to the score of query i and
    key j, L >= S. lengths: [B] int32, keys at and beyond a word's length are not seen.
    """
    batch, length, width = qkv.shape
    heads, reach = bias.shape[0], (bias.shape[1] + 1) // 2
    q, k, v = qkv.view(batch, length, 3, heads, width // 3 // heads).permute(2, 0, 3, 1, 4)
    i = torch.arange(length)
    score = q @ k.transpose(-1, -2) + bias[:, reach - 1 + i[None, :] - i[:, None]]
    score = score.masked_fill(i >= lengths[:, None, None, None], NEGATIVE)
    return (score.softmax(-1) @ v).transpose(1, 2).reshape(batch, length, width // 3)


@custom_op("g2p::cache_source", mutates_args=("cache",))
def cache_source(x: Tensor, weight: Tensor, slot: Tensor, cache: Tensor) -> None:
    """Compute the cross-attention keys and values of B words into their slots, in place.

    x: [B, S, K]. weight: [2*H*D, K], that of the keys first. slot: [B] int32. cache: [2, N, C, H, D], C >= S; positions
    from S on keep what they had.
    """
    batch, length = x.shape[:2]
    _, _, _, heads, width = cache.shape
    cache[:, slot.long(), :length] = F.linear(x, weight).view(batch, length, 2, heads, width).permute(2, 0, 1, 3, 4)


@custom_op("g2p::self_attention", mutates_args=("cache",))
def self_attention(qkv: Tensor, bias: Tensor, slot: Tensor, position: Tensor, cache: Tensor) -> Tensor:
    """One step of causal attention: append this token's key and value in place, attend to all tokens so far: [R, H*D].

    qkv: [R, 3*H*D]. bias: [H, L], entry n for a key n tokens back. slot, position: [R] int32. cache: [2, N, T, H, D],
    position < T <= L.
    """
    rows, (_, _, reach, heads, width) = qkv.shape[0], cache.shape
    q, k, v = qkv.view(rows, 3, heads, width).unbind(1)
    slots, positions = slot.long(), position.long()
    cache[0, slots, positions] = k
    cache[1, slots, positions] = v
    back = positions[:, None] - torch.arange(reach)
    score = torch.einsum("rhd,rthd->rht", q, cache[0, slots]) + bias[:, back.clamp(min=0)].transpose(0, 1)
    score = score.masked_fill(back[:, None] < 0, NEGATIVE)
    return torch.einsum("rht,rthd->rhd", score.softmax(-1), cache[1, slots]).reshape(rows, heads * width)


@custom_op("g2p::cross_attention", mutates_args=())
def cross_attention(q: Tensor, slot: Tensor, lengths: Tensor, cache: Tensor) -> Tensor:
    """Attention of one token a row to its word's source: [R, H*D]. Cross-attention has no position bias in T5.

    q: [R, H*D]. slot, lengths: [R] int32. cache: [2, N, C, H, D] from `cache_source`.
    """
    rows, (_, _, reach, heads, width) = q.shape[0], cache.shape
    slots, unseen = slot.long(), torch.arange(reach) >= lengths[:, None]
    score = torch.einsum("rhd,rchd->rhc", q.view(rows, heads, width), cache[0, slots])
    score = score.masked_fill(unseen[:, None], NEGATIVE)
    # A slot may hold anything beyond a word's length, infinities included: 0 times those must still be 0.
    values = cache[1, slots].masked_fill(unseen[:, :, None, None], 0.0)
    return torch.einsum("rhc,rchd->rhd", score.softmax(-1), values).reshape(rows, heads * width)


@custom_op("g2p::greedy_head", mutates_args=())
def greedy_head(x: Tensor, gain: Tensor, weight: Tensor, epsilon: float, scale: float) -> tuple[Tensor, Tensor]:
    """Most probable token [R] int32 (the lowest id among equals) and its log-probability [R].

    x: [R, K] before the last norm. gain: [K]. weight: [V, K]. Logits are multiplied by `scale`.
    """
    logits = F.linear(_rms_norm(x, gain, epsilon), weight) * scale
    best, token = logits.max(-1)
    return token.int(), best - logits.logsumexp(-1)


@custom_op("g2p::variants_head", mutates_args=())
def variants_head(x: Tensor, gain: Tensor, weight: Tensor, epsilon: float, scale: float) -> tuple[Tensor, Tensor]:
    """The most probable tokens [R, CHOICES] int32 and their log-probabilities [R, CHOICES], the best first.

    Equals are in the order of their ids. The arguments are those of `greedy_head`, which gives the first column.
    """
    logits = F.linear(_rms_norm(x, gain, epsilon), weight) * scale
    best, token = logits.sort(dim=-1, descending=True, stable=True)
    return token[:, :CHOICES].int(), best[:, :CHOICES] - logits.logsumexp(-1, keepdim=True)


@custom_op("g2p::fork", mutates_args=("cache",))
def fork(origin: Tensor, target: Tensor, count: Tensor, cache: Tensor) -> None:
    """Copy the first positions of slots into other slots, in place.

    origin, target, count: [F] int32, `count` positions from slot `origin` to slot `target`; no target is an origin, or
    a target twice. cache: [2, N, T, H, D], count <= T.
    """
    for one, other, positions in zip(origin.tolist(), target.tolist(), count.tolist(), strict=True):
        cache[:, other, :positions] = cache[:, one, :positions]


Shape = tuple[Any, ...]

# Shape and dtype of every result, from the shapes of the tensor arguments: tracing and the Relax program both ask here.
RESULTS: dict[str, Callable[..., list[tuple[Shape, str]]]] = {
    "embed": lambda ids, table: [((ids[0], table[1]), "float32")],
    "rms_norm": lambda x, gain: [(x, "float32")],
    "linear": lambda x, weight: [((x[0], weight[0]), "float32")],
    "linear_residual": lambda x, weight, residual: [(residual, "float32")],
    "norm_linear": lambda x, gain, weight: [((x[0], weight[0]), "float32")],
    "norm_gated_gelu": lambda x, gain, gate, up: [((x[0], up[0]), "float32")],
    "norm_relu": lambda x, gain, weight: [((x[0], weight[0]), "float32")],
    "encoder_attention": lambda qkv, bias, lengths: [((qkv[0], qkv[1], qkv[2] // 3), "float32")],
    "cache_source": lambda x, weight, slot, cache: [],
    "self_attention": lambda qkv, bias, slot, position, cache: [((qkv[0], qkv[1] // 3), "float32")],
    "cross_attention": lambda q, slot, lengths, cache: [(q, "float32")],
    "greedy_head": lambda x, gain, weight: [((x[0],), "int32"), ((x[0],), "float32")],
    "variants_head": lambda x, gain, weight: [((x[0], CHOICES), "int32"), ((x[0], CHOICES), "float32")],
    "fork": lambda origin, target, count, cache: [],
}


def _register(name: str) -> None:
    def fake(*arguments: Any) -> Any:
        tensors = [a for a in arguments if isinstance(a, Tensor)]
        results = [
            torch.empty(shape, dtype=getattr(torch, dtype))
            for shape, dtype in RESULTS[name](*(tuple(t.shape) for t in tensors))
        ]
        return tuple(results) if len(results) > 1 else results[0] if results else None

    torch.library.register_fake(f"g2p::{name}", fake)


for _name in RESULTS:
    _register(_name)
