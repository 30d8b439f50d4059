"""Figures to one HTML page: nothing is loaded from elsewhere, and nothing in it runs."""

from g2p_batch.reporting.details import lowest, phones, rejects, settings, statuses
from g2p_batch.reporting.facts import Facts
from g2p_batch.reporting.figures import languages, lengths, scores, speed
from g2p_batch.reporting.markup import Html, el
from g2p_batch.reporting.overview import overview
from g2p_batch.reporting.style import STYLE

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""A browser refuses scripts and requests, whatever a word may hold."""


def page(facts: Facts) -> str:
    """Return the page of a run."""
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("title", f"{facts.root.absolute().name} - pronunciation run"),
        el("style", Html(STYLE)),
    )
    parts = (
        overview(facts),
        languages(facts),
        lowest(facts),
        statuses(facts),
        rejects(facts),
        scores(facts),
        lengths(facts),
        speed(facts.pace),
        phones(facts),
        settings(facts),
    )
    return f"<!doctype html>\n{el('html', head, el('body', el('main', *parts)), lang='en')}\n"
