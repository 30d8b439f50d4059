"""What a search does between two steps, for all rows: opens what they may go on with, and chooses what is extended.

`g2p_batch.model.nbest` says what is searched for, `search_table` what the arrays hold. A row is read and written by
itself: what becomes of it depends on its word alone. This runs on the host, whatever computes the steps.
"""

from typing import Any

import numpy as np
from tvm import tirx
from tvm.tirx.script import builder as T

from g2p_batch.model import search_table as table
from g2p_batch.model.contract import SLOTS_OF_ROW
from g2p_batch.model.ids import EOS, START
from g2p_compile.kernels.vector import LOWEST, Expr, buffer, kernel, size

_GOING, _OVER = 1, 2
"""What becomes of a row, when it is known."""


def _array(name: str, shape: tuple[Expr, ...], dtype: str = "float32") -> Any:
    """Declare an array of numpy, which need not begin at a whole vector."""
    return buffer(name, shape, dtype, align=np.dtype(dtype).itemsize)


class _Cell:
    """An element of a buffer, as a variable: whole numbers are int64 while they are computed with."""

    def __init__(self, held: Any, *index: Expr) -> None:
        self._buffer, self._index = held, list(index)

    @property
    def value(self) -> Expr:
        """What it holds."""
        value = self._buffer[tuple(self._index)]
        return T.cast(value, "int64") if str(self._buffer.dtype).startswith("int") else value

    def set(self, value: Expr) -> None:
        """Give it another value."""
        if str(self._buffer.dtype).startswith("int"):
            value = T.cast(T.int64(value) if isinstance(value, int) else value, self._buffer.dtype)
        T.buffer_store(self._buffer, value, self._index)

    def add(self, value: int) -> None:
        """Add to it."""
        self.set(self.value + value)

    def raise_to(self, value: Expr) -> None:
        """Give it another value, if that is larger."""
        self.set(tirx.max(self.value, value))


def _variable(value: Expr, dtype: str = "int64") -> _Cell:
    cell = _Cell(T.alloc_buffer((1,), dtype, scope="local"), 0)
    cell.set(value)
    return cell


def _one(value: int) -> Expr:
    return T.int64(value)


class _Arrays:
    """The parameters of the kernel: what the step gave, the table, and the logarithm of the least share."""

    def __init__(self) -> None:
        self.live, choices, rows, nodes, slots, variants, ended, outputs, reach = (size() for _ in range(9))
        self.choices, self.allowance, self.variants, self.reach = choices, nodes - 1, variants, reach
        self.rows = rows
        self.token = _array("token", (self.live, choices), "int32")
        self.gain = _array("gain", (self.live, choices))
        self.columns = _array("columns", (5, rows), "int32")
        self.row = _array("row", (rows,), "int32")
        self.word = _array("word", (rows,), "int64")
        self.state = _array("state", (rows, 5), "int32")
        self.bounds = _array("bounds", (rows, 4))
        self.node = _array("node", (rows, nodes, 4), "int32")
        self.filled = _array("filled", (rows, slots), "int32")
        self.open_logprob = _array("open_logprob", (rows, table.OPEN))
        self.open_way = _array("open_way", (rows, table.OPEN, 2), "int32")
        self.found_logprob = _array("found_logprob", (rows, variants))
        self.found_way = _array("found_way", (rows, variants, 2), "int32")
        self.forks = _array("forks", (3, rows), "int32")
        self.vacated = _array("vacated", (rows,), "int32")
        self.ended_word = _array("ended_word", (ended,), "int64")
        self.ended = _array("ended", (ended, 2), "int32")
        self.out_ids = _array("out_ids", (outputs, reach), "int32")
        self.out_logprob = _array("out_logprob", (outputs,))
        self.out_length = _array("out_length", (outputs,), "int32")
        self.totals = _array("totals", (5,), "int32")
        self.log_share = T.arg("log_share", T.float32())

    def total(self, which: int) -> _Cell:
        return _Cell(self.totals, which)


