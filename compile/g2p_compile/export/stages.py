"""T5 as four modules with plain tensors in and out, written in the fused operations of `ops`.

`Encoder`, `DecoderPrefill` and `DecoderStep` are what runs; `Cacheless` recomputes every token and checks them.
"""

import torch
from torch import Tensor, nn
from transformers.models.t5.modeling_t5 import T5Attention, T5Block, T5ForConditionalGeneration

from g2p_batch.model.contract import Contract
from g2p_compile.export import ops
from g2p_compile.export.checkpoint import bias_buckets


def _weight(*tensors: Tensor) -> nn.Parameter:
    return nn.Parameter(torch.cat([t.detach() for t in tensors]), requires_grad=False)


def _bias_table(attention: T5Attention, distances: Tensor) -> nn.Parameter:
    """Return the learned bias [H, len(distances)] for keys that many positions after their query."""
    buckets = bias_buckets(attention, distances)
    return nn.Parameter(attention.relative_attention_bias.weight.detach()[buckets].T.contiguous(), requires_grad=False)


class FeedForward(nn.Module):
    """Norm, the widening projection with its activation, the narrowing projection, the residual."""

    def __init__(self, block: T5Block, epsilon: float) -> None:
        super().__init__()
        self.epsilon = epsilon
        layer = block.layer[-1]
        dense = layer.DenseReluDense
        self.norm = _weight(layer.layer_norm.weight)
        self.gated = hasattr(dense, "wi_0")
        if self.gated:
            self.gate, self.up = _weight(dense.wi_0.weight), _weight(dense.wi_1.weight)
        else:
            self.up = _weight(dense.wi.weight)
        self.down = _weight(dense.wo.weight)

    def forward(self, x: Tensor) -> Tensor:
        """x, result: [M, d_model]."""
        if self.gated:
            wide = ops.norm_gated_gelu(x, self.norm, self.gate, self.up, self.epsilon)
        else:
            wide = ops.norm_relu(x, self.norm, self.up, self.epsilon)
        return ops.linear_residual(wide, self.down, x)


class SelfAttentionWeights(nn.Module):
    """Norm and projections of a self-attention; queries, keys and values are one matrix."""

    def __init__(self, block: T5Block) -> None:
        super().__init__()
        layer = block.layer[0]
        attention = layer.SelfAttention
        self.norm = _weight(layer.layer_norm.weight)
        self.qkv = _weight(attention.q.weight, attention.k.weight, attention.v.weight)
        self.out = _weight(attention.o.weight)


