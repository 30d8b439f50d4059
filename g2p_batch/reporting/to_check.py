"""The words that a page lists to be checked, as a table for whoever does it."""

from pathlib import Path

from g2p_batch.formats.word_lines import write_lines
from g2p_batch.reporting.lowest import COLUMNS
from g2p_batch.reporting.run_figures import RunFigures
from g2p_batch.storage import store_at
from g2p_batch.storage.locations import Location


def write_to_check(run: RunFigures, path: Location) -> None:
    """Write the lowest-scored words of each language, then the loops of each; the table appears whole.

    It is TSV with a header, in the columns `lowest.COLUMNS`; languages come in the order of the page.

    Raises:
        OutputError: the table cannot be written.
    """
    tables = [lowest.of(tag) for lowest in (run.tally.lowest, run.tally.loops) for tag in run.scored_languages]

    def write(draft: Path) -> None:
        with draft.open("wb") as file:
            file.write(("\t".join(COLUMNS) + "\n").encode())
            for table in tables:
                write_lines(file, [table[name].combine_chunks() for name in COLUMNS], "\t")

    store_at(path.parent).publish(path.name, write)
