"""A compiled model on an NVIDIA GPU: words stay there from their bytes to their last token."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from weakref import WeakSet

import numpy as np

from g2p_batch.model.compiled_engine import Caches, CompiledEngine, HostCode
from g2p_batch.model.contract import LengthBucket, Manifest
from g2p_batch.model.cuda.decoder_rows import AHEAD, DecoderRows, StepRound
from g2p_batch.model.cuda.device import NUMBER, CudaDevice
from g2p_batch.model.greedy import FinishedWords, Rows, TokenizedChunk
from g2p_batch.model.ids import BYTE_OFFSET, START, Float32, Int32

_CUDA, _CPU, _POOLED = 2, 1, 2
"""Device types and allocator of the virtual machine."""
_STEPS = 4
"""Decoder steps between two looks at which words have ended: one graph."""

_ENGINES: "WeakSet[GpuEngine]" = WeakSet()
"""Those of this process that may have graphs."""


class GpuEngine(CompiledEngine):
    """`greedy.StreamingEngine` and `search_engine.SearchEngine` over a compiled model on one GPU."""

    def __init__(
        self,
        manifest: Manifest,
        device: CudaDevice,
        library: Any,
        host_code: Any,
        host: HostCode,
        weights: Mapping[str, Any],
    ) -> None:
        machine = library["vm_load_executable"]()
        machine["vm_initialization"](_CUDA, NUMBER, _POOLED, _CPU, 0, _POOLED)
        super().__init__(manifest, machine, host, weights)
        self.device = device
        self._clear, self._assign_rows, self._advance = (
            host_code[name] for name in ("clear", "assign_rows", "advance")
        )
        self.chunks = self.rounds = 0
        """Encoded and run by `stream`."""
        self._decoders: dict[LengthBucket, DecoderRows] = {}

    def encode(self, bucket: LengthBucket, ids: Int32, lengths: Int32) -> Any:
        """Encode ids [B, S] of words of `lengths` [B]; returns hidden states [B, S, d_model] on the device."""
        width, dtype = self._hidden
        flat = self.device.empty((ids.size, width), dtype)
        name = f"encoder_{self.shapes.buckets.index(bucket)}"
        with self.device.working():
            self._call(name, self.device.tensor(ids), self.device.tensor(lengths), flat)
        return self.device.view(flat, (*ids.shape, width), dtype)

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

    def open_search(self, bucket: LengthBucket) -> Caches:
        """Return the caches of a search in a bucket, made when they are first asked for, with all memory of its steps.

        A search looks at what came of each step before it says what the next one does, so it has no graphs; it ends
        those of streams, as another engine does.
        """
        if bucket in self._search_caches:
            return self._search_caches[bucket]
        caches = super().open_search(bucket)
        one = np.ones(1, np.int32)
        slot, source = one * bucket.search_slots, one * bucket.search_sources
        self.prefill(caches, self.encode(bucket, one[None] * BYTE_OFFSET, one), source)
        self.extend(caches, Rows(one * START, one * 0, slot, one), source)
        _end_graphs()
        return caches

    def extend(self, cache: Caches, rows: Rows, source: Int32) -> tuple[Int32, Float32]:
        """Return the best tokens [R, K] of every row and their log-probabilities; source [R]: slots of their words."""
        arguments = (rows.token, rows.position, rows.slot, rows.source_length, source)
        with self.device.working():
            token, gain = self._call(f"extend_{cache.bucket}", *map(self.device.tensor, arguments), *cache.all)
            return self.device.array(token), self.device.array(gain)

    def fork(self, cache: Caches, origin: Int32, target: Int32, count: Int32) -> None:
        """Copy the first `count` positions of slots `origin` into slots `target`, each [F]."""
        with self.device.working():
            self._call(f"fork_{cache.bucket}", *map(self.device.tensor, (origin, target, count)), *cache.past)

    def stream(self, bucket: LengthBucket, sources: Iterable[TokenizedChunk]) -> Iterator[FinishedWords]:
        """Decode chunks of one bucket, as `greedy.decode_stream` says; a word keeps its row until it ends.

        The host never waits for the step that runs: what it learns is a round old, and by then the next one runs.
        """
        with self.device.working():
            if not self._decoders:
                self._open_decoders()
            decoder = self._decoders[bucket]
            decoder.begin()
            chunks = iter(sources)
            rounds: deque[StepRound] = deque()
            while True:
                more = decoder.fill(chunks, self._start)
                if decoder.occupied:
                    rounds.append(self._run(decoder))
                elif not more and not rounds:
                    return
                while len(rounds) > (AHEAD if decoder.occupied else 0):
                    ended = decoder.collect(rounds.popleft())
                    if ended is not None:
                        yield ended

    def _start(self, decoder: DecoderRows, rows: Int32, source: TokenizedChunk) -> None:
        """Encode a chunk and give its words their rows."""
        self.chunks += 1
        index = decoder.caches.bucket
        ids, lengths = decoder.put_source(source)
        flat, hidden = decoder.hidden_views(ids)
        self._call(f"encoder_{index}", ids, lengths, flat)
        assignments = decoder.put_assignments(rows, source.lengths)
        self._call(f"prefill_{index}", hidden, decoder.assigned_rows(len(rows)), *decoder.caches.source)
        self._assign_rows(assignments, *decoder.state)

    def _run(self, decoder: DecoderRows) -> StepRound:
        """Put one round of steps into the stream, and behind it the copy of what came of it."""
        self.rounds += 1
        rung = self.shapes.rung(decoder.reaches)
        if rung not in decoder.graphs:
            with self.device.stream.recording() as made:
                self._steps(decoder, rung)
            decoder.graphs[rung] = made[0]
        decoder.graphs[rung].launch(self.device.stream)
        return decoder.look(rung)

    def _steps(self, decoder: DecoderRows, rung: int) -> None:
        arguments = decoder.step_arguments(rung)
        for _ in range(_STEPS):
            answers = self._call(f"step_{decoder.caches.bucket}", *arguments, *decoder.caches.all)
            self._advance(*answers, *decoder.state, decoder.outputs, decoder.scratch)

    def _open_decoders(self) -> None:
        """Make rows for all buckets, and do once what graphs will do, before the first is recorded.

        So the pool gets all the memory that will ever be needed: recording may not allocate, and a pool that runs out
        frees what it holds, also what graphs use. It is the process's, so those of other engines have to go.
        """
        self._decoders = {bucket: self._open_decoder(bucket) for bucket in self.shapes.buckets}
        _end_graphs()
        _ENGINES.add(self)

    def _open_decoder(self, bucket: LengthBucket) -> DecoderRows:
        # Rows are rounded up to a rung; those behind the bucket's are never assigned.
        rows = self.shapes.rung(bucket.batch)
        decoder = DecoderRows(self.device, bucket, rows, self._hidden, self.open(bucket), self._clear)
        decoder.begin()
        one = np.ones((1, 1), np.int32)
        self._start(decoder, np.zeros(1, np.int32), TokenizedChunk(np.zeros(1, np.int64), one * BYTE_OFFSET, one[0]))
        for rung in self.shapes.ladder:
            if rung <= rows:
                self._steps(decoder, rung)
        return decoder

    @property
    def _hidden(self) -> tuple[int, str]:
        """Width and number format of encoder outputs."""
        return self.contract.geometry.d_model, self._manifest.cache.dtype

    def _zeros(self, shape: tuple[int, ...], dtype: str) -> Any:
        return self.device.zeros(shape, dtype)


def _end_graphs() -> None:
    """Have all graphs of this process recorded again."""
    for engine in _ENGINES:
        for decoder in engine._decoders.values():
            decoder.graphs.clear()
