"""The weights of a program in a larger shape that says the same: the real cost, a real end of sequence.

Nothing here needs torch or TVM: where there is neither, weights of a large model are made of those of a small one.
"""

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from g2p_batch.model.contract import Geometry
from g2p_batch.model.ids import Float32


@dataclass(frozen=True)
class _Matrix:
    """A kind of weight: `parts` matrices of two sizes of a geometry, one below the other."""

    rows: str
    inputs: str
    parts: int = 1
    silent: bool = False
    """Whether what is added to it is zero: what leads to a place that was not there has no way out."""


_MATRICES = {
    "embedding": _Matrix("vocab", "d_model"),
    "head": _Matrix("vocab", "d_model", silent=True),
    "qkv": _Matrix("d_attention", "d_model", parts=3),
    "out": _Matrix("d_model", "d_attention", silent=True),
    "cross_query": _Matrix("d_attention", "d_model"),
    "cross_keys_values": _Matrix("d_attention", "d_model", parts=2),
    "cross_out": _Matrix("d_model", "d_attention", silent=True),
    "gate": _Matrix("d_ff", "d_model"),
    "up": _Matrix("d_ff", "d_model"),
    "down": _Matrix("d_model", "d_ff", silent=True),
}
"""By the last part of a weight's name."""


def widened(weights: Mapping[str, Float32], source: Geometry, target: Geometry) -> dict[str, Float32]:
    """Return the weights of a program in another geometry, no smaller in any size.

    Added heads and feed-forward units have no way out (zeros in the projections behind them), and added layers add
    nothing to the residual stream for the same reason. Elsewhere both get values that no kernel can skip; they are the
    same wherever this runs. With another `d_model` strings are no longer those of the source.
    """
    return {name: _widened(name, weights.get(name), target, weights) for name in _names(weights, source, target)}


def _names(weights: Mapping[str, Float32], source: Geometry, target: Geometry) -> Iterator[str]:
    yield from weights
    for stack, had, count in (
        ("encoder", source.encoder_layers, target.encoder_layers),
        ("decoder", source.decoder_layers, target.decoder_layers),
    ):
        first = f"{stack}.layers.0."
        for layer in range(had, count):
            yield from (f"{stack}.layers.{layer}.{n.removeprefix(first)}" for n in weights if n.startswith(first))


def _widened(name: str, own: Float32 | None, target: Geometry, weights: Mapping[str, Float32]) -> Float32:
    kind = name.rsplit(".", 1)[-1]
    if kind == "bias":
        return _placed(np.zeros((target.heads, weights[name].shape[1]), np.float32), own)
    if kind not in _MATRICES:  # the gain of a norm
        return _placed(np.ones(target.d_model, np.float32), own)
    matrix = _MATRICES[kind]
    rows, inputs = getattr(target, matrix.rows), getattr(target, matrix.inputs)
    whole = np.zeros((matrix.parts, rows, inputs), np.float32)
    if not matrix.silent:
        # Attention of T5 is not scaled: its queries are.
        whole[:] = _spread(name, whole.shape, inputs**-0.5 * (target.d_kv**-0.5 if kind == "cross_query" else 1.0))
        if kind == "qkv":
            whole[0] *= np.float32(target.d_kv**-0.5)
    for part, values in zip(whole, [] if own is None else np.split(own, matrix.parts), strict=False):
        _placed(part, values)
    return whole.reshape(-1, inputs)


def _placed(whole: Float32, own: Float32 | None) -> Float32:
    """Put what there was into the first places."""
    if own is not None:
        whole[tuple(slice(size) for size in own.shape)] = own
    return whole


def _spread(name: str, shape: tuple[int, ...], deviation: float) -> Float32:
    """Return evenly spread values: of raw random bits, which no version of numpy makes otherwise."""
    bits = np.random.PCG64(zlib.crc32(name.encode())).random_raw(-(-int(np.prod(shape)) // 2))
    evenly = (bits.view(np.uint32)[: int(np.prod(shape))] >> 8).astype(np.float32) * np.float32(2**-23) - np.float32(1)
    values: Float32 = evenly.reshape(shape) * np.float32(deviation * 3**0.5)
    return values
