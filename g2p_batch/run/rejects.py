"""The rejected rows of a run, and the words to be looked at, where their user looks for them."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path

import pyarrow as pa

from g2p_batch.formats.tsv import write_rejects, write_review
from g2p_batch.run.run_directory import REJECTS_TSV, REVIEW_TSV, Content, Plan, RunDir
from g2p_batch.storage.tables import decoded


def publish_rejects(run: RunDir, plan: Plan, refused: Iterable[pa.RecordBatch] = ()) -> None:
    """Write the rejected rows of a plan where its user looks for them.

    Args:
        run: where the plan is.
        plan: the plan.
        refused: words that the lexicon's format cannot hold, of schema `filter.REJECTS`.

    Raises:
        RunError: what the plan stored is damaged.
        OutputError: the file cannot be written.
    """
    run.store.publish(REJECTS_TSV, partial(write_rejects, chain(_rejected(run, plan), refused)))


def publish_review(run: RunDir, rows: Iterable[pa.RecordBatch]) -> None:
    """Write the words of a lexicon whose pronunciation is to be looked at, of schema `LEXICON`.

    Raises:
        OutputError: the file cannot be written.
    """
    run.store.publish(REVIEW_TSV, partial(write_review, rows))


def planned_files(run: RunDir, plan: Plan, contents: Sequence[Content], scratch: Path) -> list[Path]:
    """Return files of this machine with what a plan stored, each checked.

    Raises:
        RunError: it is missing or damaged.
    """
    files = []
    for content, file in zip(contents, run.local(contents, scratch), strict=True):
        if file is None:
            raise run.lost(plan.id, content)
        files.append(file)
    return files


def _rejected(run: RunDir, plan: Plan) -> Iterator[pa.RecordBatch]:
    for content in plan.rejected:
        data = run.whole(content)
        if data is None:
            raise run.lost(plan.id, content)
        yield from decoded(data).to_batches()
