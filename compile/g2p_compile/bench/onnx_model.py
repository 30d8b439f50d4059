"""A checkpoint as two ONNX graphs, in the fused operators that ONNX Runtime has for T5: the runtime at its best."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from g2p_batch.model.contract import Geometry
from g2p_compile.export.checkpoint import Checkpoint

_FUSED = "com.microsoft"
"""Where the runtime keeps operators of its own."""
_OPSETS = [helper.make_opsetid("", 20), helper.make_opsetid(_FUSED, 1)]
_IR = 10
"""Version of the file format that belongs to the operator set."""

Size = int | str


def export_onnx(checkpoint: Checkpoint, folder: Path) -> tuple[Path, Path]:
    """Write the graphs of a checkpoint, float32, and return their paths.

    Encoder: ids [B, S] int64 and bias [B, H, S, S] (position bias plus mask) give `source_key_<i>` and
    `source_value_<i>` [B, H, S, D] of every decoder layer.

    Step: token [B, 1] int64, bias [1, H, 1, T + 1], mask [B, 1, 1, S], `past_key_<i>` and `past_value_<i>` [B, H, T, D]
    and the encoder's results give `next` [B, 1] int64 and the longer `new_key_<i>`, `new_value_<i>`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / "encoder.onnx", folder / "step.onnx"
    for path, graph in zip(paths, (_encoder(checkpoint), _step(checkpoint)), strict=True):
        onnx.save(graph, path)
    return paths


def cache_names(kind: str, layers: int) -> list[str]:
    """Return the names of the keys and values of a kind: source, past or new."""
    return [f"{kind}_{part}_{i}" for i in range(layers) for part in ("key", "value")]


