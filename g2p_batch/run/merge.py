"""Committed parts to a lexicon: checked, sorted, streamed; in bounded memory."""

import time
from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import groupby, pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from g2p_batch.counts import count_of, listed, ranked
from g2p_batch.errors import IncompleteError, InputError, OutputError
from g2p_batch.formats.kind import Format
from g2p_batch.formats.lexicon import LEXICON, WriteOptions
from g2p_batch.model.progress import Say
from g2p_batch.run import fingerprint
from g2p_batch.run.conform import Conformer, Losses
from g2p_batch.run.output import LexiconOutput
from g2p_batch.run.rejects import planned_files, publish_rejects, publish_review
from g2p_batch.run.run_directory import REJECTS_TSV, REVIEW_TSV, SUMMARY, Plan, Receipt, RunDir, shard_name
from g2p_batch.run.status import busy_s, named
from g2p_batch.run.summary import Summary, require_own
from g2p_batch.run.tally import LexiconTally
from g2p_batch.run.written import note, place_of
from g2p_batch.signals import Stop
from g2p_batch.storage import store_at
from g2p_batch.storage.database import Database, database
from g2p_batch.storage.locations import Location
from g2p_batch.storage.store import Stamp
from g2p_batch.storage.tables import with_columns

_ROWS = 65536


class DamageError(IncompleteError):
    """Parts are damaged; their receipts are set aside."""


def merged(run: RunDir, plan: Plan, output: LexiconOutput, say: Say, stop: Stop, started: float) -> Summary:
    """Write lexicon, rejects and summary of a run, in this order; each appears whole.

    Raises:
        IncompleteError: shards are missing, and `output.partial` is false.
        DamageError: parts are damaged, and `output.partial` is false.
        UsageError: the format has no place for so many languages, or the lexicon would be in the place of an input, or
            of what this run did not write.
        InputError: `output.strict`, and the format cannot hold a word; only the rejects are written.
        RunError: what the plan stored is damaged, or the run was pruned.
        OutputError: a file cannot be written.
        StoppedEarlyError: a signal came; the lexicon is as it was.
    """
    run.require_unpruned(plan, "decode it again with `g2p-batch generate --restart`, or take words from the lexicon")
    output.require_apart(plan.languages, [run.root], {read.path for read in plan.fingerprint.inputs})
    output.require_room(plan)
    if not output.force:
        require_own(output.paths(plan.languages), run)
    receipts = _receipts(run, plan, output.partial)
    with run.scratch("merge") as scratch:
        parts = _whole_parts(run, receipts, output.partial, scratch, say, stop)
        with database(output.memory, scratch) as sorter, stop.interrupting(sorter.interrupt):
            written, tally, losses = _write(run, plan, parts.values(), output, sorter, scratch)
    kept = {number: receipt for number, receipt in receipts.items() if number in parts}
    summary = _summary(run, plan, kept.values(), output, written, tally, losses, time.perf_counter() - started)
    if lacking := [shard_name(number) for number in range(len(plan.shards)) if number not in kept]:
        say(f"{output.path} lacks {count_of(len(lacking), 'shard')}: {named(lacking)}")
    run.store.put(SUMMARY, summary.to_json())
    return summary


def _receipts(run: RunDir, plan: Plan, partial: bool) -> dict[int, Receipt]:
    """Return all receipts, or those that there are if that is enough."""
    receipts = run.receipts(plan)
    missing = [number for number in range(len(plan.shards)) if number not in receipts]
    if missing and not partial:
        raise IncompleteError(
            f"{count_of(len(missing), 'shard')} of {run.root} missing ({named(map(shard_name, missing))}): "
            f"do them with `g2p-batch run {run.root}`, or take what is there with --partial"
        )
    return receipts


def _whole_parts(
    run: RunDir, receipts: Mapping[int, Receipt], partial: bool, scratch: Path, say: Say, stop: Stop
) -> dict[int, Path]:
    """Return the parts that are what was committed, by shard; receipts of others are revoked."""
    numbers = sorted(receipts)
    files = run.local([receipts[number].part for number in numbers], scratch)
    parts: dict[int, Path] = {}
    for number, file in zip(numbers, files, strict=True):
        stop.check("while reading what is decoded")
        if file is not None:
            parts[number] = file
    if bad := [number for number in numbers if number not in parts]:
        for number in bad:
            run.revoke(receipts[number])
        damage = (
            f"the data of {count_of(len(bad), 'shard')} in {run.root} is damaged ({named(map(shard_name, bad))}): "
            "it is set aside, to be done again"
        )
        if not partial:
            raise DamageError(f"{damage}; `g2p-batch run {run.root}` does that")
        say(damage)
    return parts


