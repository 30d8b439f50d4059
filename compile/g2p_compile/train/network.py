"""A T5's loss over a batch, by the parameters of a transformers model: what training differentiates."""

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import T5ForConditionalGeneration
from transformers.models.t5.modeling_t5 import T5Block, T5LayerNorm, T5Stack

from g2p_compile.export.checkpoint import bias_buckets
from g2p_compile.train.batches import IGNORED
from g2p_compile.train.sublayers import CrossAttention, CrossEntropy, FeedForward, Normalise, SelfAttention


class Network:
    """The forward pass of a model in training."""

    def __init__(
        self, model: T5ForConditionalGeneration, dtype: torch.dtype, logit_scale: float, dropout: float = 0.0
    ) -> None:
        """Compute with the parameters of a model, which stay where they are.

        Args:
            model: of a supported geometry, on any device, in float32.
            dtype: of products, and of what passes between them.
            logit_scale: multiple of the logits, as the geometry has it.
            dropout: share of units that are dropped while the model is in training.
        """
        self._model, self._dtype, self._logit_scale = model, dtype, logit_scale
        self._share_dropped = dropout
        self._epsilon = float(model.config.layer_norm_epsilon)
        self._heads = int(model.config.num_heads)
        self._is_gated = bool(model.config.is_gated_act)

    def loss(self, sources: Tensor, inputs: Tensor, labels: Tensor) -> Tensor:
        """Return the mean cross entropy over the labels that count, in nats.

        Args:
            sources: as `logits` takes them.
            inputs: likewise.
            labels: [B, T] int64, `IGNORED` where no loss is counted.
        """
        loss: Tensor = CrossEntropy.apply(self.logits(sources, inputs), labels.flatten(), IGNORED)
        return loss

    def logits(self, sources: Tensor, inputs: Tensor) -> Tensor:
        """Return the logits of what follows each input, [B * T, V], in the dtype of products.

        Args:
            sources: [B, S] int64, padded with 0.
            inputs: [B, T] int64, what the decoder reads.
        """
        encoder, decoder = self._model.encoder, self._model.decoder
        masked = torch.zeros(sources.shape, device=sources.device).masked_fill_(sources == 0, -torch.inf)
        x = self._stack_input(sources)
        bias = _bias(encoder, sources.shape[1])
        for block in encoder.block:
            x = self._attention(x, block, bias, masked)
            x = self._feed_forward(x, block)
        encoded = Normalise.apply(self._dropped(x), self._epsilon)
        keys_values = self._keys_values(encoded, encoder.final_layer_norm, decoder)
        x = self._stack_input(inputs)
        bias = _bias(decoder, inputs.shape[1])
        unmasked = torch.zeros(inputs.shape, device=inputs.device)
        for block, pair in zip(decoder.block, keys_values, strict=True):
            x = self._attention(x, block, bias, unmasked)
            x = self._cross_attention(x, block, pair, masked)
            x = self._feed_forward(x, block)
        head = self._folded(decoder.final_layer_norm, self._model.lm_head.weight * self._logit_scale)
        logits: Tensor = F.linear(Normalise.apply(self._dropped(x), self._epsilon), head)
        return logits

    def _stack_input(self, ids: Tensor) -> Tensor:
        embedded = F.embedding(ids.flatten(), self._model.shared.weight).to(self._dtype)
        return self._dropped(embedded)

    def _attention(self, x: Tensor, block: T5Block, bias: Tensor, masked: Tensor) -> Tensor:
        layer = block.layer[0]
        part = layer.SelfAttention
        qkv = self._folded(layer.layer_norm, part.q.weight, part.k.weight, part.v.weight)
        out = part.o.weight.to(self._dtype)
        y: Tensor = SelfAttention.apply(x, qkv, out, bias, masked, self._epsilon, self._dropout)
        return y

    def _keys_values(self, encoded: Tensor, norm: T5LayerNorm, decoder: T5Stack) -> tuple[Tensor, ...]:
        """Return keys and values of what was encoded, [B * S, 2 * H * D], for each layer of the decoder."""
        parts = [block.layer[1].EncDecAttention for block in decoder.block]
        return tuple(F.linear(encoded, self._folded(norm, part.k.weight, part.v.weight)) for part in parts)

    def _cross_attention(self, x: Tensor, block: T5Block, keys_values: Tensor, masked: Tensor) -> Tensor:
        layer = block.layer[1]
        query = self._folded(layer.layer_norm, layer.EncDecAttention.q.weight)
        out = layer.EncDecAttention.o.weight.to(self._dtype)
        y: Tensor = CrossAttention.apply(x, query, keys_values, out, self._heads, masked, self._epsilon, self._dropout)
        return y

    def _feed_forward(self, x: Tensor, block: T5Block) -> Tensor:
        layer = block.layer[-1]
        dense = layer.DenseReluDense
        gate = self._folded(layer.layer_norm, dense.wi_0.weight) if self._is_gated else None
        up = self._folded(layer.layer_norm, dense.wi_1.weight if self._is_gated else dense.wi.weight)
        down = dense.wo.weight.to(self._dtype)
        y: Tensor = FeedForward.apply(x, gate, up, down, self._epsilon, self._dropout)
        return y

    def _folded(self, norm: T5LayerNorm, *weights: Tensor) -> Tensor:
        """Return weights [out, d], one over the other, times those of the norm before them."""
        return (torch.cat(weights) * norm.weight).to(self._dtype)

    @property
    def _dropout(self) -> float:
        return self._share_dropped if self._model.training else 0.0

    def _dropped(self, x: Tensor) -> Tensor:
        return F.dropout(x, self._dropout) if self._dropout else x


def _bias(stack: T5Stack, length: int) -> Tensor:
    """Return the position bias of a stack, [H, length, length] float32, -inf where a decoder may not look."""
    attention = stack.block[0].layer[0].SelfAttention
    table = attention.relative_attention_bias.weight
    at = torch.arange(length, device=table.device)
    distances = at[None, :] - at[:, None]
    bias = F.embedding(bias_buckets(attention, distances), table).permute(2, 0, 1)
    if attention.is_decoder:
        bias = bias.masked_fill(distances > 0, -torch.inf)
    return bias.contiguous()
