"""What a search remembers between steps, as arrays that compiled code reads and writes."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from g2p_batch.model.contract import SLOTS_OF_ROW, LengthBucket
from g2p_batch.model.greedy import Indices
from g2p_batch.model.ids import START, Bool, Float32, Int32

OPEN = 64
"""Beginnings that a word can have open; a worse one that finds no place is remembered by its probability."""

TOKEN, POSITION, SLOT, LENGTH, SOURCE = range(5)
"""Of `columns`."""
NODES, OPENED, FOUND, DIVING, WHOLE_PARENT = range(5)
"""Of `state`: nodes, open beginnings and whole outputs that a row has; whether none is whole yet, when the best token
is taken, step by step; and the node before the EOS of the best whole output that was opened."""
LOGPROB, LOST, LEAST, WHOLE = range(4)
"""Of `bounds`, log-probabilities: of the node that is extended; of the best that found no place; of what is looked for
at least; of the best whole output that was opened."""
NODE_TOKEN, NODE_PARENT, NODE_DEPTH, NODE_SLOT = range(4)
"""Of a node: its token, the node before it, how many are before it, and the slot of its row that its step wrote to."""
WAY_TOKEN, WAY_PARENT = range(2)
"""Of a beginning that is open, or a whole output: the last token, and the node before it."""
ORIGIN, TARGET, COUNT = range(3)
"""Of `forks`."""
LIVE, FORKS, ENDED, OUTPUTS, VACATED = range(5)
"""Of `totals`: how much there is in the columns, and behind them in the other arrays that are filled from the front."""


@dataclass(frozen=True)
class SearchTable:
    """Rows of a search: R of them, and what became of up to M words that ended, with N outputs each.

    Slot s of row r is slot s * R + r of the cache: memory of slots that no word needs is not touched.

    A row is a seat that a word keeps until its search is over. Rows that are live have a column each, in no order.

    Attributes:
        columns: [5, R], what the next step is given of each live row.
        row: [R], the row of each column.
        word: [R] int64, which word a row has.
        state: [R, 5], counts of a row.
        bounds: [R, 4], log-probabilities of a row.
        node: [R, A + 1, 4], the beginnings that were extended, A being the most of a word.
        filled: [R, S], how many positions each slot of a row has.
        open_logprob: [R, OPEN], rising.
        open_way: [R, OPEN, 2], what these are of.
        found_logprob: [R, N], falling.
        found_way: [R, N, 2], what these are of.
        forks: [3, R], slots to be forked before the next step.
        vacated: [R], rows whose words ended in the last step.
        ended_word: [M] int64, words whose search is over.
        ended: [M, 2], how many outputs each has, and whether they are proven.
        out_ids: [M * N, T], their outputs, 0 behind the last token.
        out_logprob: [M * N].
        out_length: [M * N], tokens of each.
        totals: [5].
    """

    columns: Int32
    row: Int32
    word: Indices
    state: Int32
    bounds: Float32
    node: Int32
    filled: Int32
    open_logprob: Float32
    open_way: Int32
    found_logprob: Float32
    found_way: Int32
    forks: Int32
    vacated: Int32
    ended_word: Indices
    ended: Int32
    out_ids: Int32
    out_logprob: Float32
    out_length: Int32
    totals: Int32

    @property
    def arrays(self) -> list[npt.NDArray[Any]]:
        """As compiled code takes them."""
        return [getattr(self, field.name) for field in fields(self)]

    @property
    def live(self) -> int:
        """How many rows have a column."""
        return int(self.totals[LIVE])

    @property
    def next_columns(self) -> Int32:
        """What the next step is given, [5, live]: the columns of `greedy.Rows`, and the slots of the sources."""
        return self.columns[:, : self.live]

    @property
    def next_forks(self) -> Int32:
        """What is forked before the next step, [3, F]: origins, targets and counts."""
        return self.forks[:, : int(self.totals[FORKS])]

    @property
    def vacated_rows(self) -> Int32:
        """Rows whose words ended in the last step."""
        return self.vacated[: int(self.totals[VACATED])]

    @property
    def words_ended(self) -> int:
        """How many words ended since they were last taken."""
        return int(self.totals[ENDED])

    def seat(self, rows: Int32, words: Indices, lengths: Int32, sources: Int32) -> None:
        """Give vacant rows to words, all [n]: with the lengths of what is encoded of them, and the slots of that."""
        first, end = self.live, self.live + len(rows)
        begin = np.zeros(len(rows), np.int32)
        self.columns[:, first:end] = begin + START, begin, rows, lengths, sources
        self.row[first:end] = rows
        self.word[rows] = words
        self.totals[LIVE] = end

    def take_ended(self) -> tuple[Indices, Indices, Bool, Int32, Float32, Int32]:
        """Return the words that ended since the last call, at least one, and forget them.

        Returns:
            of each word: which it is, how many outputs it has, whether they are proven; of each output, those of a word
            adjacent and the best first: ids, 0 behind the last one, the log-probability, and how many ids there are.
        """
        words, outputs = (int(self.totals[which]) for which in (ENDED, OUTPUTS))
        self.totals[[ENDED, OUTPUTS]] = 0
        count, proven = self.ended[:words].T
        length = self.out_length[:outputs].copy()
        ids, logprob = self.out_ids[:outputs, : length.max()].copy(), self.out_logprob[:outputs].copy()
        return self.ended_word[:words].copy(), count.astype(np.int64), proven.astype(np.bool_), ids, logprob, length


def search_table(bucket: LengthBucket, variants: int, allowance: int) -> SearchTable:
    """Return the table of a search in a bucket, without any word.

    Args:
        bucket: whose rows it has.
        variants: most outputs of a word.
        allowance: most beginnings of a word that are extended.
    """
    rows = bucket.search_rows
    # Fewer than a batch have ended when a step begins, and all rows may end in it.
    ended = bucket.batch + rows

    def whole(*shape: int) -> Int32:
        return np.zeros(shape, np.int32)

    def real(*shape: int) -> Float32:
        return np.zeros(shape, np.float32)

    return SearchTable(
        columns=whole(5, rows),
        row=whole(rows),
        word=np.zeros(rows, np.int64),
        state=whole(rows, 5),
        bounds=real(rows, 4),
        node=whole(rows, allowance + 1, 4),
        filled=whole(rows, SLOTS_OF_ROW),
        open_logprob=real(rows, OPEN),
        open_way=whole(rows, OPEN, 2),
        found_logprob=real(rows, variants),
        found_way=whole(rows, variants, 2),
        forks=whole(3, rows),
        vacated=whole(rows),
        ended_word=np.zeros(ended, np.int64),
        ended=whole(ended, 2),
        out_ids=whole(ended * variants, bucket.target_bytes),
        out_logprob=real(ended * variants),
        out_length=whole(ended * variants),
        totals=whole(5),
    )