def _write(
    run: RunDir, plan: Plan, parts: Iterable[Path], output: LexiconOutput, database: Database, scratch: Path
) -> tuple[dict[str, Stamp], LexiconTally, Losses]:
    """Write the lexicon of some parts, then the rejects.

    Returns:
        Its files by their places, each with its stamp; what they hold; and what they cannot.
    """
    files = [*planned_files(run, plan, plan.looked_up, scratch), *parts]
    options = replace(output.write_options, provenance=_provenance(plan), variants=plan.search is not None)
    phonetics = replace(output.phonetics, given_stay=fingerprint.has_own_phones(plan.fingerprint))

    def conformed() -> tuple[Conformer, Iterator[pa.RecordBatch]]:
        conformer = Conformer(output.format, options, phonetics, output.unwanted, scratch)
        # A column without values is not worth sorting.
        lacking = [] if plan.spelling or plan.looked_up else ["asked"]
        names = [name for name in LEXICON.names if name not in lacking]
        ordered = database.ordered(files, names, output.sort_columns, _ROWS) if files else iter(())
        return conformer, conformer.rows(with_columns(batch, LEXICON) for batch in ordered)

    if output.strict:
        conformer, rows = conformed()
        deque(rows, maxlen=0)
        if refused := ranked(conformer.losses.refused):
            publish_rejects(run, plan, conformer.refused())
            raise InputError(
                f"{count_of(sum(refused.values()), 'word')} left out of a lexicon of format {output.format.name} "
                f"({listed(refused)}), listed in {run.root / REJECTS_TSV}: choose another --format, or write without "
                "--strict"
            )
    conformer, rows = conformed()
    tally = LexiconTally()
    written = {str(path.absolute()): stamp for path, stamp in _published(run, output, tally.counting(rows), options)}
    publish_rejects(run, plan, conformer.refused())
    publish_review(run, conformer.doubtful())
    return written, tally, conformer.losses


def _published(
    run: RunDir, output: LexiconOutput, rows: Iterator[pa.RecordBatch], options: WriteOptions
) -> Iterator[tuple[Location, Stamp]]:
    """Write one lexicon, or one for each language, and yield the place of each with its stamp when it is there."""
    for lang, part in _by_language(rows) if output.by_language else [("", rows)]:
        path = output.path_of(lang)
        write = partial(_filled, output.format, part, options)
        store = store_at(path.parent)
        store.publish(path.name, write, output.format.files, partial(_note, run, path))
        written = store.stamp(path.name)
        if written is None:
            raise OutputError(f"{path} was removed as soon as it was written: run the same command again")
        _note(run, path, written)  # a bucket tells more now than before
        yield path, written


def _note(run: RunDir, path: Location, stamp: Stamp) -> None:
    note(run, {place_of(path): [stamp]})


def _filled(lexicon_format: Format, rows: Iterable[pa.RecordBatch], options: WriteOptions, draft: Path) -> None:
    lexicon_format.write(rows, draft, options)


def _by_language(rows: Iterable[pa.RecordBatch]) -> Iterator[tuple[str, Iterator[pa.RecordBatch]]]:
    """Part rows that are sorted by language."""
    pieces = (piece for batch in rows for piece in _cut_at_languages(batch))
    yield from groupby(pieces, key=lambda piece: piece["lang"][0].as_py())


def _cut_at_languages(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    ends = pc.run_end_encode(batch["lang"]).run_ends.to_pylist()
    for start, end in pairwise([0, *ends]):
        yield batch.slice(start, end - start)


def _provenance(plan: Plan) -> dict[str, str]:
    options = plan.fingerprint.options
    return {
        "g2p-batch.tool": fingerprint.tool(),
        "g2p-batch.checkpoint": options[fingerprint.CHECKPOINT],
        "g2p-batch.prefix": options[fingerprint.PREFIX],
        "g2p-batch.dtype": plan.dtype,
        "g2p-batch.normalization": plan.normalize,
        "g2p-batch.spelling": options["--spelling"],
    }


def _named(counts: Counter[tuple[str, str]]) -> dict[str, dict[str, int]]:
    """Return counts by language and symbol, the most frequent of a language first."""
    symbols: dict[str, dict[str, int]] = {}
    for (lang, symbol), count in sorted(counts.items(), key=lambda pair: (pair[0][0], -pair[1], pair[0][1])):
        symbols.setdefault(lang, {})[symbol] = count
    return symbols


def _summary(
    run: RunDir,
    plan: Plan,
    receipts: Collection[Receipt],
    output: LexiconOutput,
    written: Mapping[str, Stamp],
    tally: LexiconTally,
    losses: Losses,
    seconds: float,
) -> Summary:
    decoded = sum(receipt.words for receipt in receipts)
    unified = Counter({(lang, f"{one} > {other}"): n for (lang, one, other), n in losses.unified.items()})
    return Summary(
        rows_in=plan.rows_in,
        words=tally.words,
        missing_words=plan.words - decoded,
        looked_up=plan.known,
        of_dictionary=tally.of_dictionary,
        duplicates=plan.duplicates,
        rejects=ranked(Counter(plan.rejects) + losses.refused),
        spelling=ranked(plan.spelling),
        look_alikes=ranked(plan.look_alikes),
        variants_left_out=ranked(losses.variants),
        decoded_words=decoded,
        statuses=ranked(+tally.statuses),
        languages=ranked(tally.languages),
        unknown_symbols=_named(losses.unknown),
        unified_symbols=_named(unified),
        phones_outside=ranked(losses.outside),
        rows_outside=losses.outside_rows,
        seconds=round(seconds, 3),
        decode_seconds=round(busy_s(receipts), 3),
        lexicon=str(output.path),
        rejects_file=str(run.root / REJECTS_TSV),
        review_file=str(run.root / REVIEW_TSV),
        summary_file=str(run.root / SUMMARY),
        provenance=_provenance(plan),
        plan=plan.id,
        options=output.as_record(),
        lexicon_facts=written,
    )
