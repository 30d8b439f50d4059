"""The end of the page: what to check, what was rejected, and with what settings the run was made."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from g2p_batch.counts import count_of, listed, ranked
from g2p_batch.languages import LANGUAGES
from g2p_batch.reporting.facts import Facts
from g2p_batch.reporting.markup import Html, bytes_of, el, given, joined, number, section, table
from g2p_batch.run.fingerprint import Input

_LANGUAGES = 6
_OF_A_LANGUAGE = 20
_SYMBOLS = 12
_INPUTS = 100
_LONGEST_NAME = 1000
_DIGEST = re.compile("[0-9a-f]{32,}")
STATUS_MEANINGS = {
    "ok": "as the model gave it",
    "truncated": "the output met the longest length and was cut",
    "invalid_utf8": "bytes that are no UTF-8 were dropped",
    "invalid": "control characters or line separators were dropped",
    "empty": "the model gave nothing",
}
"""What each of `formats.lexicon.STATUSES` means."""
REASON_MEANINGS = {
    "invalid_utf8": "bytes that are no UTF-8",
    "ragged": "more or fewer cells than the first line",
    "bad_quoting": "a stray quote in CSV",
    "empty": "no word",
    "control_character": "a control character in the word",
    "unknown_language": "a language that the model does not know",
    "too_long": "longer than the model takes",
}
"""What each of `filter.REASONS` means; the others are those of a format."""


def statuses(facts: Facts) -> Html:
    """Return words by status."""
    rows = [(_name(name), STATUS_MEANINGS.get(name, ""), number(count)) for name, count in facts.statuses.items()]
    if not rows:
        return section("Statuses", el("p", "Nothing is decoded yet."))
    return section("Statuses", table(("Status", "Meaning", "Words"), rows, frozenset({2}), "named"))


def lowest(facts: Facts) -> Html:
    """Return the words that are most likely wrong."""
    words = facts.tally.lowest
    overall = words.overall()
    if not len(overall):
        return section("Words to check first", el("p", "No word has a score."))
    note = el("p", "The lowest-scored words of the run: the likeliest to be wrong.")
    parts = [
        _of_language(tag, words.of(tag).slice(0, _OF_A_LANGUAGE))
        for tag in [*ranked(facts.tally.scored)][:_LANGUAGES]
        if len(facts.tally.scored) > 1
    ]
    by_language = [el("h3", "By language"), *parts] if parts else []
    return section("Words to check first", note, _words(overall), *by_language)


def _of_language(tag: str, rows: pa.Table) -> Html:
    known = LANGUAGES.get(tag)
    name = f"{known.name if known else tag}: {count_of(len(rows), 'word')}"
    return el("details", el("summary", name), _words(rows))


def _words(rows: pa.Table) -> Html:
    cells = [
        (
            joined(given(row["word"], row["lang"]), " ", el("span", row["lang"], class_="tag")),
            joined(el("span", given(row["pron"]), class_="ipa"), *_mark(row["status"])),
            number(row["logprob"], 2),
        )
        for row in rows.to_pylist()
    ]
    return table(("Word", "Pronunciation", "Score"), cells, frozenset({2}), "words")


def _mark(status: str) -> list[str]:
    return [] if status == "ok" else [" ", el("span", status, class_="tag")]


def rejects(facts: Facts) -> Html:
    """Return rejected rows by reason, with examples."""
    if not facts.rejects:
        return section("Rejected rows", el("p", "None."))
    rows = [
        (joined(_name(reason), *_meaning(reason)), number(count), _examples(facts, reason))
        for reason, count in facts.rejects.items()
    ]
    note = el("p", "All are in ", el("code", "rejects.tsv"), " in the folder of the run.")
    return section("Rejected rows", note, table(("Reason", "Rows", "Examples"), rows, frozenset({1}), "named"))


def _name(name: str) -> Html:
    """Return the name of a status or a reason, which may be parted at its underscores."""
    first, *rest = name.split("_")
    return el("code", first, *(joined("_", el("wbr"), part) for part in rest))


def _meaning(reason: str) -> list[str]:
    return [el("br"), el("small", REASON_MEANINGS[reason])] if reason in REASON_MEANINGS else []


def _examples(facts: Facts, reason: str) -> Html:
    return joined(
        *(
            el(
                "div",
                given(one.word, one.lang) if one.word else el("small", "no word"),
                " ",
                el("span", *([given(one.lang), ", "] if one.lang else []), "row ", given(one.row), class_="tag"),
            )
            for one in facts.examples[reason]
        )
    )


def phones(facts: Facts) -> Html:
    """Return what the merge found among phones; nothing where it found nothing."""
    summary = facts.summary
    if summary is None or not (summary.unknown_symbols or summary.phones_outside or summary.variants_left_out):
        return Html()
    parts: list[Html] = []
    if summary.unknown_symbols:
        rows = [(tag, _symbols(found)) for tag, found in sorted(summary.unknown_symbols.items())]
        parts += [el("h3", "Symbols that are not IPA"), table(("Language", "Symbols"), rows, frozenset())]
    if summary.phones_outside:
        where = f"In {count_of(summary.rows_outside, 'pronunciation')}."
        parts += [el("h3", "Phones that are not in the set"), el("p", where, " ", _symbols(summary.phones_outside))]
    if summary.variants_left_out:
        left = f"{listed(summary.variants_left_out)}: the format cannot hold them, but another of their word."
        parts += [el("h3", "Variants left out"), el("p", left)]
    return section("Phones", *parts)


def _symbols(counts: Mapping[str, int]) -> Html:
    first = list(ranked(counts).items())[:_SYMBOLS]
    shown = [joined(el("span", given(name), class_="ipa"), f" {number(count)}") for name, count in first]
    spaced = [part for one in shown for part in (one, ", ")][:-1]
    rest = len(counts) - len(first)
    return joined(*spaced, f" and {rest:,} more" if rest else "")


def settings(facts: Facts) -> Html:
    """Return all that the run's output depends on."""
    plan = facts.plan
    inputs = plan.fingerprint.inputs
    rows = [(joined(_path(one.path), el("br"), _digest(one)), bytes_of(one.size_bytes)) for one in inputs[:_INPUTS]]
    parts = [
        _listed(_model(facts)),
        el("h3", "Inputs"),
        table(("File, and sha256 of its content", "Size"), rows, frozenset({1})),
    ]
    if rest := len(inputs) - len(rows):
        parts.append(el("p", f"And {rest:,} more, which ", el("code", "plan.json"), " lists."))
    if facts.summary:
        parts += [el("h3", "Lexicon"), _listed(_lexicon(facts.summary.options))]
    return section("Settings and digests", *parts)