class _Row:
    """One row, while code for it is emitted."""

    def __init__(self, arrays: _Arrays, row: Expr) -> None:
        self.arrays, self.row = arrays, row
        self.nodes, self.opened, self.found, self.diving, self.whole_parent = (
            _Cell(arrays.state, row, field)
            for field in (table.NODES, table.OPENED, table.FOUND, table.DIVING, table.WHOLE_PARENT)
        )
        self.logprob, self.lost, self.least, self.whole = (
            _Cell(arrays.bounds, row, field) for field in (table.LOGPROB, table.LOST, table.LEAST, table.WHOLE)
        )

    def node(self, number: Expr, field: int) -> _Cell:
        return _Cell(self.arrays.node, self.row, number, field)

    def open_logprob(self, place: Expr) -> _Cell:
        return _Cell(self.arrays.open_logprob, self.row, place)

    def open_way(self, place: Expr, field: int) -> _Cell:
        return _Cell(self.arrays.open_way, self.row, place, field)

    def filled(self, slot: Expr) -> _Cell:
        return _Cell(self.arrays.filled, self.row, slot)

    def begin(self) -> None:
        """Forget the word before; the first node is the one that this step extended."""
        for count in (self.opened, self.found, self.whole_parent):
            count.set(0)
        self.nodes.set(1)
        self.diving.set(1)
        self.logprob.set(T.float32(0.0))
        for bound in (self.lost, self.least, self.whole):
            bound.set(T.float32(LOWEST))
        for field, value in ((table.NODE_TOKEN, START), (table.NODE_PARENT, 0), (table.NODE_DEPTH, 0)):
            self.node(_one(0), field).set(value)
        self.node(_one(0), table.NODE_SLOT).set(0)
        with T.serial(0, SLOTS_OF_ROW) as slot:
            self.filled(slot).set(tirx.Select(slot == 0, 1, 0))

    def open(self, logprob: Expr, token: Expr, parent: Expr) -> None:
        """Put a beginning in its place, behind equals; where there is none left the least probable is lost."""
        last = _one(table.OPEN)
        with T.If(self.opened.value == last), T.Then():
            self.lost.raise_to(tirx.min(self.open_logprob(_one(0)).value, logprob))
            with T.If(logprob > self.open_logprob(_one(0)).value), T.Then():
                with T.serial(0, last - 1) as place:
                    self._move(place + 1, place)
                self.opened.add(-1)
        with T.If(self.opened.value < last), T.Then():
            place = _variable(self.opened.value)
            below = tirx.max(place.value - 1, _one(0))
            with T.While(tirx.all(place.value > 0, self.open_logprob(below).value >= logprob)):
                self._move(place.value - 1, place.value)
                place.add(-1)
            self.open_logprob(place.value).set(logprob)
            self.open_way(place.value, table.WAY_TOKEN).set(token)
            self.open_way(place.value, table.WAY_PARENT).set(parent)
            self.opened.add(1)

    def _move(self, origin: Expr, target: Expr) -> None:
        self.open_logprob(target).set(self.open_logprob(origin).value)
        for field in (table.WAY_TOKEN, table.WAY_PARENT):
            self.open_way(target, field).set(self.open_way(origin, field).value)

    def find(self, logprob: Expr, token: Expr, parent: Expr) -> None:
        """Remember a whole output."""
        number = T.Bind(self.found.value)
        _Cell(self.arrays.found_logprob, self.row, number).set(logprob)
        _Cell(self.arrays.found_way, self.row, number, table.WAY_TOKEN).set(token)
        _Cell(self.arrays.found_way, self.row, number, table.WAY_PARENT).set(parent)
        with T.If(number == 0), T.Then():
            self.least.raise_to(logprob + self.arrays.log_share)
        self.found.add(1)

    def slot_of(self, place: Expr) -> Expr:
        """Return the slot that an open beginning goes on from."""
        return self.node(self.open_way(place, table.WAY_PARENT).value, table.NODE_SLOT).value

    def whole_slot(self, slot: Expr) -> Expr:
        """Return which slot of the cache one of this row is."""
        return slot * self.arrays.rows + self.row

    def fork(self, origin: Expr, depth: Expr) -> Expr:
        """Return a slot that will have the first positions of another: the one that is needed least."""
        arrays = self.arrays
        needed = T.alloc_buffer((SLOTS_OF_ROW,), "float32", scope="local")
        with T.serial(0, SLOTS_OF_ROW) as slot:
            T.buffer_store(needed, T.float32(LOWEST), [slot])
        with T.serial(0, self.opened.value) as place:
            logprob = T.Bind(self.open_logprob(place).value)
            with T.If(logprob >= self.least.value), T.Then():
                T.buffer_store(needed, logprob, [self.slot_of(place)])
        T.buffer_store(needed, T.float32(-LOWEST), [origin])
        target = _variable(_one(0))
        with T.serial(0, SLOTS_OF_ROW) as slot, T.If(needed[slot] < needed[target.value]), T.Then():
            target.set(slot)
        chosen = T.Bind(target.value)
        with T.If(needed[chosen] > T.float32(LOWEST)), T.Then():
            # All are needed: what is open in the worst of them is given up.
            self.lost.raise_to(needed[chosen])
            kept = _variable(_one(0))
            with T.serial(0, self.opened.value) as place, T.If(self.slot_of(place) != chosen), T.Then():
                self._move(place, kept.value)
                kept.add(1)
            self.opened.set(kept.value)
        number = T.Bind(arrays.total(table.FORKS).value)
        slots = ((table.ORIGIN, self.whole_slot(origin)), (table.TARGET, self.whole_slot(chosen)))
        for field, value in (*slots, (table.COUNT, depth)):
            _Cell(arrays.forks, field, number).set(value)
        arrays.total(table.FORKS).add(1)
        return chosen


