"""Rows of a decoder on a GPU, and which word has which of them."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from g2p_batch.model.compiled_engine import Caches
from g2p_batch.model.contract import LengthBucket
from g2p_batch.model.cuda.device import CudaDevice
from g2p_batch.model.cuda.runtime import Array, CudaEvent, CudaGraph, Staging, pinned
from g2p_batch.model.greedy import Decoded, FinishedWords, Indices, TokenizedChunk
from g2p_batch.model.ids import EOS, Int32

AHEAD = 1
"""Rounds of steps that the GPU may be ahead of what the host has seen."""
_STEP_FIELDS = 4
"""Arguments of a step: token, position, slot and source length of each row."""
_LIVE, _COUNT, _LOGPROB, _STATUS_FIELDS = 0, 1, 2, 3
"""Rows of a status, [3, rows] int32, as `rows.cuh` has them."""


@dataclass(frozen=True)
class StepRound:
    """A round of steps in the stream: which words [rows] int64 had which row when it began, and what came of them.

    The copies, status [3, rows] int32 and outputs [rows, T] uint16, are whole when `done` has been waited for.
    """

    words: Indices
    status: Int32
    outputs: Array
    done: CudaEvent


class DecoderRows:
    """Rows of a bucket on the device and which word has which of them; its slot is the row's number.

    `hidden` are width and number format of encoder outputs.
    """

    def __init__(
        self, device: CudaDevice, bucket: LengthBucket, rows: int, hidden: tuple[int, str], caches: Caches, clear: Any
    ) -> None:
        self.bucket, self.caches, self.scratch = bucket, caches, bucket.slots
        self.graphs: dict[int, CudaGraph] = {}
        self._device, self._clear = device, clear
        self._status = device.zeros((_STATUS_FIELDS, rows), "int32")
        self.state = [*(device.empty((rows,), "int32") for _ in range(_STEP_FIELDS)), self._status]
        self.outputs = device.zeros((rows, bucket.target_bytes), "uint16")
        ids = bucket.chunk * bucket.source_bytes
        self._ids = device.empty((ids,), "int32")
        self._lengths = device.empty((bucket.chunk,), "int32")
        self._assignments = device.empty((2 * bucket.chunk,), "int32")
        self._hidden_form = hidden
        self._hidden = device.empty((ids, hidden[0]), hidden[1])
        self._staging = Staging(device.stream, ids * 4)
        self._copies = deque(
            (pinned((_STATUS_FIELDS, rows), "int32"), pinned((rows, bucket.target_bytes), "uint16"), CudaEvent())
            for _ in range(AHEAD + 1)
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

    def fill(self, chunks: Iterator[TokenizedChunk], start: Any) -> bool:
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

    def put_source(self, source: TokenizedChunk) -> tuple[Any, Any]:
        """Copy ids and lengths of a chunk to the device."""
        length = int(source.lengths.max())
        ids = np.ascontiguousarray(source.ids[:, :length])
        self._staging.to_device(self._ids.data_ptr(), ids)
        self._staging.to_device(self._lengths.data_ptr(), source.lengths)
        view = self._device.view
        return view(self._ids, ids.shape, "int32"), view(self._lengths, source.lengths.shape, "int32")

    def hidden_views(self, ids: Any) -> tuple[Any, Any]:
        """Return where the encoder's output of ids [B, S] goes, [B*S, d_model], and that as [B, S, d_model].

        The output of the last chunk was there, and is done with.
        """
        width, dtype = self._hidden_form
        batch, length = ids.shape
        shapes = (batch * length, width), (batch, length, width)
        flat, hidden = (self._device.view(self._hidden, shape, dtype) for shape in shapes)
        return flat, hidden

    def put_assignments(self, rows: Int32, lengths: Int32) -> Any:
        """Copy rows and source lengths of new words to the device."""
        assignments = np.stack([rows, lengths])
        self._staging.to_device(self._assignments.data_ptr(), assignments)
        return self._device.view(self._assignments, assignments.shape, "int32")

    def assigned_rows(self, count: int) -> Any:
        """Return the rows that `put_assignments` copied."""
        return self._device.view(self._assignments, (count,), "int32")

    def step_arguments(self, rung: int) -> list[Any]:
        """Return token, position, slot and source length of the first rows."""
        return [self._device.view(field, (rung,), "int32") for field in self.state[:_STEP_FIELDS]]

    def look(self, rung: int) -> StepRound:
        """Copy what came of the first rows to the host, behind what the stream has to do."""
        status, outputs, done = self._copies[0]
        self._copies.rotate(-1)
        stream = self._device.stream
        stream.to_host(status, self._status.data_ptr())
        stream.to_host(outputs[:rung], self.outputs.data_ptr())
        done.record(stream)
        return StepRound(self._words.copy(), status, outputs, done)

    def collect(self, seen: StepRound) -> FinishedWords | None:
        """Free the rows of words that had ended in a round; returns them, if there are any."""
        seen.done.wait()
        # A row that was given away after the round began says nothing of the word that has it now.
        ended = np.flatnonzero((seen.status[_LIVE] == 0) & (seen.words >= 0) & (seen.words == self._words))
        if not len(ended):
            return None
        self._words[ended] = -1
        counts = seen.status[_COUNT][ended]
        ids = seen.outputs[ended, : counts.max()].astype(np.int32)
        ids[np.arange(ids.shape[1]) >= counts[:, None]] = 0
        truncated = ids[np.arange(len(ended)), counts - 1] != EOS
        return FinishedWords(seen.words[ended], Decoded(ids, seen.status[_LOGPROB].view(np.float32)[ended], truncated))
