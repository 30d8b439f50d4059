"""The middle of the page: languages, speed, scores, lengths."""

from g2p_batch.counts import count_of, ranked
from g2p_batch.languages import LANGUAGES
from g2p_batch.reporting.charts import Chart, Column, chart, meter
from g2p_batch.reporting.facts import Facts
from g2p_batch.reporting.histogram import Bar, Histogram
from g2p_batch.reporting.markup import Html, duration, el, joined, number, section, table
from g2p_batch.reporting.pace import Pace, Span

_LANGUAGES_FIRST = 12
_BARS = 36
_TICKS = 5
"""About as many labels have room below a chart on a phone."""


def languages(facts: Facts) -> Html:
    """Return words by language, the largest first."""
    head = ("Language", "Words", *(["Missing"] if facts.missing else []), "To check", "Mean score")
    most = max(facts.plan.languages.values(), default=1)
    rows = [_language(facts, tag, count, most) for tag, count in ranked(facts.plan.languages).items()]

    def shown(some: list[list[str]]) -> Html:
        return el("div", table(head, some, frozenset(range(1, len(head))), "langs"), class_="scroll")

    first, rest = rows[:_LANGUAGES_FIRST], rows[_LANGUAGES_FIRST:]
    more = [el("details", el("summary", f"{len(rest)} more"), shown(rest))] if rest else []
    note = el("p", "Mean score: the mean log-probability of a word; a language whose words are longer scores lower.")
    return section("Words by language", note, shown(first), *more)


def _language(facts: Facts, tag: str, count: int, most: int) -> list[str]:
    tally, known = facts.tally, LANGUAGES.get(tag)
    scored, doubtful = tally.scored[tag], tally.doubtful[tag]
    name = joined(known.name, " ", el("span", tag, class_="tag")) if known else joined(tag)
    return [
        joined(name, meter(tally.words[tag] / most, count / most)),
        number(count),
        *([number(count - tally.words[tag])] if facts.missing else []),
        number(doubtful) if doubtful else "",
        number(tally.score[tag] / scored, 2) if scored else "",
    ]


def speed(pace: Pace | None) -> Html:
    """Return words per second over time, and by how many workers were busy at once."""
    if pace is None:
        return section("Speed", el("p", "Nothing is decoded yet."))
    note = (
        f"{number(pace.words_per_s)} words a second over {duration(pace.busy_s)} in which any of "
        f"{count_of(len(pace.workers), 'worker')} was busy."
    )
    if pace.breaks:
        note += f" {count_of(pace.breaks, 'break')} of {duration(pace.breaks_s)} in all left out."
    every = -(-len(pace.spans) // _TICKS)
    columns = tuple(
        Column(_stretch(span), span.words_per_s, "" if place % every else duration(span.start_s) if place else "0")
        for place, span in enumerate(pace.spans)
    )
    drawn = Chart(
        "speed", "Words a second over time", note, columns, "Time", "words/s", last_tick=duration(pace.busy_s)
    )
    rows = [
        (
            number(crew.least) if crew.least == crew.most else f"{crew.least:,} to {crew.most:,}",
            duration(crew.seconds),
            number(crew.words),
            number(crew.words_per_s),
            number(crew.words_per_worker_s),
        )
        for crew in pace.together
    ]
    head = ("Busy at once", "Time", "Words", "Words/s", "A worker")
    by_crew = el("div", table(head, rows, frozenset(range(1, 5)), "crews"), class_="scroll")
    source = el("p", "From the receipts of shards: within a shard the speed is its mean.", class_="soft")
    return section("Speed", chart(drawn), el("h3", "By workers at work"), by_crew, source)


def _stretch(span: Span) -> str:
    return f"{duration(span.start_s)} to {duration(span.end_s)}, {number(span.workers, 1)} workers"


def scores(facts: Facts) -> Html:
    """Return how log-probabilities are spread."""
    tally = facts.tally
    if not tally.sums.total:
        return section("Scores", el("p", "No word has a score."))
    note = (
        "A score is the log-probability of the whole pronunciation: 0 is certain. Sorted by it, wrong words come first "
        "more often than sorted by a mean, since long words are more often wrong."
    )
    drawn = [
        Chart(
            name,
            title,
            _spread(counts, digits),
            _columns(counts, digits),
            along,
            "words",
            last_tick=_last(counts, digits),
        )
        for name, title, along, counts, digits in (
            ("sums", "Score of words", "Score", tally.sums, 2),
            ("means", "Score over characters of the pronunciation", "Score a character", tally.means, 3),
        )
    ]
    return section("Scores", el("p", note), el("div", *map(chart, drawn), class_="pair"))


def lengths(facts: Facts) -> Html:
    """Return how long words and pronunciations are."""
    tally = facts.tally
    if not tally.word_lengths.total:
        return section("Lengths", el("p", "No word is decoded yet."))
    drawn = [
        Chart(name, title, _middle(counts), _columns(counts, 0), "Characters", unit, centred=True)
        for name, title, counts, unit in (
            ("words", "Length of words", tally.word_lengths, "words"),
            ("prons", "Length of pronunciations", tally.pron_lengths, "pronunciations"),
        )
    ]
    return section("Lengths", el("div", *map(chart, drawn), class_="pair"))


def _spread(counts: Histogram, digits: int) -> str:
    half, twentieth, hundredth = (number(counts.quantile(share), digits) for share in (0.5, 0.05, 0.01))
    words = count_of(counts.total, "word")
    return f"Half of {words} are below {half}, one in 20 below {twentieth}, one in 100 below {hundredth}."


def _middle(counts: Histogram) -> str:
    half, most = (number(counts.quantile(share) - 1) for share in (0.5, 0.99))
    return f"In characters; half have at most {half}, 99 in 100 at most {most}."


def _columns(counts: Histogram, digits: int) -> tuple[Column, ...]:
    bars = [*counts.bars(_BARS)]
    ticks = _ticks([bar.low for bar in bars[1:]])
    return tuple(Column(range_of(bar, digits), bar.count, _edge(bar.low, digits) * (bar.low in ticks)) for bar in bars)


def _ticks(edges: list[float]) -> set[float]:
    """Choose the edges that are multiples of one round number, about as many as have room."""
    for power in range(-4, 7):
        for leading in (1, 2, 5):
            step = leading * 10.0**power
            chosen = {edge for edge in edges if abs(edge / step - round(edge / step)) < 1e-6}
            if len(chosen) <= _TICKS:
                return chosen
    return set()


def _last(counts: Histogram, digits: int) -> str:
    *_, bar = counts.bars(_BARS)
    return _edge(bar.high, digits)


def range_of(bar: Bar, digits: int) -> str:
    """Say what values a bar holds; without digits they are whole numbers, and the last of them is named."""
    low, last = bar.low, bar.high if digits else bar.high - 1
    if low == float("-inf"):
        return f"below {number(bar.high, digits)}"
    if last == float("inf"):
        return f"{number(low, digits)} and more"
    return number(low) if low == last else f"{number(low, digits)} to {number(last, digits)}"


def _edge(value: float, digits: int) -> str:
    if abs(value) == float("inf"):
        return ""
    return number(value) if value == round(value) else number(value, digits).rstrip("0")