def choose() -> tirx.PrimFunc:
    """Return the function that takes a step's tokens and log-probabilities, [L, K], the arrays of a `SearchTable`, and
    the logarithm of the least share as float32, and leaves in the table what the next step is given.
    """
    with kernel("choose") as built:
        arrays = _Arrays()
        live = arrays.total(table.LIVE)
        for which in (table.LIVE, table.FORKS, table.VACATED):
            arrays.total(which).set(0)
        with T.serial(0, arrays.live) as column:
            row = _Row(arrays, T.Bind(_Cell(arrays.row, column).value))
            depth = T.Bind(_Cell(arrays.columns, table.POSITION, column).value)
            with T.If(depth == 0), T.Then():
                row.begin()
            going = _variable(_one(0))
            logprob = _variable(T.float32(0.0), "float32")
            token, parent = _variable(_one(0)), _variable(row.nodes.value - 1)
            _open_ways(row, column, depth, going, logprob, token)
            _take_best(row, going, logprob, token, parent)
            with T.If(going.value == _GOING):
                with T.Then():
                    slot = _add_node(row, logprob.value, token.value, parent.value)
                    depth = row.node(row.nodes.value - 1, table.NODE_DEPTH).value
                    # Columns close ranks: none behind this one was written yet.
                    kept = T.Bind(live.value)
                    for field in (table.LENGTH, table.SOURCE):
                        held = _Cell(arrays.columns, field, column).value
                        _Cell(arrays.columns, field, kept).set(held)
                    moved = ((table.TOKEN, token.value), (table.POSITION, depth))
                    for field, value in (*moved, (table.SLOT, row.whole_slot(slot))):
                        _Cell(arrays.columns, field, kept).set(value)
                    _Cell(arrays.row, kept).set(row.row)
                    live.add(1)
                with T.Else():
                    _end(row)
    return built.get()


def _open_ways(row: _Row, column: Expr, depth: Expr, going: _Cell, logprob: _Cell, token: _Cell) -> None:
    """Open the ways on from the node that was extended; a dive goes on with the best of them."""
    arrays, parent = row.arrays, row.nodes.value - 1
    with T.serial(0, arrays.choices) as way:
        said = T.Bind(T.cast(arrays.token[column, way], "int64"))
        total = T.Bind(row.logprob.value + arrays.gain[column, way])
        with T.If(tirx.all(total >= row.least.value, total > T.float32(LOWEST))), T.Then():
            dives = tirx.all(way == 0, row.diving.value == 1, said != EOS, depth + 1 < arrays.reach)
            with T.If(tirx.all(dives, row.nodes.value <= arrays.allowance)):
                with T.Then():
                    going.set(_GOING)
                    logprob.set(total)
                    token.set(said)
                with T.Else():
                    row.open(total, said, parent)
            # Of the tokens behind the best K none is more probable than the last of these.
            with T.If(way == arrays.choices - 1), T.Then():
                row.lost.raise_to(total)
            with T.If(said == EOS), T.Then():
                with T.If(total > row.whole.value), T.Then():
                    row.whole.set(total)
                    row.whole_parent.set(parent)
                # The best output is at least as probable as any that is whole.
                row.least.raise_to(total + arrays.log_share)
    row.diving.set(going.value)


def _take_best(row: _Row, going: _Cell, logprob: _Cell, token: _Cell, parent: _Cell) -> None:
    """Take the best that is open: whole outputs are found, until a beginning is to be extended or nothing is left."""
    arrays = row.arrays
    with T.While(going.value == 0):
        best = T.Bind(tirx.max(row.opened.value - 1, _one(0)))
        highest = T.Bind(row.open_logprob(best).value)
        is_over = tirx.any(row.opened.value == 0, row.found.value == arrays.variants, highest < row.least.value)
        with T.If(is_over):
            with T.Then():
                going.set(_OVER)
            with T.Else():
                last = T.Bind(row.open_way(best, table.WAY_TOKEN).value)
                before = T.Bind(row.open_way(best, table.WAY_PARENT).value)
                depth = row.node(before, table.NODE_DEPTH).value + 1
                with T.If(tirx.any(last == EOS, depth == arrays.reach)):
                    with T.Then():
                        row.opened.add(-1)
                        row.find(highest, last, before)
                    with T.Else(), T.If(row.nodes.value > arrays.allowance):
                        with T.Then():
                            _find_open(row)
                            going.set(_OVER)
                        with T.Else():
                            row.opened.add(-1)
                            going.set(_GOING)
                            logprob.set(highest)
                            token.set(last)
                            parent.set(before)


