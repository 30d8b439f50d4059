"""Charts as SVG: columns that take the width they are given, with their labels as text that keeps its size."""

import math
from dataclasses import dataclass
from itertools import accumulate

from g2p_batch.reporting.markup import Html, el, joined, number, table

_HEIGHT = 100.0
_GAP, _GAP_OF_ALL = 0.12, 0.004
"""Space between columns, of the width of one, and at most of the width of all."""
_LEAST = 0.8
"""Height of a column that is not nothing: it has to be seen."""
_ROUND = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)
_NEAR_THE_END = 0.8
"""A label further right would touch the last one."""
_UNITS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


@dataclass(frozen=True)
class Column:
    """One column of a chart."""

    label: str
    """What it stands for, as its table says it."""
    value: float
    tick: str = ""
    """What is written below its left edge."""


@dataclass(frozen=True)
class Chart:
    """Columns side by side.

    Attributes:
        name: an identifier that no other chart of the page has.
        title: what is drawn.
        note: what to see in it, in a sentence; also its text alternative.
        columns: at least one.
        along: what the columns stand for.
        unit: what their heights count.
        digits: decimals of the values in the table.
        last_tick: what is written at the right end.
        centred: write the ticks below the middle of their columns.
    """

    name: str
    title: str
    note: str
    columns: tuple[Column, ...]
    along: str
    unit: str
    digits: int = 0
    last_tick: str = ""
    centred: bool = False


def chart(drawn: Chart) -> Html:
    """Return a chart with its title, labels, and its numbers as a table that can be opened."""
    top = _round_up(max(column.value for column in drawn.columns))
    rows = [(column.label, number(column.value, drawn.digits)) for column in drawn.columns]
    return el(
        "figure",
        el("figcaption", el("b", drawn.title), " ", el("span", drawn.note)),
        el("div", _heights(top, drawn.unit), _plot(drawn, top), _ticks(drawn), class_="chart"),
        el(
            "details",
            el("summary", "As a table"),
            table((drawn.along, drawn.unit), rows, frozenset({1})),
            class_="numbers",
        ),
    )


def strip(shares: list[tuple[int, str]], label: str) -> Html:
    """Return one bar made of several parts.

    Args:
        shares: count and class of each part.
        label: the text alternative.
    """
    total = sum(count for count, _ in shares) or 1
    starts = accumulate((count for count, _ in shares), initial=0)
    parts = [
        el("rect", x=f"{start / total:.5f}", y=0, width=f"{count / total:.5f}", height=1, class_=class_)
        for start, (count, class_) in zip(starts, shares, strict=False)
        if count
    ]
    return _svg("0 0 1 1", "strip", el("title", label), *parts, role="img", aria_label=label)


def swatch(class_: str) -> Html:
    """Return a patch of the colour of a part of `strip`, for its key."""
    return _svg("0 0 1 1", "swatch", el("rect", width=1, height=1, class_=class_), aria_hidden="true")


def meter(done: float, planned: float) -> Html:
    """Return a thin bar for a cell whose numbers stand beside it: so much of its width is done, so much is planned."""
    bars = [
        el("rect", x=0, y=0, width=f"{share:.4f}", height=1, class_=class_)
        for share, class_ in ((planned, "s2"), (done, "c"))
    ]
    return _svg("0 0 1 1", "meter", *bars, aria_hidden="true")


def _plot(drawn: Chart, top: float) -> Html:
    count = len(drawn.columns)
    grid = "".join(f"M0 {_HEIGHT * part:g}H{count}" for part in (0.0, 0.5, 1.0))
    ids = (f"{drawn.name}-t", f"{drawn.name}-d")
    return _svg(
        f"0 0 {count} {_HEIGHT:g}",
        "plot",
        el("title", drawn.title, id=ids[0]),
        el("desc", drawn.note, id=ids[1]),
        el("path", d=grid, class_="grid"),
        *(_column(place, column, top, drawn) for place, column in enumerate(drawn.columns)),
        role="img",
        aria_labelledby=" ".join(ids),
    )


def _column(place: int, column: Column, top: float, drawn: Chart) -> Html:
    height = max(_LEAST, _HEIGHT * column.value / top) if column.value else 0.0
    told = el("title", f"{column.label}: {number(column.value, drawn.digits)}")
    gap = min(_GAP, _GAP_OF_ALL * len(drawn.columns))
    box = {"x": f"{place + gap / 2:g}", "width": f"{1 - gap:g}"}
    return joined(
        el("rect", y=f"{_HEIGHT - height:.2f}", height=f"{height:.2f}", class_="c", **box),
        el("rect", told, y=0, height=f"{_HEIGHT:g}", class_="hover", **box),
    )


def _heights(top: float, unit: str) -> Html:
    labels = [el("span", _short(top * part), style=f"bottom:{part:.0%}") for part in (0.0, 0.5, 1.0)]
    # The widest label once more, unseen, gives the column its width.
    widest = max((_short(top * part) for part in (0.5, 1.0)), key=len)
    return el("div", el("i", widest), *labels, class_="heights", aria_hidden="true", title=unit)


def _ticks(drawn: Chart) -> Html:
    far = _NEAR_THE_END if drawn.last_tick else 1.0
    places = ((place + drawn.centred / 2) / len(drawn.columns) for place in range(len(drawn.columns)))
    labels = [
        el("span", column.tick, style=f"left:{place:.2%}")
        for place, column in zip(places, drawn.columns, strict=True)
        if column.tick and place < far
    ]
    last = [el("span", drawn.last_tick, class_="last")] if drawn.last_tick else []
    return el("div", *labels, *last, class_="ticks", aria_hidden="true")


def _svg(box: str, class_: str, *children: str, **attributes: str) -> Html:
    return el("svg", *children, viewBox=box, preserveAspectRatio="none", class_=class_, **attributes)


def _round_up(value: float) -> float:
    """Return the next number of one or two digits that halves well."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(leading for leading in _ROUND if leading * power >= value * (1 - 1e-9)) * power


def _short(value: float) -> str:
    for size, unit in _UNITS:
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"
