"""A compiled model on an NVIDIA GPU: words stay there from their bytes to their last token."""

import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from g2p_batch import cuda
from g2p_batch.codec import EOS, Float32, Int32
from g2p_batch.contract import Bucket, DType, Manifest, Shapes
from g2p_batch.cuda import Array, Event, Graph, Staging, Stream, pinned
from g2p_batch.decode import Decoded, Finished, Indices, Rows, Source
from g2p_batch.errors import ArtifactError

_CUDA, _CPU, _POOLED = 2, 1, 2
"""Device types and allocator of the virtual machine."""
_DEVICE = 0
"""A process has one GPU: the first that CUDA_VISIBLE_DEVICES shows it."""
_STEPS = 4
"""Decoder steps between two looks at which words have ended: one graph."""
_AHEAD = 1
"""Rounds that the GPU may be ahead of what the host has seen."""
_STEP_FIELDS = 4
"""Arguments of a step: token, position, slot and source length of each row."""
_LIVE, _SAID, _LOGPROB, _STATUS_FIELDS = 0, 1, 2, 3
"""Rows of a status, [3, rows] int32, as `rows.cuh` has them."""


class Device:
    """The GPU of this process, with a stream of its own, and tensors in its memory."""

    def __init__(self, ffi: Any) -> None:
        self.stream = Stream(_DEVICE)
        self._ffi = ffi
        self._where = ffi.device("cuda", _DEVICE)
        self._allocate = ffi.get_global_func("runtime.TVMTensorAllocWithScope")
        self._view = ffi.get_global_func("runtime.TVMTensorCreateView")

    def working(self) -> AbstractContextManager[Any]:
        """Make compiled code put its work into this stream."""
        context: AbstractContextManager[Any] = self._ffi.use_raw_stream(self._where, self.stream.handle.value)
        return context

    def empty(self, shape: tuple[int, ...], dtype: str) -> Any:
        """Return a new tensor; nothing of it is set."""
        return self._allocate(self._ffi.Shape(shape), self._ffi.dtype(dtype), self._where, None)

    def view(self, tensor: Any, shape: tuple[int, ...], dtype: str) -> Any:
        """Return the first part of a tensor's memory as another tensor."""
        return self._view(tensor, self._ffi.Shape(shape), self._ffi.dtype(dtype), 0)

    def tensor(self, array: Array) -> Any:
        """Return a copy of an array on the device."""
        made = self.empty(array.shape, array.dtype.name)
        self.stream.to_device(made.data_ptr(), np.ascontiguousarray(array))
        self.stream.wait()
        return made

    def array(self, tensor: Any) -> Array:
        """Return a tensor's values on the host."""
        values = np.empty(tuple(tensor.shape), str(tensor.dtype))
        self.stream.to_host(values, tensor.data_ptr())
        self.stream.wait()
        return values


@dataclass(frozen=True)
class _Caches:
    """Keys and values of one bucket: per decoder layer [2, slots, reach, H, D]."""

    bucket: int
    past: list[Any]
    source: list[Any]

    @property
    def all(self) -> list[Any]:
        """As the step takes them."""
        return [*self.past, *self.source]


