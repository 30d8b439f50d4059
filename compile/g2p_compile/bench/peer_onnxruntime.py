"""ONNX Runtime as a peer: two graphs and a greedy loop."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import torch

from g2p_batch.model.ids import EOS, PAD, START, Float32, Int32
from g2p_batch.model.tokenizer import detokenize
from g2p_compile.bench.onnx_model import cache_names, export_onnx
from g2p_compile.bench.race import Texts
from g2p_compile.check.transformers_reference import source_ids
from g2p_compile.export import ops
from g2p_compile.export.checkpoint import Checkpoint, bias_buckets

_BATCHES, _TOGETHER = (16, 32, 64, 128), (64, 128, 256)
_SHRINK = 0.75
"""Finished words leave the batch when this share of its rows, or less, is still going: leaving copies the caches."""


@dataclass(frozen=True)
class SessionSetting:
    """Words at a time, and how threads share them."""

    batch: int
    at_once: int
    """Batches decoded at the same time."""
    threads: int
    """For each of them."""

    def __str__(self) -> str:
        return f"batch {self.batch}, {self.at_once}x{self.threads} threads"


class OnnxRuntime:
    """Words sorted by length; caches stay in the runtime's own memory between steps."""

    name, dtype = "ONNX Runtime", "float32"

    def __init__(self, checkpoint: Checkpoint, threads: int, folder: Path) -> None:
        self._checkpoint = checkpoint
        self._paths = export_onnx(checkpoint, folder / "onnx")
        self._decoders: dict[int, _OnnxDecoder] = {}
        together = _TOGETHER if threads > 1 else ()
        self.settings = (
            *(SessionSetting(batch, threads, 1) for batch in _BATCHES),
            *(SessionSetting(batch, 1, threads) for batch in together),
        )

    def run(self, setting: SessionSetting, words: Sequence[str], langs: Sequence[str]) -> list[Texts]:
        """Pronounce words."""
        if setting.threads not in self._decoders:
            self._decoders[setting.threads] = _OnnxDecoder(self._checkpoint, self._paths, setting.threads)
        decoder = self._decoders[setting.threads]
        sources = [source_ids(self._checkpoint.contract, *pair) for pair in zip(words, langs, strict=True)]
        order = sorted(range(len(sources)), key=lambda i: -len(sources[i]))
        parts = [order[start : start + setting.batch] for start in range(0, len(order), setting.batch)]
        prons = np.empty(len(sources), object)
        with ThreadPoolExecutor(setting.at_once) as pool:
            decoded = pool.map(lambda part: decoder.decode([sources[i] for i in part]), parts)
            for part, ids in zip(parts, decoded, strict=True):
                prons[part] = detokenize(ids)[0].to_pylist()
        return [(pron,) for pron in prons]


class _OnnxDecoder:
    """The two graphs on a number of threads, with the position biases that they are given."""

    def __init__(self, checkpoint: Checkpoint, paths: tuple[Path, Path], threads: int) -> None:
        contract = checkpoint.contract
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Threads that go on spinning after a run would take the cores from the next contestant.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        self._encoder, self._step = (
            onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"]) for path in paths
        )
        self._limit, self._geometry = contract.max_target_bytes, contract.geometry
        model, self._reach = checkpoint.model, contract.max_source_bytes
        self._near = _biases(model.encoder, torch.arange(-self._reach + 1, self._reach))
        self._back = _biases(model.decoder, -torch.arange(self._limit))
        self._source, self._past, self._new = (
            cache_names(kind, self._geometry.decoder_layers) for kind in ("source", "past", "new")
        )

    def decode(self, sources: Sequence[list[int]]) -> Int32:
        """Decode one batch; returns tokens [B, T], 0 behind the EOS."""
        outputs = np.zeros((len(sources), self._limit), np.int32)
        live, done = np.arange(len(sources)), np.zeros(len(sources), np.bool_)
        fixed = self._encode(sources)
        empty = np.zeros((len(sources), self._geometry.heads, 0, self._geometry.d_kv), np.float32)
        past: list[Any] = [_value(empty)] * len(self._past)
        token = np.full((len(sources), 1), START, np.int64)
        for position in range(self._limit):
            bias = np.ascontiguousarray(self._back[None, :, None, position::-1])
            feeds = {"token": _value(token), "bias": _value(bias), **dict(zip(self._past, past, strict=True)), **fixed}
            chosen, *past = self._step.run_with_ort_values(["next", *self._new], feeds)
            token = chosen.numpy()
            outputs[live, position] = np.where(done, PAD, token[:, 0])
            done |= token[:, 0] == EOS
            if done.all():
                break
            if np.count_nonzero(~done) <= _SHRINK * len(done):
                keep = np.flatnonzero(~done)
                live, done, token = live[keep], done[keep], token[keep]
                past = [_value(value.numpy()[keep]) for value in past]
                fixed = {name: _value(value.numpy()[keep]) for name, value in fixed.items()}
        return outputs

    def _encode(self, sources: Sequence[list[int]]) -> dict[str, Any]:
        """Return what every step is given: the mask and the source's keys and values."""
        lengths = np.array([len(source) for source in sources])
        longest = int(lengths.max())
        ids = np.array([source + [PAD] * (longest - len(source)) for source in sources], np.int64)
        positions = np.arange(longest)
        mask = np.where(positions < lengths[:, None], 0.0, ops.NEGATIVE).astype(np.float32)[:, None, None, :]
        near = self._near[:, self._reach - 1 + positions[None, :] - positions[:, None]]
        feeds = {"ids": _value(ids), "bias": _value(np.maximum(near[None] + mask, ops.NEGATIVE))}
        results = self._encoder.run_with_ort_values(self._source, feeds)
        return {"mask": _value(mask), **dict(zip(self._source, results, strict=True))}


def _biases(stack: Any, distances: torch.Tensor) -> Float32:
    attention = stack.block[0].layer[0].SelfAttention
    table: Float32 = attention.relative_attention_bias.weight.detach()[bias_buckets(attention, distances)].T.numpy()
    return table


def _value(array: npt.NDArray[Any]) -> Any:
    return onnxruntime.OrtValue.ortvalue_from_numpy(array)
