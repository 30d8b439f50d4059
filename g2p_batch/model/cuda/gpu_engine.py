"""A compiled model on an NVIDIA GPU: words stay there from their bytes to their last token."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from weakref import WeakSet

import numpy as np

from g2p_batch.model.compiled_engine import Caches, CompiledEngine
from g2p_batch.model.contract import LengthBucket, Manifest
from g2p_batch.model.cuda.decoder_rows import AHEAD, DecoderRows, StepRound
from g2p_batch.model.cuda.device import NUMBER, CudaDevice
from g2p_batch.model.greedy import FinishedWords, Rows, TokenizedChunk
from g2p_batch.model.tokenizer import BYTE_OFFSET, Float32, Int32

_CUDA, _CPU, _POOLED = 2, 1, 2
"""CudaDevice types and allocator of the virtual machine."""
_STEPS = 4
"""Decoder steps between two looks at which words have ended: one graph."""

_ENGINES: "WeakSet[GpuEngine]" = WeakSet()
"""Those of this process that may have graphs."""


class GpuEngine(CompiledEngine):
    """`greedy.StreamingEngine` over a compiled model on one GPU."""

    def __init__(
        self, manifest: Manifest, device: CudaDevice, library: Any, host_code: Any, weights: Mapping[str, Any]
    ) -> None:
        machine = library["vm_load_executable"]()
        machine["vm_initialization"](_CUDA, NUMBER, _POOLED, _CPU, 0, _POOLED)
        super().__init__(manifest, machine, weights)
        self.device = device
        self._clear, self._seat, self._advance = (host_code[name] for name in ("clear", "seat", "advance"))
        self.chunks = self.rounds = 0
        """Encoded and run by `stream`."""
        self._desks: dict[LengthBucket, DecoderRows] = {}

    def encode(self, bucket: LengthBucket, ids: Int32, lengths: Int32) -> Any:
        """Encode ids [B, S] of words of `lengths` [B]; returns hidden states [B, S, d_model] on the device."""
        width, dtype = self._hidden
        place = self.device.empty((ids.size, width), dtype)
        name = f"encoder_{self.shapes.buckets.index(bucket)}"
        with self.device.working():
            self._call(name, self.device.tensor(ids), self.device.tensor(lengths), place)
        return self.device.view(place, (*ids.shape, width), dtype)

    def prefill(self, cache: Caches, hidden: Any, slots: Int32) -> None:
        """Compute the cross-attention keys and values of encoded words into their slots [B]."""
        with self.device.working():
            self._call(f"prefill_{cache.bucket}", hidden, self.device.tensor(slots), *cache.source)

    def step(self, cache: Caches, rows: Rows) -> tuple[Int32, Float32]:
        """Decode one token of every row; returns tokens [R] and their log-probabilities [R]."""
        arguments = (rows.token, rows.position, rows.slot, rows.source_length)
        with self.device.working():
            token, gain = self._call(f"step_{cache.bucket}", *map(self.device.tensor, arguments), *cache.all)
            return self.device.array(token), self.device.array(gain)

    def stream(self, bucket: LengthBucket, sources: Iterable[TokenizedChunk]) -> Iterator[FinishedWords]:
        """Decode chunks of one bucket, as `greedy.decode_stream` says; a word keeps its row until it ends.

        The host never waits for the step that runs: what it learns is a round old, and by then the next one runs.
        """
        with self.device.working():
            if not self._desks:
                self._open_desks()
            desk = self._desks[bucket]
            desk.begin()
            chunks = iter(sources)
            rounds: deque[StepRound] = deque()
            while True:
                more = desk.fill(chunks, self._start)
                if desk.occupied:
                    rounds.append(self._run(desk))
                elif not more and not rounds:
                    return
                while len(rounds) > (AHEAD if desk.occupied else 0):
                    ended = desk.collect(rounds.popleft())
                    if ended is not None:
                        yield ended

    def _start(self, desk: DecoderRows, rows: Int32, source: TokenizedChunk) -> None:
        """Encode a chunk and give its words their rows."""
        self.chunks += 1
        index = desk.caches.bucket
        ids, lengths = desk.put_source(source)
        flat, hidden = desk.places(ids)
        self._call(f"encoder_{index}", ids, lengths, flat)
        seats = desk.put_seats(rows, source.lengths)
        self._call(f"prefill_{index}", hidden, desk.seated_rows(len(rows)), *desk.caches.source)
        self._seat(seats, *desk.state)

    def _run(self, desk: DecoderRows) -> StepRound:
        """Put one round of steps into the stream, and behind it the copy of what came of it."""
        self.rounds += 1
        rung = self.shapes.rung(desk.reaches)
        if rung not in desk.graphs:
            with self.device.stream.recording() as made:
                self._steps(desk, rung)
            desk.graphs[rung] = made[0]
        desk.graphs[rung].launch(self.device.stream)
        return desk.look(rung)

    def _steps(self, desk: DecoderRows, rung: int) -> None:
        arguments = desk.step_arguments(rung)
        for _ in range(_STEPS):
            answers = self._call(f"step_{desk.caches.bucket}", *arguments, *desk.caches.all)
            self._advance(*answers, *desk.state, desk.spoken, desk.scratch)

    def _open_desks(self) -> None:
        """Make rows for all buckets, and do once what graphs will do, before the first is recorded.

        So the pool gets all the memory that will ever be needed: recording may not allocate, and a pool that runs out
        frees what it holds, also what graphs use. It is the process's, so those of other engines have to go.
        """
        self._desks = {bucket: self._open_desk(bucket) for bucket in self.shapes.buckets}
        for other in _ENGINES:
            for desk in other._desks.values():
                desk.graphs.clear()
        _ENGINES.add(self)

    def _open_desk(self, bucket: LengthBucket) -> DecoderRows:
        # Rows are rounded up to a rung; those behind the bucket's are never seated.
        rows = self.shapes.rung(bucket.batch)
        desk = DecoderRows(self.device, bucket, rows, self._hidden, self.open(bucket), self._clear)
        desk.begin()
        one = np.ones((1, 1), np.int32)
        self._start(desk, np.zeros(1, np.int32), TokenizedChunk(np.zeros(1, np.int64), one * BYTE_OFFSET, one[0]))
        for rung in self.shapes.ladder:
            if rung <= rows:
                self._steps(desk, rung)
        return desk

    @property
    def _hidden(self) -> tuple[int, str]:
        """Width and number format of encoder outputs."""
        return self.contract.geometry.d_model, self._manifest.cache.dtype

    def _zeros(self, shape: tuple[int, ...], dtype: str) -> Any:
        return self.device.zeros(shape, dtype)
