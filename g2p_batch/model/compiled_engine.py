"""What engines of compiled models have in common: functions with their weights, and caches of buckets."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from g2p_batch.model.contract import CHOOSE, DType, LengthBucket, Manifest, Shapes, Tensor
from g2p_batch.model.greedy import Rows
from g2p_batch.model.ids import Float32, Int32
from g2p_batch.model.search_table import SearchTable


@dataclass(frozen=True)
class Caches:
    """Keys and values of one bucket: per decoder layer [2, slots + 1, reach, H, cell width], cells as the manifest has.

    Inert rows of a rung write to the last slot of each.
    """

    bucket: int
    past: list[Any]
    source: list[Any]

    @property
    def all(self) -> list[Any]:
        """As a step takes them."""
        return [*self.past, *self.source]


HostCode = Mapping[str, Callable[..., None]]
"""Compiled functions by name, which take arrays of the host and numbers, and write into the arrays."""


class CompiledEngine(ABC):
    """`greedy.Engine` over a compiled model.

    Args:
        manifest: of the artifact.
        machine: the virtual machine, with the model's functions by name.
        host: functions of the host; an artifact of an earlier version lacks `CHOOSE`.
        weights: packed weights by name, where the model computes.
    """

    def __init__(self, manifest: Manifest, machine: Any, host: HostCode, weights: Mapping[str, Any]) -> None:
        self.contract = manifest.contract
        self._host = host
        self._manifest = manifest
        self._functions = {name: machine[name] for name in manifest.functions}
        self._arguments = {
            name: [weights[tensor] for tensor in tensors] for name, tensors in manifest.functions.items()
        }
        self._caches: dict[LengthBucket, Caches] = {}
        self._search_caches: dict[LengthBucket, Caches] = {}

    @property
    def dtype(self) -> DType:
        """Number format of the artifact."""
        return self._manifest.dtype

    @property
    def shapes(self) -> Shapes:
        """Buckets and batch sizes of the artifact."""
        return self._manifest.shapes

    def open(self, bucket: LengthBucket) -> Caches:
        """Return the caches of a bucket, made when they are first asked for."""
        if bucket not in self._caches:
            self._caches[bucket] = self._allocate(bucket, bucket.slots, bucket.slots)
        return self._caches[bucket]

    def open_search(self, bucket: LengthBucket) -> Caches:
        """Return the caches of a search in a bucket, made when they are first asked for."""
        if bucket not in self._search_caches:
            self._search_caches[bucket] = self._allocate(bucket, bucket.search_slots, bucket.search_sources)
        return self._search_caches[bucket]

    @abstractmethod
    def encode(self, bucket: LengthBucket, ids: Int32, lengths: Int32) -> Any:
        """Encode ids [B, S] of words of `lengths` [B]; returns hidden states [B, S, d_model] where they were made."""

    @abstractmethod
    def prefill(self, cache: Caches, hidden: Any, slots: Int32) -> None:
        """Compute the cross-attention keys and values of encoded words into their slots [B]."""

    @abstractmethod
    def step(self, cache: Caches, rows: Rows) -> tuple[Int32, Float32]:
        """Decode one token of every row; returns tokens [R] and their log-probabilities [R]."""

    @property
    def searches(self) -> bool:
        """Whether the artifact has what `extend`, `fork` and `choose` call."""
        return {"extend_0", "fork_0"} <= self._functions.keys() and CHOOSE in self._host

    @abstractmethod
    def extend(self, cache: Caches, rows: Rows, source: Int32) -> tuple[Int32, Float32]:
        """Return the best tokens [R, K] of every row and their log-probabilities; source [R]: slots of their words."""

    @abstractmethod
    def fork(self, cache: Caches, origin: Int32, target: Int32, count: Int32) -> None:
        """Copy the first `count` positions of slots `origin` into slots `target`, each [F]."""

    def choose(self, tokens: Int32, logprob: Float32, table: SearchTable, log_share: float) -> None:
        """Choose what the rows of a search extend next, by tokens [R, K] and their log-probabilities."""
        self._host[CHOOSE](tokens, logprob, *table.arrays, log_share)

    @abstractmethod
    def _zeros(self, shape: tuple[int, ...], dtype: str) -> Any:
        """Return a tensor of zeros where the model computes."""

    def _call(self, name: str, *arguments: Any) -> Any:
        return self._functions[name](*arguments, *self._arguments[name])

    def _allocate(self, bucket: LengthBucket, past: int, source: int) -> Caches:
        geometry, cells = self.contract.geometry, self._manifest.cache

        def caches(slots: int, reach: int) -> list[Any]:
            shape = (2, slots + 1, reach, geometry.heads, cells.width)
            return [self._zeros(shape, cells.dtype) for _ in range(geometry.decoder_layers)]

        index = self.shapes.buckets.index(bucket)
        return Caches(index, caches(past, bucket.target_bytes), caches(source, bucket.source_bytes))


def values_of(tensor: Tensor, file: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a packed weight in the bytes of its file."""
    size = prod(tensor.shape) * np.dtype(tensor.dtype).itemsize
    values: npt.NDArray[Any] = file[tensor.offset : tensor.offset + size].view(tensor.dtype).reshape(tensor.shape)
    return values