class _OnnxGraph:
    """Collects nodes; a weight is stored once under its name."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.geometry: Geometry = checkpoint.contract.geometry
        self._state: Mapping[str, Any] = checkpoint.model.state_dict()
        self._nodes: list[onnx.NodeProto] = []
        self._weights: dict[str, onnx.TensorProto] = {}

    def op(self, kind: str, *inputs: str, domain: str = "", results: Sequence[str] = (), **attributes: Any) -> str:
        """Add a node and return the name of its first result."""
        names = list(results) or [f"t{len(self._nodes)}"]
        self._nodes.append(helper.make_node(kind, list(inputs), names, domain=domain, **attributes))
        return names[0]

    def weight(self, *names: str) -> str:
        """Store weights [F, K] side by side as one [K, F], or a vector as it is."""
        whole = np.concatenate([self._state[name].numpy() for name in names])
        return self.constant("+".join(names), np.ascontiguousarray(whole.T))

    def constant(self, name: str, value: Any) -> str:
        """Store a tensor."""
        self._weights[name] = numpy_helper.from_array(value, name)
        return name

    def norm(self, x: str, gain: str) -> str:
        """Root-mean-square norm of x [B, S, d_model]."""
        epsilon = self.geometry.norm_epsilon
        return self.op("SimplifiedLayerNormalization", x, self.weight(gain), axis=-1, epsilon=epsilon, stash_type=1)

    def linear(self, x: str, *weights: str) -> str:
        """Multiply x [B, S, K] by weights side by side."""
        return self.op("MatMul", x, self.weight(*weights))

    def heads(self, x: str) -> str:
        """Turn x [B, S, H*D] into [B, H, S, D]."""
        shape = self.constant("to_heads", np.array([0, 0, self.geometry.heads, self.geometry.d_kv], np.int64))
        return self.op("Transpose", self.op("Reshape", x, shape), perm=[0, 2, 1, 3])

    def qkv(self, x: str, attention: str) -> tuple[str, str, str]:
        """Project to queries, keys and values, [B, S, H*D] each."""
        whole = self.linear(x, *(f"{attention}.{part}.weight" for part in "qkv"))
        q, k, v = (f"{whole}.{part}" for part in "qkv")
        self.op("Split", whole, results=[q, k, v], axis=-1, num_outputs=3)
        return q, k, v

    def attend(self, q: str, k: str, v: str, bias: str, past: Sequence[str] = (), new: Sequence[str] = ()) -> str:
        """Attention, unscaled as in T5: [B, S, H*D]; `new` are the keys and values with those of the past before."""
        inputs = (q, k, v, "", "", bias, *past)
        results, heads = [f"{q}.mixed", *new], self.geometry.heads
        return self.op("MultiHeadAttention", *inputs, domain=_FUSED, results=results, num_heads=heads, scale=1.0)

    def feed_forward(self, x: str, layer: str) -> str:
        """Add the feed-forward block of a layer to x."""
        normal = self.norm(x, f"{layer}.layer_norm.weight")
        dense = f"{layer}.DenseReluDense"
        if self.geometry.gated:
            gate = self.op("Gelu", self.linear(normal, f"{dense}.wi_0.weight"), approximate="tanh")
            wide = self.op("Mul", gate, self.linear(normal, f"{dense}.wi_1.weight"))
        else:
            wide = self.op("Relu", self.linear(normal, f"{dense}.wi.weight"))
        return self.op("Add", x, self.linear(wide, f"{dense}.wo.weight"))

    def model(self, inputs: Mapping[str, tuple[int, Sequence[Size]]], outputs: Mapping[str, int]) -> onnx.ModelProto:
        """Return the model; inputs are given with element type and shape, outputs with their type."""
        graph = helper.make_graph(
            self._nodes,
            "t5",
            [helper.make_tensor_value_info(name, *kind_and_shape) for name, kind_and_shape in inputs.items()],
            [helper.make_tensor_value_info(name, kind, None) for name, kind in outputs.items()],
            list(self._weights.values()),
        )
        return helper.make_model(graph, opset_imports=_OPSETS, ir_version=_IR)


def _encoder(checkpoint: Checkpoint) -> onnx.ModelProto:
    graph = _OnnxGraph(checkpoint)
    geometry = graph.geometry
    x = graph.op("Gather", graph.constant("embedding", checkpoint.model.shared.weight.detach().numpy()), "ids")
    for i in range(geometry.encoder_layers):
        layer = f"encoder.block.{i}.layer"
        normal = graph.norm(x, f"{layer}.0.layer_norm.weight")
        mixed = graph.attend(*graph.qkv(normal, f"{layer}.0.SelfAttention"), "bias")
        x = graph.op("Add", x, graph.linear(mixed, f"{layer}.0.SelfAttention.o.weight"))
        x = graph.feed_forward(x, f"{layer}.1")
    hidden = graph.norm(x, "encoder.final_layer_norm.weight")
    names = cache_names("source", geometry.decoder_layers)
    for i, name in enumerate(names):
        weight = f"decoder.block.{i // 2}.layer.1.EncDecAttention.{'kv'[i % 2]}.weight"
        graph.op("Identity", graph.heads(graph.linear(hidden, weight)), results=[name])
    inputs = {
        "ids": (TensorProto.INT64, ("b", "s")),
        "bias": (TensorProto.FLOAT, ("b", geometry.heads, "s", "s")),
    }
    return graph.model(inputs, dict.fromkeys(names, TensorProto.FLOAT))


def _step(checkpoint: Checkpoint) -> onnx.ModelProto:
    graph = _OnnxGraph(checkpoint)
    geometry = graph.geometry
    layers = geometry.decoder_layers
    past, new, source = (cache_names(kind, layers) for kind in ("past", "new", "source"))
    x = graph.op("Gather", graph.constant("embedding", checkpoint.model.shared.weight.detach().numpy()), "token")
    for i in range(layers):
        layer = f"decoder.block.{i}.layer"
        normal = graph.norm(x, f"{layer}.0.layer_norm.weight")
        own = slice(2 * i, 2 * i + 2)
        mixed = graph.attend(*graph.qkv(normal, f"{layer}.0.SelfAttention"), "bias", past[own], new[own])
        x = graph.op("Add", x, graph.linear(mixed, f"{layer}.0.SelfAttention.o.weight"))
        normal = graph.norm(x, f"{layer}.1.layer_norm.weight")
        q = graph.linear(normal, f"{layer}.1.EncDecAttention.q.weight")
        mixed = graph.attend(q, source[2 * i], source[2 * i + 1], "mask")
        x = graph.op("Add", x, graph.linear(mixed, f"{layer}.1.EncDecAttention.o.weight"))
        x = graph.feed_forward(x, f"{layer}.2")
    logits = graph.linear(graph.norm(x, "decoder.final_layer_norm.weight"), "lm_head.weight")
    graph.op("ArgMax", logits, results=["next"], axis=-1, keepdims=0)
    heads, width = geometry.heads, geometry.d_kv
    inputs = {
        "token": (TensorProto.INT64, ("b", 1)),
        "bias": (TensorProto.FLOAT, (1, heads, 1, "n")),
        "mask": (TensorProto.FLOAT, ("b", 1, 1, "s")),
        **dict.fromkeys(past, (TensorProto.FLOAT, ("b", heads, "t", width))),
        **dict.fromkeys(source, (TensorProto.FLOAT, ("b", heads, "s", width))),
    }
    return graph.model(inputs, {"next": TensorProto.INT64, **dict.fromkeys(new, TensorProto.FLOAT)})
