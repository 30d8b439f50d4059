"""One shard: planned words to a committed part. The one function that every way of running calls."""

import os
import platform
import time
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from g2p_batch.counts import counted
from g2p_batch.formats.pronounced import Speaker
from g2p_batch.model.contract import Contract
from g2p_batch.model.greedy import Engine, EngineFactory
from g2p_batch.model.nbest import Search
from g2p_batch.model.progress import Progress
from g2p_batch.run.run_directory import PARTS_FOLDER, Receipt, RunDir, Shard, shard_name
from g2p_batch.storage.locations import Location
from g2p_batch.storage.tables import decoded, encoded, with_columns
from g2p_batch.words.dictionary import Dictionary
from g2p_batch.words.filter import WORDS


@dataclass(frozen=True)
class RunContext:
    """What all shards of a run have in common; it is pickled, and told to a worker once.

    Attributes:
        root: the run directory.
        plan_id: `Plan.id`.
        contract: of the model.
        engines: makes the worker's engine.
        search: what to look for, where several pronunciations of a word are wanted.
        dictionary: whether the model's exceptions are asked before it.
    """

    root: Location
    plan_id: str
    contract: Contract
    engines: EngineFactory
    search: Search | None = None
    dictionary: bool = False


def run_shard(
    context: RunContext,
    number: int,
    shard: Shard,
    engine: Engine,
    progress: Progress,
    dictionary: Dictionary | None = None,
) -> bool:
    """Decode a shard and commit it: first the data, under a name that tells its content, then the receipt.

    Args:
        context: the run.
        number: what the shard is called.
        shard: its words.
        engine: the model.
        progress: is told how far the decoding is.
        dictionary: of the model, if it is asked first.

    Returns:
        Whether it is this call's receipt that counts; if not, another process has done the shard meanwhile.

    Raises:
        RunError: the planned words are damaged.
        ArtifactError: the engine is too short for the contract.
        OutputError: the run directory cannot be written.
    """
    started = time.perf_counter()
    run = RunDir(context.root)
    data = run.whole(shard.data)
    if data is None:
        raise run.lost(context.plan_id, shard.data)
    words = with_columns(decoded(data), WORDS)
    rows, _ = Speaker(context.contract, lambda: engine, 1, context.search, dictionary).rows(words, progress)
    best = rows.filter(pc.equal(rows["rank"], 1))
    table = pa.Table.from_batches([rows])
    part = run.put_content(PARTS_FOLDER, f"part-{shard_name(number)}", ".parquet", encoded(table))
    return run.commit(
        Receipt(
            shard=number,
            plan=context.plan_id,
            engine=context.engines.key,
            words=len(words),
            part=part,
            statuses=counted(best["status"]),
            worker=f"{platform.node()}:{os.getpid()}",
            seconds=round(time.perf_counter() - started, 6),
            finished_s=time.time(),
        )
    )
