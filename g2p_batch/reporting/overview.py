"""The head of the page: what the run is, whether it is complete, and what became of every row."""

from datetime import UTC, datetime

from g2p_batch.counts import count_of
from g2p_batch.reporting.charts import strip, swatch
from g2p_batch.reporting.facts import Facts
from g2p_batch.reporting.markup import Html, el, given, joined, number
from g2p_batch.run.run_directory import Quarantine, shard_name
from g2p_batch.run.status import named

_LONGEST_REASON = 300
_NAMED = 5
"""Most damaged files and shards given up that are told of one by one."""


def overview(facts: Facts) -> Html:
    """Return title, state, what is missing, and the figures in large."""
    plan = facts.plan
    pace = facts.pace
    when = f", decoded {_moment(pace.first_s)} to {_moment(pace.last_s)} UTC" if pace else ""
    return joined(
        el("p", "Pronunciation run", class_="eyebrow"),
        el("h1", given(facts.root.absolute().name)),
        el(
            "p",
            el("span", "Unfinished" if facts.missing else "Complete", class_="state"),
            " ",
            el("span", f"{_model(plan.model)}, {plan.dtype}{when}", class_="soft"),
            class_="open" if facts.missing else None,
        ),
        *_notices(facts),
        _heads(facts),
        _rows(facts),
    )


def _model(name: str) -> str:
    return "bundled model" if name == "bundled" else name.rsplit("/", 1)[-1]


def _notices(facts: Facts) -> list[Html]:
    told: list[Html] = []
    if facts.missing:
        done, of = len(facts.receipts), count_of(len(facts.plan.shards), "shard")
        what = f"{done:,} of {of} done, {count_of(facts.missing_words, 'word')} missing"
        told.append(_notice(f"{what}: all figures below are of what is done. ", *_remedy(facts)))
        told.append(_notice(f"Missing shards: {named(map(shard_name, facts.missing))}."))
    told += _few([_given_up(shard, record) for shard, record in sorted(facts.given_up.items())], "given up")
    told += _few([_notice("Missing or damaged: ", el("code", given(name)), ".") for name in facts.damaged], "damaged")
    if facts.summary is None:
        told.append(_notice("No lexicon was written yet, so what its format cannot hold is not known."))
    elif refused := facts.summary.rejected - sum(facts.plan.rejects.values()):
        words = f"Of the words done, the format of the lexicon cannot hold {number(refused)}"
        told.append(_notice(f"{words}: they are listed with the rejected rows."))
    if facts.summary and facts.summary.missing_words:
        lacking = count_of(facts.summary.missing_words, "word")
        told.append(_notice(f"The lexicon was written while {lacking} were missing."))
    return told


def _given_up(shard: int, record: Quarantine) -> Html:
    return _notice(f"Shard {shard_name(shard)} was given up: ", given(record.reasons[-1], most=_LONGEST_REASON), ".")


def _few(told: list[Html], what: str) -> list[Html]:
    rest = len(told) - _NAMED
    return [*told[:_NAMED], _notice(f"{rest:,} more {what}.")] if rest > 0 else told


def _remedy(facts: Facts) -> tuple[str, ...]:
    return "Go on with ", el("code", f"g2p-batch run {facts.root}"), "."


def _notice(*told: str) -> Html:
    return el("p", *told, class_="notice")


def _heads(facts: Facts) -> Html:
    plan, pace = facts.plan, facts.pace
    doubtful = sum(count for status, count in facts.statuses.items() if status != "ok")
    figures = [
        (number(facts.words + plan.known), "words done"),
        (number(len(plan.languages)), "language" if len(plan.languages) == 1 else "languages"),
        (number(sum(plan.rejects.values())), "rows rejected"),
        (number(doubtful), "marked to check"),
    ]
    if pace:
        figures.insert(2, (number(pace.words_per_s), "words a second"))
    return el("div", *(el("div", el("b", figure), el("span", name)) for figure, name in figures), class_="heads")


def _rows(facts: Facts) -> Html:
    """Return what became of the rows: the parts are all of them."""
    plan = facts.plan
    parts = [
        ("pronounced by the model", facts.words, "s0"),
        ("from existing lexicons", plan.known, "s1"),
        ("duplicate" if plan.duplicates == 1 else "duplicates", plan.duplicates, "s2"),
        ("rejected", sum(plan.rejects.values()), "s3"),
        ("missing", facts.missing_words, "s4"),
    ]
    label = f"{count_of(plan.rows_in, 'row')} read: " + ", ".join(f"{count:,} {name}" for name, count, _ in parts)
    keys = [el("li", swatch(class_), el("b", number(count)), f" {name}") for name, count, class_ in parts]
    return joined(
        el("p", el("b", number(plan.rows_in)), " rows read became:"),
        strip([(count, class_) for _, count, class_ in parts], label),
        el("ul", *keys, class_="key"),
    )


def _moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}"
