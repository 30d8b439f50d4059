"""The rejected rows of a run, where their user looks for them."""

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import chain

import pyarrow as pa

from g2p_batch.errors import RunError
from g2p_batch.formats.tsv import write_rejects
from g2p_batch.parquet import decoded
from g2p_batch.publish import publish
from g2p_batch.rundir import REJECTS_TSV, Content, Plan, RunDir


def publish_rejects(run: RunDir, plan: Plan, refused: Iterable[pa.RecordBatch] = ()) -> None:
    """Write the rejected rows of a plan where its user looks for them.

    Args:
        run: where the plan is.
        plan: the plan.
        refused: words that the lexicon's format cannot hold, of schema `screen.REJECTS`.

    Raises:
        RunError: what the plan stored is damaged.
        OutputError: the file cannot be written.
    """
    publish(run.root / REJECTS_TSV, partial(write_rejects, chain(_rejected(run, plan), refused)))


def require_whole(run: RunDir, contents: Iterable[Content]) -> None:
    """Check that what a plan stored is as it was.

    Raises:
        RunError: it is missing or damaged.
    """
    for content in contents:
        _whole(run, content)


def _rejected(run: RunDir, plan: Plan) -> Iterator[pa.RecordBatch]:
    for content in plan.rejected:
        yield from decoded(_whole(run, content)).to_batches()


def _whole(run: RunDir, content: Content) -> bytes:
    data = run.whole(content)
    if data is None:
        raise RunError(f"{run.root / content.file} is missing or damaged: restore it, or plan again with --restart")
    return data