class EncoderLayer(nn.Module):
    """Self-attention over the source bytes, then feed-forward."""

    def __init__(self, block: T5Block, epsilon: float) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.attention = SelfAttentionWeights(block)
        self.ff = FeedForward(block, epsilon)

    def forward(self, x: Tensor, bias: Tensor, lengths: Tensor) -> Tensor:
        """x, result: [B*S, d_model]; lengths: [B] int32."""
        qkv = ops.norm_linear(x, self.attention.norm, self.attention.qkv, self.epsilon)
        batch = lengths.shape[0]
        mixed = ops.encoder_attention(qkv.view(batch, x.shape[0] // batch, -1), bias, lengths)
        return self.ff(ops.linear_residual(mixed.view(x.shape[0], -1), self.attention.out, x))


class Encoder(nn.Module):
    """Source bytes to hidden states."""

    def __init__(self, model: T5ForConditionalGeneration, contract: Contract) -> None:
        super().__init__()
        self.epsilon = contract.geometry.norm_epsilon
        stack = model.encoder
        self.embedding = _weight(model.shared.weight)
        reach = contract.max_source_bytes
        self.bias = _bias_table(stack.block[0].layer[0].SelfAttention, torch.arange(-reach + 1, reach))
        self.layers = nn.ModuleList(EncoderLayer(block, self.epsilon) for block in stack.block)
        self.norm = _weight(stack.final_layer_norm.weight)

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """ids: [B, S] int32, any id beyond a word's length; lengths: [B] int32. Returns [B, S, d_model]."""
        batch, length = ids.shape
        x = ops.embed(ids.view(batch * length), self.embedding)
        for layer in self.layers:
            x = layer(x, self.bias, lengths)
        return ops.rms_norm(x, self.norm, self.epsilon).view(batch, length, -1)


class DecoderLayer(nn.Module):
    """Weights of one decoder layer and its cached step."""

    def __init__(self, block: T5Block, epsilon: float) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.attention = SelfAttentionWeights(block)
        cross = block.layer[1]
        self.cross_norm = _weight(cross.layer_norm.weight)
        self.cross_query = _weight(cross.EncDecAttention.q.weight)
        self.cross_keys_values = _weight(cross.EncDecAttention.k.weight, cross.EncDecAttention.v.weight)
        self.cross_out = _weight(cross.EncDecAttention.o.weight)
        self.ff = FeedForward(block, epsilon)

    def qkv(self, x: Tensor) -> Tensor:
        """x: [M, d_model]. Returns [M, 3*H*D]."""
        return ops.norm_linear(x, self.attention.norm, self.attention.qkv, self.epsilon)

    def query(self, x: Tensor) -> Tensor:
        """x: [M, d_model]. Returns the cross-attention queries [M, H*D]."""
        return ops.norm_linear(x, self.cross_norm, self.cross_query, self.epsilon)


class DecoderWeights(nn.Module):
    """The decoder's weights, shared by its three stages."""

    def __init__(self, model: T5ForConditionalGeneration, contract: Contract, embedding: nn.Parameter) -> None:
        super().__init__()
        self.epsilon = contract.geometry.norm_epsilon
        self.scale = contract.geometry.logit_scale
        self.heads = contract.geometry.heads
        stack = model.decoder
        self.embedding = embedding
        reach = contract.max_target_bytes
        self.bias = _bias_table(stack.block[0].layer[0].SelfAttention, -torch.arange(reach))
        self.layers = nn.ModuleList(DecoderLayer(block, self.epsilon) for block in stack.block)
        self.norm = _weight(stack.final_layer_norm.weight)
        self.head = _weight(model.lm_head.weight)


class DecoderPrefill(nn.Module):
    """Hidden states to cross-attention keys and values, once per word."""

    def __init__(self, weights: DecoderWeights) -> None:
        super().__init__()
        self.decoder = weights

    def forward(self, hidden: Tensor, slot: Tensor, source: list[Tensor]) -> list[Tensor]:
        """hidden: [B, S, d_model]; slot: [B] int32; source: a cache [2, N, C, H, D] per layer, written and returned."""
        for layer, cache in zip(self.decoder.layers, source, strict=True):
            ops.cache_source(hidden, layer.cross_keys_values, slot, cache)
        return source


class DecoderStep(nn.Module):
    """One token of every row: from the last token and its position to the next token and its log-probability."""

    def __init__(self, weights: DecoderWeights) -> None:
        super().__init__()
        self.decoder = weights

    def forward(
        self, token: Tensor, position: Tensor, slot: Tensor, lengths: Tensor, past: list[Tensor], source: list[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """token, position, slot, lengths (of the source): [R] int32. Returns [R] int32, [R] float32.

        past: a cache [2, N, T, H, D] per layer, appended in place; source: as filled by `DecoderPrefill`.
        """
        weights = self.decoder
        x = ops.embed(token, weights.embedding)
        for layer, mine, theirs in zip(weights.layers, past, source, strict=True):
            mixed = ops.self_attention(layer.qkv(x), weights.bias, slot, position, mine)
            x = ops.linear_residual(mixed, layer.attention.out, x)
            mixed = ops.cross_attention(layer.query(x), slot, lengths, theirs)
            x = layer.ff(ops.linear_residual(mixed, layer.cross_out, x))
        token, logprob = ops.greedy_head(x, weights.norm, weights.head, weights.epsilon, weights.scale)
        return token, logprob


class Cacheless(nn.Module):
    """All target positions at once, without a cache: the plain meaning of the other two decoder stages.

    Its attention is ordinary PyTorch on purpose: it shares neither the caches nor the attention kernels with the step.
    """

    def __init__(self, weights: DecoderWeights) -> None:
        super().__init__()
        self.decoder = weights

    def forward(self, tokens: Tensor, hidden: Tensor, lengths: Tensor) -> Tensor:
        """tokens: [B, T] int32; hidden: [B, S, d_model]; lengths: [B] int32. Returns logits [B, T, V]."""
        weights = self.decoder
        batch, steps = tokens.shape
        width = hidden.shape[2]
        back = torch.arange(steps)[:, None] - torch.arange(steps)[None, :]
        causal = weights.bias[:, back.abs()].masked_fill(back < 0, ops.NEGATIVE)
        seen = (torch.arange(hidden.shape[1]) < lengths[:, None])[:, None, None, :]
        padding = torch.zeros(seen.shape).masked_fill(~seen, ops.NEGATIVE)
        x = ops.embed(tokens.view(batch * steps), weights.embedding)
        for layer in weights.layers:
            q, k, v = layer.qkv(x).view(batch, steps, 3, -1).unbind(2)
            x = ops.linear_residual(self._attend(q, k, v, causal), layer.attention.out, x)
            q = layer.query(x).view(batch, steps, -1)
            rows = hidden.view(batch * hidden.shape[1], width)
            k, v = ops.linear(rows, layer.cross_keys_values).view(batch, hidden.shape[1], 2, -1).unbind(2)
            x = layer.ff(ops.linear_residual(self._attend(q, k, v, padding), layer.cross_out, x))
        logits = ops.linear(ops.rms_norm(x, weights.norm, weights.epsilon), weights.head)
        return logits.view(batch, steps, -1) * weights.scale

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
        batch, steps, width = q.shape
        heads = self.decoder.heads
        q, k, v = (t.reshape(batch, t.shape[1], heads, width // heads).transpose(1, 2) for t in (q, k, v))
        mixed = (q @ k.transpose(-1, -2) + bias).softmax(-1) @ v
        return mixed.transpose(1, 2).reshape(batch * steps, width)


class Stages(nn.Module):
    """The stages of one checkpoint; `decoder` holds the weights that its three stages share."""

    def __init__(self, model: T5ForConditionalGeneration, contract: Contract) -> None:
        super().__init__()
        self.encoder = Encoder(model, contract)
        self.decoder = DecoderWeights(model, contract, self.encoder.embedding)
        self.prefill = DecoderPrefill(self.decoder)
        self.step = DecoderStep(self.decoder)
        self.cacheless = Cacheless(self.decoder)
