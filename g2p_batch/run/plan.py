"""The plan of a run: made once, and found again by every later command that asks for the same."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any, BinaryIO, cast

import pyarrow as pa

from g2p_batch.counts import count_of, listed
from g2p_batch.errors import InputError, RunError, UsageError
from g2p_batch.formats.tsv import write_rejects
from g2p_batch.model.contract import Contract, DType
from g2p_batch.run import fingerprint
from g2p_batch.run.fingerprint import Fingerprint, Heard
from g2p_batch.run.lookup import Earlier, Existing, stage_entries
from g2p_batch.run.rejects import publish_rejects
from g2p_batch.run.run_directory import REJECTS_TSV, SUMMARY, Plan, RunDir
from g2p_batch.run.sharding import SHARD_WORDS, cut, stage
from g2p_batch.signals import Stop
from g2p_batch.storage.database import MEMORY, amount_of_memory, database, held_bytes
from g2p_batch.storage.locations import Location
from g2p_batch.storage.stores import store_at
from g2p_batch.words.filter import Normalize
from g2p_batch.words.wordlist import STDIN, WordLists, files_of, read, require_unread, standard_input


@dataclass(frozen=True)
class Planning:
    """What to plan, and where.

    Attributes:
        source: the word lists.
        contract: the model's contract.
        run_dir: the run directory; created if absent.
        model: what the user calls the model.
        dtype: the model's number format.
        normalize: how words are prepared.
        memory: most memory for sorting.
        shard_words: most words of a shard; changes no output, and an existing plan keeps its own.
        strict: refuse to plan if any row is rejected.
        restart: discard what an earlier run left.
        lexicons: existing lexicons: what the first one that holds a word says of it counts.
        since: an earlier run: words that it has decoded are not asked of the model again.
    """

    source: WordLists
    contract: Contract
    run_dir: Location
    model: str = "bundled"
    dtype: DType = "float32"
    normalize: Normalize = "nfc"
    memory: str = MEMORY
    shard_words: int = SHARD_WORDS
    strict: bool = False
    restart: bool = False
    lexicons: tuple[Existing, ...] = ()
    since: Earlier | None = None

    @property
    def known(self) -> tuple[Existing | Earlier, ...]:
        """All that may hold words already, by falling preference."""
        return (*self.lexicons, *((self.since,) if self.since else ()))

    def files(self) -> list[str]:
        """Return all files that planning reads.

        Raises:
            InputError: an input does not exist or may not be read.
        """
        return [*files_of(self.source), *(str(file) for known in self.known for file in known.files)]


def check(planning: Planning) -> None:
    """Raise now what planning would raise at once: wrong options, missing inputs, a folder that cannot be used.

    Raises:
        UsageError, InputError, RunError, OutputError: as their messages say.
    """
    _prepare(planning)
    known = RunDir(planning.run_dir).plan()
    if (known is None or planning.restart) and STDIN not in planning.source.inputs:  # what is read of a pipe is gone
        read(planning.source)


def planned(planning: Planning, run: RunDir, stop: Stop) -> Plan:
    """Return the plan of a run directory, made now if it has none, and check that it is the one asked for.

    Raises:
        InputError: the word lists cannot be read, or `strict` and rows were rejected (only the rejects are written).
        RunError: the run directory holds another run.
        OutputError: the run directory cannot be written.
        StoppedEarlyError: a signal came; nothing is planned.
    """
    _prepare(planning)
    if planning.restart:
        run.discard()
    plan = run.plan()
    options = fingerprint.options_of(planning.source, planning.normalize, [*map(str, planning.lexicons)])
    facts = fingerprint.facts_of(planning.contract, planning.dtype, tool())
    asked = options | facts | {"--since-run": None if planning.since is None else str(planning.since.root.absolute())}
    if plan is None:
        if planning.since is not None:
            planning.since.require_same(facts | {"--normalize": planning.normalize})
        run.collect_leftovers(None, {})
        made = _made(planning, asked, run, stop)
        plan = run.publish_plan(made)
        if plan.fingerprint.inputs != made.fingerprint.inputs:
            raise RunError(f"another command has planned {run.root} for other inputs meanwhile: use another --run-dir")
        publish_rejects(run, plan)
    else:
        fingerprint.require_same_inputs(run.root, plan.fingerprint, planning.files(), standard_input())
    fingerprint.require_same(run.root, plan.fingerprint, asked)
    if planning.strict and plan.rejects:
        publish_rejects(run, plan)
        raise _refusal(run, plan.rows_in, plan.rejects)
    return plan


def _made(planning: Planning, asked: Mapping[str, Any], run: RunDir, stop: Stop) -> Plan:
    """Make a plan; its data is stored, itself it is not published yet."""
    inputs = fingerprint.inputs_of(planning.files())
    stdin = Heard(standard_input())
    rows = read(planning.source, stdin=cast(BinaryIO, stdin))
    with (
        run.scratch("plan") as scratch,
        database(planning.memory, scratch) as sorter,
        stop.interrupting(sorter.interrupt),
    ):
        held = 0 if planning.known else held_bytes(planning.memory)  # what is looked up, the database has to see
        staged = stage(_stoppable(rows, stop), planning.contract, planning.normalize, scratch, held)
        if planning.strict and staged.rejects:
            run.store.publish(REJECTS_TSV, partial(write_rejects, staged.rejected()))
            raise _refusal(run, staged.rows_in, staged.rejects)
        prepared = (planning.source.lang, planning.contract, planning.normalize, sorter, scratch)
        entries = stage_entries(planning.known, *prepared) if planning.known else None
        words = cut(staged, entries, planning.contract, planning.shard_words, run, sorter)
        fingerprint.require_unchanged(inputs)
    stop.check("while planning")
    return Plan(
        fingerprint=Fingerprint(fingerprint.heard(inputs, stdin), asked),
        model=planning.model,
        dtype=planning.dtype,
        normalize=planning.normalize,
        rows_in=staged.rows_in,
        words=words.words,
        known=words.known,
        duplicates=staged.words - words.words - words.known,
        rejects=staged.rejects,
        languages=words.languages,
        looked_up=words.looked_up,
        rejected=words.rejected,
        shards=words.shards,
    )


def _stoppable(rows: Iterable[pa.RecordBatch], stop: Stop) -> Iterator[pa.RecordBatch]:
    for batch in rows:
        stop.check("while reading the input")
        yield batch


def _refusal(run: RunDir, rows_in: int, rejects: Mapping[str, int]) -> InputError:
    return InputError(
        f"{count_of(sum(rejects.values()), 'row')} of {rows_in:,} rejected ({listed(rejects)}), listed in "
        f"{run.root / REJECTS_TSV}: mend the input, or run without --strict"
    )


def tool() -> str:
    """Return name and version of this program."""
    try:
        return f"g2p-batch {version('g2p-batch')}"
    except PackageNotFoundError:  # imported from a source tree
        return "g2p-batch (not installed)"


def _prepare(planning: Planning) -> None:
    amount_of_memory(planning.memory)
    if planning.since is not None and planning.since.root.absolute() == planning.run_dir.absolute():
        raise UsageError(f"--since-run {planning.since.root} is the folder of this run: choose another --run-dir")
    require_unread(planning.source, planning.run_dir, "choose another --run-dir")
    store = store_at(planning.run_dir)
    store.make()
    for name in (REJECTS_TSV, SUMMARY):
        store.require_writable(name)