class GpuEngine:
    """`decode.StreamingEngine` over a compiled model on one GPU."""

    def __init__(
        self, manifest: Manifest, device: Device, library: Any, host_code: Any, weights: Mapping[str, Any]
    ) -> None:
        self.contract = manifest.contract
        self.device = device
        self._manifest = manifest
        machine = library["vm_load_executable"]()
        machine["vm_initialization"](_CUDA, _DEVICE, _POOLED, _CPU, 0, _POOLED)
        self._functions = {name: machine[name] for name in manifest.functions}
        self._arguments = {
            name: [weights[tensor] for tensor in tensors] for name, tensors in manifest.functions.items()
        }
        self._clear, self._seat, self._advance = (host_code[name] for name in ("clear", "seat", "advance"))
        self._caches: dict[Bucket, _Caches] = {}
        self._desks: dict[Bucket, _Desk] = {}

    @property
    def dtype(self) -> DType:
        """Number format of the artifact."""
        return self._manifest.dtype

    @property
    def shapes(self) -> Shapes:
        """Buckets and batch sizes of the artifact."""
        return self._manifest.shapes

    def encode(self, bucket: Bucket, ids: Int32, lengths: Int32) -> Any:
        """Encode ids [B, S] of words of `lengths` [B]; returns hidden states [B, S, d_model] on the device."""
        name = f"encoder_{self.shapes.buckets.index(bucket)}"
        with self.device.working():
            return self._call(name, self.device.tensor(ids), self.device.tensor(lengths))

    def open(self, bucket: Bucket) -> Any:
        """Return the cache of a bucket, made when it is first asked for."""
        if bucket not in self._caches:
            self._caches[bucket] = self._allocate(bucket)
        return self._caches[bucket]

    def prefill(self, cache: Any, hidden: Any, slots: Int32) -> None:
        """Compute the cross-attention keys and values of encoded words into their slots [B]."""
        with self.device.working():
            self._call(f"prefill_{cache.bucket}", hidden, self.device.tensor(slots), *cache.source)

    def step(self, cache: Any, rows: Rows) -> tuple[Int32, Float32]:
        """Decode one token of every row; returns tokens [R] and their log-probabilities [R]."""
        arguments = (rows.token, rows.position, rows.slot, rows.source_length)
        with self.device.working():
            token, gain = self._call(f"step_{cache.bucket}", *map(self.device.tensor, arguments), *cache.all)
            return self.device.array(token), self.device.array(gain)

    def stream(self, bucket: Bucket, sources: Iterable[Source]) -> Iterator[Finished]:
        """Decode chunks of one bucket, as `decode.decode_stream` says; a word keeps its row until it ends.

        The host never waits for the step that runs: what it learns is a round old, and by then the next one runs.
        """
        with self.device.working():
            if bucket not in self._desks:
                self._desks[bucket] = self._open_desk(bucket)
            desk = self._desks[bucket]
            desk.begin()
            chunks = iter(sources)
            rounds: deque[_Round] = deque()
            while True:
                more = desk.fill(chunks, self._start)
                if desk.occupied:
                    rounds.append(self._run(desk))
                elif not more and not rounds:
                    return
                while len(rounds) > (_AHEAD if desk.occupied else 0):
                    ended = desk.collect(rounds.popleft())
                    if ended is not None:
                        yield ended

    def _start(self, desk: "_Desk", rows: Int32, source: Source) -> None:
        """Encode a chunk and give its words their rows."""
        index = desk.caches.bucket
        hidden = self._call(f"encoder_{index}", *desk.put_source(source))
        seats = desk.put_seats(rows, source.lengths)
        self._call(f"prefill_{index}", hidden, desk.seated_rows(len(rows)), *desk.caches.source)
        self._seat(seats, *desk.state)

    def _run(self, desk: "_Desk") -> "_Round":
        """Put one round of steps into the stream, and behind it the copy of what came of it."""
        rung = self.shapes.rung(desk.reaches)
        if rung not in desk.graphs:
            self._steps(desk, rung)  # allocates what recording may not
            seen = desk.look(rung)
            with self.device.stream.recording() as made:
                self._steps(desk, rung)
            desk.graphs[rung] = made[0]
            return seen
        desk.graphs[rung].launch(self.device.stream)
        return desk.look(rung)

    def _steps(self, desk: "_Desk", rung: int) -> None:
        arguments = desk.step_arguments(rung)
        for _ in range(_STEPS):
            answers = self._call(f"step_{desk.caches.bucket}", *arguments, *desk.caches.all)
            self._advance(*answers, *desk.state, desk.spoken, desk.scratch)

    def _open_desk(self, bucket: Bucket) -> "_Desk":
        # Rows are rounded up to a rung; those behind the bucket's are never seated.
        return _Desk(self.device, bucket, self.shapes.rung(bucket.batch), self.open(bucket), self._clear)

    def _call(self, name: str, *arguments: Any) -> Any:
        return self._functions[name](*arguments, *self._arguments[name])

    def _allocate(self, bucket: Bucket) -> _Caches:
        geometry, cells = self.contract.geometry, self._manifest.cache

        def caches(reach: int) -> list[Any]:
            shape = (2, bucket.slots + 1, reach, geometry.heads, cells.width)
            return [self.device.empty(shape, cells.dtype) for _ in range(geometry.decoder_layers)]

        index = self.shapes.buckets.index(bucket)
        return _Caches(index, caches(bucket.target_bytes), caches(bucket.source_bytes))


@dataclass(frozen=True)
class _Round:
    """A round of steps in the stream: which words [rows] int64 had which row when it began, and what came of them.

    The copies, status [3, rows] int32 and spoken [rows, T] uint16, are whole when `done` has been waited for.
    """

    words: Indices
    status: Int32
    spoken: Array
    done: Event


