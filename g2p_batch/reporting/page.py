"""The page of a run, rendered from its figures: the only user of Jinja2.

Nothing is loaded from elsewhere, nothing in it runs, and all that a run holds is escaped.
"""

import re
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from g2p_batch.counts import count_of, listed, ranked
from g2p_batch.languages import LANGUAGES
from g2p_batch.reporting import charts, filters, meanings
from g2p_batch.reporting.run_figures import RunFigures, read_figures
from g2p_batch.reporting.to_check import write_to_check
from g2p_batch.run.run_directory import REPORT, RunDir, shard_name
from g2p_batch.run.status import named
from g2p_batch.storage import store_at
from g2p_batch.storage.locations import Location

TEMPLATES = Environment(
    loader=PackageLoader(__package__ or ""),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.filters |= {
    "abbreviated": filters.abbreviated,
    "byte_size": filters.byte_size,
    "count_of": count_of,
    "duration": filters.duration,
    "listed": listed,
    "moment": filters.moment,
    "named": named,
    "number": filters.number,
    "ranked": ranked,
    "shard_name": shard_name,
    "visible": filters.visible,
}
TEMPLATES.tests["digest"] = re.compile("[0-9a-f]{32,}").fullmatch
TEMPLATES.globals |= {
    "LANGUAGES": LANGUAGES,
    "REASON_MEANINGS": meanings.REASON_MEANINGS,
    "STATUS_MEANINGS": meanings.STATUS_MEANINGS,
}


def write_report(run: RunDir, path: Location, to_check: Location | None = None) -> None:
    """Write the page of a run, finished or not, and the table of words to check where one is wanted; each is whole.

    Raises:
        RunError: the directory holds no plan, or a damaged one, or was pruned.
        OutputError: the page or the table cannot be written.
    """
    plan = run.require_plan()
    run.require_unpruned(plan, f"{run.root / REPORT} is there if it was made before")
    store = store_at(path.parent)
    store.require_writable(path.name)
    if to_check is not None:
        store_at(to_check.parent).require_writable(to_check.name)
    figures = read_figures(run, plan)
    if to_check is not None:
        write_to_check(figures, to_check)
    # A folder's name need not be text.
    html = rendered(figures).encode("utf-8", "replace")

    def write(draft: Path) -> None:
        draft.write_bytes(html)

    store.publish(path.name, write)


def rendered(run: RunFigures) -> str:
    """Return the page of a run."""
    return TEMPLATES.get_template("page.html").render(
        run=run,
        plan=run.plan,
        score_charts=charts.score_charts(run.tally),
        length_charts=charts.length_charts(run.tally),
        speed_chart=run.throughput and charts.speed_chart(run.throughput),
    )
