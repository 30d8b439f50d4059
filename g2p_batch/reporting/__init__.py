"""A run as one HTML page."""

from pathlib import Path

from g2p_batch.reporting.facts import facts_of
from g2p_batch.reporting.page import page
from g2p_batch.run.run_directory import RunDir
from g2p_batch.storage.locations import Location
from g2p_batch.storage.stores import store_at


def write_report(run: RunDir, place: Location) -> None:
    """Write the page of a run, finished or not; it appears whole.

    Raises:
        RunError: the directory holds no plan, or a damaged one.
        OutputError: the page cannot be written.
    """
    plan = run.require_plan()
    store = store_at(place.parent)
    store.require_writable(place.name)
    # A folder's name need not be text.
    text = page(facts_of(run, plan)).encode("utf-8", "replace")
    store.publish(place.name, lambda draft: _write(draft, text))


def _write(draft: Path, text: bytes) -> None:
    draft.write_bytes(text)
