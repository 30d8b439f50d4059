"""Committed parts to a lexicon: checked, sorted, streamed; in bounded memory."""

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from g2p_batch import fingerprint
from g2p_batch.database import MEMORY, Database, amount_of_memory, database
from g2p_batch.errors import IncompleteError
from g2p_batch.formats import Format, format_for
from g2p_batch.formats.lexicon import PART, WriteOptions, lexicon
from g2p_batch.publish import publish, reading, require_writable
from g2p_batch.rejects import publish_rejects
from g2p_batch.report import Summary, count_of, ranked
from g2p_batch.run import Say
from g2p_batch.rundir import REJECTS_TSV, SUMMARY, Plan, Receipt, RunDir, shard_name
from g2p_batch.signals import Stop
from g2p_batch.status import busy_s, named, statuses

Order = Literal["input", "word"]

_ROWS = 65536
_SORT_KEYS: dict[Order, tuple[str, ...]] = {"input": ("input_row", "rank"), "word": ("lang", "word", "rank")}


@dataclass(frozen=True)
class Merging:
    """What to write of a run, and where.

    Attributes:
        output: the lexicon's file.
        format: name of the lexicon's format; without it the suffix of `output` tells.
        order: the lexicon's rows by first input row, or by language and word (bytewise).
        scores: write log-probability and status where the format makes them optional.
        memory: most memory for sorting.
        partial: write what is there while shards are missing.
    """

    output: Path
    format: str | None = None
    order: Order = "input"
    scores: bool = False
    memory: str = MEMORY
    partial: bool = False


@dataclass(frozen=True)
class Target:
    """The lexicon to write."""

    output: Path
    format: Format
    order: Order = "input"
    """By first input row, or by language and word (bytewise)."""
    scores: bool = False
    """Write log-probability and status where the format makes them optional."""


def target_of(merging: Merging) -> Target:
    """Find the format of a lexicon, and check that it can be written.

    Raises:
        UsageError: there is no such format, or the memory is no amount of it.
        OutputError: the lexicon cannot be written there.
    """
    amount_of_memory(merging.memory)
    known = format_for(merging.output, merging.format)
    require_writable(merging.output)
    return Target(merging.output, known, merging.order, merging.scores)


class DamageError(IncompleteError):
    """Parts are damaged; their receipts are set aside."""


def damaged(run: RunDir, receipts: Mapping[int, Receipt]) -> list[int]:
    """Read all parts, and revoke the receipts of those that are not what was committed; returns their shards."""
    bad = [number for number, receipt in sorted(receipts.items()) if run.whole(receipt.part) is None]
    for number in bad:
        run.revoke(receipts[number])
    return bad


def _write(
    run: RunDir, receipts: Mapping[int, Receipt], target: Target, provenance: Mapping[str, str], database: Database
) -> None:
    """Write the lexicon of the parts that some receipts name.

    Args:
        run: where the parts are; they were found undamaged.
        receipts: by shard.
        target: what to write, and where; it appears whole, or stays as it was.
        provenance: where the lexicon comes from, for formats that have a place for it.
        database: sorts.

    Raises:
        OutputError: the lexicon cannot be written, or neither memory nor disk hold what sorting needs.
    """
    files = [run.store.path(receipt.part.file) for _, receipt in sorted(receipts.items())]
    rows = database.ordered(files, PART.names, _SORT_KEYS[target.order], _ROWS) if files else iter(())
    options = WriteOptions(target.scores, provenance)
    publish(target.output, lambda draft: target.format.write(map(lexicon, rows), draft, options))


def merged(run: RunDir, plan: Plan, target: Target, merging: Merging, say: Say, stop: Stop, started: float) -> Summary:
    """Write rejects, lexicon and summary of a run, in this order; each appears whole.

    Raises:
        IncompleteError: shards are missing, and `merging.partial` is false.
        DamageError: parts are damaged, and `merging.partial` is false.
        RunError: what the plan stored is damaged.
        OutputError: a file cannot be written.
        StoppedEarlyError: a signal came; the lexicon is as it was.
    """
    receipts = run.receipts(plan)
    missing = [number for number in range(len(plan.shards)) if number not in receipts]
    if missing and not merging.partial:
        raise IncompleteError(
            f"{count_of(len(missing), 'shard')} of {run.root} missing ({named(map(shard_name, missing))}): "
            f"do them with `g2p-batch run {run.root}`, or take what is there with --partial"
        )
    if bad := damaged(run, receipts):
        told = (
            f"the data of {count_of(len(bad), 'shard')} in {run.root} is damaged ({named(map(shard_name, bad))}): "
            "it is set aside, to be done again"
        )
        if not merging.partial:
            raise DamageError(f"{told}; `g2p-batch run {run.root}` does that")
        say(told)
    kept = {number: receipt for number, receipt in receipts.items() if number not in bad}
    publish_rejects(run, plan)
    provenance = _provenance(plan)
    with (
        run.scratch("merge") as scratch,
        database(merging.memory, scratch) as sorter,
        stop.interrupting(sorter.interrupt),
    ):
        _write(run, kept, target, provenance, sorter)
    summary = _summary(run, plan, kept.values(), target, time.perf_counter() - started)
    if lacking := [shard_name(number) for number in range(len(plan.shards)) if number not in kept]:
        say(f"{target.output} lacks {count_of(len(lacking), 'shard')}: {named(lacking)}")
    run.store.put(SUMMARY, summary.to_json().encode())
    return summary


def _provenance(plan: Plan) -> dict[str, str]:
    options = plan.fingerprint.options
    return {
        "g2p-batch.tool": options[fingerprint.TOOL],
        "g2p-batch.checkpoint": options[fingerprint.CHECKPOINT],
        "g2p-batch.prefix": options[fingerprint.PREFIX],
        "g2p-batch.dtype": plan.dtype,
        "g2p-batch.normalization": plan.normalize,
    }


def _summary(run: RunDir, plan: Plan, receipts: Collection[Receipt], target: Target, seconds: float) -> Summary:
    words = sum(receipt.words for receipt in receipts)
    return Summary(
        rows_in=plan.rows_in,
        words=words,
        missing_words=plan.words - words,
        duplicates=plan.duplicates,
        rejects=ranked(plan.rejects),
        statuses=statuses(receipts),
        languages=ranked(plan.languages),
        seconds=round(seconds, 3),
        decode_seconds=round(busy_s(receipts), 3),
        lexicon=str(target.output),
        rejects_file=str(run.root / REJECTS_TSV),
        summary_file=str(run.root / SUMMARY),
        provenance=_provenance(plan),
        plan=plan.id,
        options=_written(target),
        lexicon_facts=_facts(target.output),
    )


def finished(run: RunDir, plan: Plan, target: Target) -> Summary | None:
    """Return the summary of a run whose lexicon is as it was written, with the options of now; without a model."""
    data = run.store.get(SUMMARY)
    if data is None or not target.output.is_file():
        return None
    try:
        summary = Summary.from_json(data.decode())
    except (ValueError, LookupError, TypeError):
        return None  # damaged: it is written again
    same = (plan.id, _written(target), _facts(target.output), 0)
    written = (summary.plan, summary.options, summary.lexicon_facts, summary.missing_words)
    return summary if written == same else None


def _written(target: Target) -> dict[str, Any]:
    path = str(target.output.absolute())
    return {"format": target.format.name, "order": target.order, "scores": target.scores, "path": path}


def _facts(path: Path) -> tuple[int, int]:
    with reading(path):
        facts = path.stat()
    return facts.st_size, facts.st_mtime_ns