def _model(facts: Facts) -> Iterator[tuple[str, Html]]:
    plan = facts.plan
    yield "model", _value(plan.model)
    yield from ((name, _value(value)) for name, value in plan.fingerprint.options.items() if value is not None)
    if facts.engine:
        key, name = facts.engine
        yield "compiled model", _value(name)
        yield "key of the compiled model", _value(key)
    yield "plan", _value(plan.id)
    yield "shards", joined(number(len(plan.shards)))


def _lexicon(options: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Html]]:
    for name, value in options.items():
        if isinstance(value, Mapping):
            yield from _lexicon(value, f"{before}{name}: ")
        elif value not in (None, [None, None, None]):
            yield f"{before}{name}", _value(value)


def _value(value: Any) -> Html:
    text = {"True": "yes", "False": "no"}.get(str(value), str(value))
    if _DIGEST.fullmatch(text):
        return el("code", text)
    # A list of tags has no blanks to break a line at.
    breakable = [part for piece in text.split(",") for part in (given(piece, most=_LONGEST_NAME), ",", el("wbr"))]
    return joined(*breakable[:-2])


def _path(text: str) -> Html:
    return el("code", given(text, most=_LONGEST_NAME))


def _digest(one: Input) -> Html:
    if one.sha256 is not None:
        return el("small", el("code", one.sha256))
    changed = datetime.fromtimestamp(one.modified_ns / 1e9, UTC)
    return el("small", f"not taken of a file so large; changed {changed:%Y-%m-%d %H:%M:%S} UTC")


def _listed(pairs: Iterator[tuple[str, Html]]) -> Html:
    return el("dl", *(part for name, value in pairs for part in (el("dt", name), el("dd", value))))