def _find_open(row: _Row) -> None:
    """Take the whole outputs that are open, when nothing more is extended: they may not be the most probable ones."""
    row.lost.set(T.float32(-LOWEST))
    with T.serial(0, row.opened.value) as back:
        place = T.Bind(row.opened.value - 1 - back)
        logprob = T.Bind(row.open_logprob(place).value)
        is_whole = row.open_way(place, table.WAY_TOKEN).value == EOS
        is_wanted = tirx.all(logprob >= row.least.value, row.found.value < row.arrays.variants)
        with T.If(tirx.all(is_whole, is_wanted)), T.Then():
            row.find(logprob, _one(EOS), row.open_way(place, table.WAY_PARENT).value)


def _add_node(row: _Row, logprob: Expr, token: Expr, parent: Expr) -> Expr:
    """Make the node that the next step extends; returns its slot."""
    depth = T.Bind(row.node(parent, table.NODE_DEPTH).value + 1)
    origin = T.Bind(row.node(parent, table.NODE_SLOT).value)
    slot = _variable(origin)
    with T.If(row.filled(origin).value != depth), T.Then():
        slot.set(row.fork(origin, depth))
    row.filled(slot.value).set(depth + 1)
    row.logprob.set(logprob)
    number = T.Bind(row.nodes.value)
    fields = (
        *((table.NODE_TOKEN, token), (table.NODE_PARENT, parent)),
        *((table.NODE_DEPTH, depth), (table.NODE_SLOT, slot.value)),
    )
    for field, value in fields:
        row.node(number, field).set(value)
    row.nodes.add(1)
    return slot.value


def _end(row: _Row) -> None:
    """Give the outputs of a word whose search is over, and vacate its row."""
    arrays = row.arrays
    best = T.Bind(tirx.max(row.opened.value - 1, _one(0)))
    highest = T.Bind(row.open_logprob(best).value)
    with T.If(row.found.value == 0), T.Then():
        # Nothing was found in time: the best beginning, cut off, where no whole output was ever open.
        is_cut = tirx.all(row.whole.value == T.float32(LOWEST), row.opened.value > 0)
        with T.If(is_cut):
            with T.Then():
                row.find(highest, *(row.open_way(best, field).value for field in (table.WAY_TOKEN, table.WAY_PARENT)))
            with T.Else():
                row.find(row.whole.value, _one(EOS), row.whole_parent.value)
    count = T.Bind(row.found.value)
    ended, first = (T.Bind(arrays.total(which).value) for which in (table.ENDED, table.OUTPUTS))
    with T.serial(0, count) as number:
        _write(row, number, first + number)
    is_full = count == arrays.variants
    lowest = _Cell(arrays.found_logprob, row.row, tirx.max(count - 1, _one(0))).value
    is_searched = tirx.any(is_full, row.opened.value == 0, highest < row.least.value)
    is_proven = tirx.all(row.lost.value <= tirx.Select(is_full, lowest, row.least.value), is_searched)
    _Cell(arrays.ended_word, ended).set(_Cell(arrays.word, row.row).value)
    _Cell(arrays.ended, ended, 0).set(count)
    _Cell(arrays.ended, ended, 1).set(tirx.Select(is_proven, _one(1), _one(0)))
    arrays.total(table.ENDED).add(1)
    arrays.total(table.OUTPUTS).set(first + count)
    _Cell(arrays.vacated, arrays.total(table.VACATED).value).set(row.row)
    arrays.total(table.VACATED).add(1)


def _write(row: _Row, number: Expr, place: Expr) -> None:
    """Write an output, from its last token to its first."""
    arrays = row.arrays
    token, parent = (_Cell(arrays.found_way, row.row, number, f).value for f in (table.WAY_TOKEN, table.WAY_PARENT))
    node = _variable(parent)
    depth = T.Bind(row.node(node.value, table.NODE_DEPTH).value)
    with T.serial(0, arrays.reach) as at:
        _Cell(arrays.out_ids, place, at).set(0)
    _Cell(arrays.out_ids, place, depth).set(token)
    with T.serial(0, depth) as back:
        _Cell(arrays.out_ids, place, depth - 1 - back).set(row.node(node.value, table.NODE_TOKEN).value)
        node.set(row.node(node.value, table.NODE_PARENT).value)
    _Cell(arrays.out_length, place).set(depth + 1)
    _Cell(arrays.out_logprob, place).set(_Cell(arrays.found_logprob, row.row, number).value)
