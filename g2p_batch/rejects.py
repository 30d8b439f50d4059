"""The rejected rows of a plan, where their user looks for them."""

from collections.abc import Iterator
from functools import partial

import pyarrow as pa

from g2p_batch.errors import RunError
from g2p_batch.formats.tsv import write_rejects
from g2p_batch.parquet import decoded
from g2p_batch.publish import publish
from g2p_batch.rundir import REJECTS_TSV, Plan, RunDir


def publish_rejects(run: RunDir, plan: Plan) -> None:
    """Write the rejected rows of a plan where its user looks for them.

    Raises:
        RunError: what the plan stored is damaged.
        OutputError: the file cannot be written.
    """
    publish(run.root / REJECTS_TSV, partial(write_rejects, _rejected(run, plan)))


def _rejected(run: RunDir, plan: Plan) -> Iterator[pa.RecordBatch]:
    for content in plan.rejected:
        data = run.whole(content)
        if data is None:
            raise RunError(f"{run.root / content.file} is missing or damaged: restore it, or plan again with --restart")
        yield from decoded(data).to_batches()
