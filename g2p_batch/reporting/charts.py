"""The charts of a page as plain data: columns with their heights, labels and ticks."""

import math
from dataclasses import dataclass

from g2p_batch.counts import count_of
from g2p_batch.reporting.filters import abbreviated, duration, number
from g2p_batch.reporting.histogram import Histogram, HistogramBar
from g2p_batch.reporting.throughput import Throughput
from g2p_batch.reporting.word_tally import WordTally

_MOST_BARS = 36
_MOST_TICKS = 5
"""About as many labels have room below a chart on a phone."""
_GAP, _GAP_OF_ALL = 0.12, 0.004
"""Space between columns, of the width of one, and at most of the width of all."""
_LEAST_HEIGHT = 0.8
"""Height of a column that is not nothing: it has to be seen."""
_ROUND = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)
_NEAR_THE_END = 0.8
"""A label further right would touch the last one."""


@dataclass(frozen=True)
class Column:
    """One column of a chart."""

    label: str
    """What it stands for, as the chart's table has it."""
    value: float
    tick: str = ""
    """What is written below its left edge."""


@dataclass(frozen=True)
class Chart:
    """Columns side by side, each one unit wide, on a plot 100 units high.

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

    @property
    def gap(self) -> float:
        """Space between two columns."""
        return min(_GAP, _GAP_OF_ALL * len(self.columns))

    @property
    def top(self) -> float:
        """Value of the upper edge: the next number of one or two digits that halves well."""
        highest = max(column.value for column in self.columns)
        if highest <= 0:
            return 1.0
        power = 10.0 ** math.floor(math.log10(highest))
        return next(leading for leading in _ROUND if leading * power >= highest * (1 - 1e-9)) * power

    @property
    def heights(self) -> list[float]:
        """Heights of the columns."""
        top = self.top
        return [max(_LEAST_HEIGHT, 100 * column.value / top) if column.value else 0.0 for column in self.columns]

    @property
    def grid(self) -> dict[int, str]:
        """Labels of the horizontal lines by their height."""
        return {height: abbreviated(self.top * (height / 100)) for height in (0, 50, 100)}

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """Labels below the columns, each after its place as a share of the width."""
        end = _NEAR_THE_END if self.last_tick else 1.0
        places = [(index + self.centred / 2) / len(self.columns) for index in range(len(self.columns))]
        ticks = [(place, column.tick) for place, column in zip(places, self.columns, strict=True)]
        return [(place, tick) for place, tick in ticks if tick and place < end]


def speed_chart(throughput: Throughput) -> Chart:
    """Return words per second over time."""
    note = (
        f"{number(throughput.words_per_s)} words a second over {duration(throughput.busy_s)} in which any of "
        f"{count_of(len(throughput.workers), 'worker')} was busy."
    )
    if throughput.breaks:
        note += f" {count_of(throughput.breaks, 'break')} of {duration(throughput.breaks_s)} in all left out."
    every = -(-len(throughput.intervals) // _MOST_TICKS)
    columns = tuple(
        Column(
            f"{duration(one.start_s)} to {duration(one.end_s)}, {number(one.workers, 1)} workers",
            one.words_per_s,
            "" if index % every else duration(one.start_s) if index else "0",
        )
        for index, one in enumerate(throughput.intervals)
    )
    last = duration(throughput.busy_s)
    return Chart("speed", "Words a second over time", note, columns, "Time", "words/s", last_tick=last)


def score_charts(tally: WordTally) -> list[Chart]:
    """Return how log-probabilities are spread; nothing where no word has any."""
    charts = (
        ("sums", "Score of words", "Score", tally.sums, 2),
        ("means", "Score over characters of the pronunciation", "Score a character", tally.means, 3),
    )
    return [
        Chart(
            name,
            title,
            _spread(histogram, digits),
            _columns(histogram, digits),
            along,
            "words",
            last_tick=_last_edge(histogram, digits),
        )
        for name, title, along, histogram, digits in charts
        if histogram.total
    ]


def length_charts(tally: WordTally) -> list[Chart]:
    """Return how long words and pronunciations are; nothing where there is none."""
    charts = (
        ("words", "Length of words", tally.word_lengths, "words"),
        ("prons", "Length of pronunciations", tally.pron_lengths, "pronunciations"),
    )
    return [
        Chart(name, title, _middle(histogram), _columns(histogram, 0), "Characters", unit, centred=True)
        for name, title, histogram, unit in charts
        if histogram.total
    ]


def range_of(bar: HistogramBar, digits: int) -> str:
    """Say what values a bar holds; without digits they are whole numbers, and the last of them is named."""
    low, last = bar.low, bar.high if digits else bar.high - 1
    if low == float("-inf"):
        return f"below {number(bar.high, digits)}"
    if last == float("inf"):
        return f"{number(low, digits)} and more"
    return number(low) if low == last else f"{number(low, digits)} to {number(last, digits)}"


def _spread(scores: Histogram, digits: int) -> str:
    half, twentieth, hundredth = (number(scores.quantile(share), digits) for share in (0.5, 0.05, 0.01))
    words = count_of(scores.total, "word")
    return f"Half of {words} are below {half}, one in 20 below {twentieth}, one in 100 below {hundredth}."


def _middle(lengths: Histogram) -> str:
    half, most = (number(lengths.quantile(share) - 1) for share in (0.5, 0.99))
    return f"In characters; half have at most {half}, 99 in 100 at most {most}."


def _columns(histogram: Histogram, digits: int) -> tuple[Column, ...]:
    bars = [*histogram.bars(_MOST_BARS)]
    ticks = _round_edges([bar.low for bar in bars[1:]])
    return tuple(Column(range_of(bar, digits), bar.count, _edge(bar.low, digits) * (bar.low in ticks)) for bar in bars)


def _round_edges(edges: list[float]) -> set[float]:
    """Choose the edges that are multiples of one round number, about as many as have room."""
    for power in range(-4, 7):
        for leading in (1, 2, 5):
            step = leading * 10.0**power
            chosen = {edge for edge in edges if abs(edge / step - round(edge / step)) < 1e-6}
            if len(chosen) <= _MOST_TICKS:
                return chosen
    return set()


def _last_edge(histogram: Histogram, digits: int) -> str:
    *_, bar = histogram.bars(_MOST_BARS)
    return _edge(bar.high, digits)


def _edge(value: float, digits: int) -> str:
    if abs(value) == float("inf"):
        return ""
    return number(value) if value == round(value) else number(value, digits).rstrip("0")