class _Desk:
    """Rows of a bucket on the device and which word has which of them; its slot is the row's number."""

    def __init__(self, device: Device, bucket: Bucket, rows: int, caches: _Caches, clear: Any) -> None:
        self.bucket, self.caches, self.scratch = bucket, caches, bucket.slots
        self.graphs: dict[int, Graph] = {}
        self._device, self._clear = device, clear
        self._status = device.empty((_STATUS_FIELDS, rows), "int32")
        self.state = [*(device.empty((rows,), "int32") for _ in range(_STEP_FIELDS)), self._status]
        self.spoken = device.empty((rows, bucket.target_bytes), "uint16")
        ids = bucket.chunk * bucket.source_bytes
        self._ids = device.empty((ids,), "int32")
        self._lengths = device.empty((bucket.chunk,), "int32")
        self._seats = device.empty((2 * bucket.chunk,), "int32")
        self._staging = Staging(device.stream, ids * 4)
        self._copies = deque(
            (pinned((_STATUS_FIELDS, rows), "int32"), pinned((rows, bucket.target_bytes), "uint16"), Event())
            for _ in range(_AHEAD + 1)
        )
        self._words = np.full(rows, -1, np.int64)

    @property
    def occupied(self) -> bool:
        """Whether any row has a word, as far as the host knows."""
        return bool((self._words >= 0).any())

    @property
    def reaches(self) -> int:
        """Rows up to the last that has a word."""
        return int(np.flatnonzero(self._words >= 0)[-1]) + 1

    def begin(self) -> None:
        """Make all rows inert; what an earlier stream left is dropped."""
        self._words[:] = -1
        self._clear(*self.state, self.scratch)

    def fill(self, chunks: Iterator[Source], start: Any) -> bool:
        """Start chunks while there is room for a whole one; tells whether there may be more."""
        while True:
            free = np.flatnonzero(self._words[: self.bucket.batch] < 0)
            if len(free) < min(self.bucket.chunk, self.bucket.batch):
                return True
            source = next(chunks, None)
            if source is None:
                return False
            rows = free[: len(source.rows)].astype(np.int32)
            start(self, rows, source)
            self._words[rows] = source.rows

    def put_source(self, source: Source) -> tuple[Any, Any]:
        """Copy ids and lengths of a chunk to the device."""
        length = int(source.lengths.max())
        ids = np.ascontiguousarray(source.ids[:, :length])
        self._staging.to_device(self._ids.data_ptr(), ids)
        self._staging.to_device(self._lengths.data_ptr(), source.lengths)
        view = self._device.view
        return view(self._ids, ids.shape, "int32"), view(self._lengths, source.lengths.shape, "int32")

    def put_seats(self, rows: Int32, lengths: Int32) -> Any:
        """Copy rows and source lengths of new words to the device."""
        seats = np.stack([rows, lengths])
        self._staging.to_device(self._seats.data_ptr(), seats)
        return self._device.view(self._seats, seats.shape, "int32")

    def seated_rows(self, count: int) -> Any:
        """Return the rows that `put_seats` copied."""
        return self._device.view(self._seats, (count,), "int32")

    def step_arguments(self, rung: int) -> list[Any]:
        """Return token, position, slot and source length of the first rows."""
        return [self._device.view(field, (rung,), "int32") for field in self.state[:_STEP_FIELDS]]

    def look(self, rung: int) -> _Round:
        """Copy what came of the first rows to the host, behind what the stream has to do."""
        status, spoken, done = self._copies[0]
        self._copies.rotate(-1)
        stream = self._device.stream
        stream.to_host(status, self._status.data_ptr())
        stream.to_host(spoken[:rung], self.spoken.data_ptr())
        done.record(stream)
        return _Round(self._words.copy(), status, spoken, done)

    def collect(self, seen: _Round) -> Finished | None:
        """Free the rows of words that had ended in a round; returns them, if there are any."""
        seen.done.wait()
        # A row that was given away after the round began says nothing of the word that has it now.
        ended = np.flatnonzero((seen.status[_LIVE] == 0) & (seen.words >= 0) & (seen.words == self._words))
        if not len(ended):
            return None
        self._words[ended] = -1
        counts = seen.status[_SAID][ended]
        ids = seen.spoken[ended, : counts.max()].astype(np.int32)
        ids[np.arange(ids.shape[1]) >= counts[:, None]] = 0
        truncated = ids[np.arange(len(ended)), counts - 1] != EOS
        return Finished(seen.words[ended], Decoded(ids, seen.status[_LOGPROB].view(np.float32)[ended], truncated))


def require_gpu(folder: Path, manifest: Manifest, remedy: str) -> None:
    """Check that this process has a GPU that an artifact was compiled for.

    Raises:
        ArtifactError: it has none, or one of another kind.
    """
    if not cuda.device_count():
        raise ArtifactError("this process sees no GPU: look at CUDA_VISIBLE_DEVICES, or decode with --device cpu")
    major, minor = cuda.capability(_DEVICE)
    made = [divmod(int(name.removeprefix("sm_")), 10) for name in manifest.target.features]
    # Machine code runs on later GPUs of the same generation.
    if not any(own_major == major and own_minor <= minor for own_major, own_minor in made):
        names = ", ".join(manifest.target.features)
        raise ArtifactError(f"{folder} was compiled for {names}, this GPU is sm_{major}{minor}: {remedy}")
    if (room := cuda.shared_bytes(_DEVICE)) < manifest.shared_bytes:
        raise ArtifactError(
            f"{folder} needs {manifest.shared_bytes:,} bytes of shared memory, this GPU (sm_{major}{minor}) has "
            f"{room:,}: {remedy}"
        )


def device_module(ffi: Any, code: bytes, kernels: Mapping[str, tuple[str, ...]]) -> Any:
    """Return machine code as a module that compiled code can import."""
    launch = ["blockIdx.x", "blockIdx.y", "threadIdx.x", "tirx.use_dyn_shared_memory"]
    facts = {name: {"name": "", "arg_types": types, "launch_param_tags": launch} for name, types in kernels.items()}
    read = ffi.get_global_func("runtime.LoadMetaDataFromJSON")
    return ffi.get_global_func("ffi.Module.create.cuda")(
        code, "fatbin", read(json.dumps({"tvm_version": "", "func_info": facts})), {}
    )
