"""A run as one HTML page."""

from pathlib import Path

from g2p_batch.publish import publish, require_writable
from g2p_batch.reporting.facts import facts_of
from g2p_batch.reporting.page import page
from g2p_batch.rundir import RunDir


def write_report(run: RunDir, path: Path) -> None:
    """Write the page of a run, finished or not; it appears whole.

    Raises:
        RunError: the directory holds no plan, or a damaged one.
        OutputError: the page cannot be written.
    """
    plan = run.require_plan()
    require_writable(path)
    # A folder's name need not be text.
    text = page(facts_of(run, plan)).encode("utf-8", "replace")
    publish(path, lambda draft: _write(draft, text))


def _write(draft: Path, text: bytes) -> None:
    draft.write_bytes(text)
