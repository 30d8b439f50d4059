"""The plan of a run: made once, and found again by every later command that asks for the same."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pyarrow as pa

from g2p_batch.counts import count_of, listed
from g2p_batch.errors import InputError, RunError, UsageError
from g2p_batch.formats.existing import ExistingLexicon
from g2p_batch.formats.tsv import write_rejects
from g2p_batch.model.contract import EXCEPTIONS, Contract, DType
from g2p_batch.model.nbest import Search
from g2p_batch.model.progress import Say
from g2p_batch.run import fingerprint
from g2p_batch.run.fingerprint import Fingerprint
from g2p_batch.run.leftovers import collect_leftovers
from g2p_batch.run.lookup import WAYS, EarlierRun, Matches, match_words, stage_entries
from g2p_batch.run.presence import alone
from g2p_batch.run.rejects import publish_rejects
from g2p_batch.run.run_directory import REJECTS_TSV, SUMMARY, Plan, RunDir
from g2p_batch.run.sharding import SHARD_WORDS, cut, stage
from g2p_batch.run.sort_key import Keys
from g2p_batch.run.written import inherit
from g2p_batch.signals import Stop
from g2p_batch.storage.database import database
from g2p_batch.storage.locations import Location
from g2p_batch.storage.memory import DEFAULT_MEMORY, Memory
from g2p_batch.words.files import InputFile
from g2p_batch.words.filter import Normalize, SpellingMode, Unseen, WordFilter
from g2p_batch.words.inputs import find_files
from g2p_batch.words.wordlist import OpenedLists, WordLists, open_word_lists


@dataclass(frozen=True)
class PlanOptions:
    """What to plan, and where; checked when it is made.

    Attributes:
        words: the word lists.
        contract: the model's contract.
        run_dir: the run directory; created if absent.
        model: what the user calls the model.
        dtype: the model's number format.
        normalize: the Unicode form that words are given.
        spelling: whether words are spelt as the model learnt to read, or asked as they are.
        unseen: whether words with characters that the model never saw are rejected.
        memory: most memory for sorting.
        shard_words: most words of a shard; changes no output, and an existing plan keeps its own.
        strict: refuse to plan if any row is rejected.
        restart: discard what an earlier run left.
        lexicons: existing lexicons: what the first one that holds a word says of it counts.
        since: an earlier run: words that it has decoded are not asked of the model again.
        or_anew: go on without the earlier run where its answers may differ.
        search: what to look for, where several pronunciations of a word are wanted.
        dictionary: whether the model's exceptions, if it has some, are asked before it.

    Raises:
        UsageError: the run directory would be read as part of an input, or is the earlier run's.
    """

    words: WordLists
    contract: Contract
    run_dir: Location
    model: str = "bundled"
    dtype: DType = "float32"
    normalize: Normalize = "nfc"
    spelling: SpellingMode = "on"
    unseen: Unseen = "keep"
    memory: Memory = DEFAULT_MEMORY
    shard_words: int = SHARD_WORDS
    strict: bool = False
    restart: bool = False
    lexicons: tuple[ExistingLexicon, ...] = ()
    since: EarlierRun | None = None
    or_anew: bool = False
    search: Search | None = None
    dictionary: bool = True

    def __post_init__(self) -> None:
        if self.or_anew and self.since is None:
            raise UsageError("--or-anew is of no use without --since-run: give both, or leave it out")
        if self.since is not None and self.since.root.absolute() == self.run_dir.absolute():
            raise UsageError(f"--since-run {self.since.root} is the folder of this run: choose another --run-dir")
        self.words.sources.require_unread([self.run_dir], "choose another --run-dir")

    @property
    def answered(self) -> tuple[ExistingLexicon | EarlierRun, ...]:
        """All that may hold words already, by falling preference."""
        return (*self.lexicons, *((self.since,) if self.since else ()))

    @property
    def output_options(self) -> dict[str, Any]:
        """All that changes the output of a run but its inputs, by the names that its user knows."""
        return (
            fingerprint.planning_options(self.words, self.lexicons)
            | self.word_options
            | fingerprint.model_options(self.contract, self.dtype)
            | {"--since-run": None if self.since is None else str(self.since.root.absolute())}
        )

    @property
    def word_options(self) -> dict[str, Any]:
        """What decides how words are asked, by the names that its user knows."""
        search = self.search
        return {
            "--normalize": self.normalize,
            "--spelling": self.spelling,
            "--unseen": self.unseen,
            "sha256 of the model's dictionary": self.exceptions,
            "--variants": search and search.variants,
            "--min-share": search and search.min_share,
            "most beginnings of a word that are extended": search and search.allowance,
        }

    @property
    def exceptions(self) -> str | None:
        """The sha256 of the model's exceptions, if they are to be asked."""
        return self.contract.files.get(EXCEPTIONS) if self.dictionary else None

    @property
    def answered_files(self) -> list[InputFile]:
        """The files of all that may hold words already."""
        return [InputFile(str(file), file, str(holder)) for holder in self.answered for file in holder.files]


def planned(options: PlanOptions, run: RunDir, stop: Stop, say: Say = lambda _: None) -> Plan:
    """Return the plan of a run directory, made now if it has none, and check that it is the one asked for.

    Nothing of an earlier run is discarded before inputs and run directory are known to be of use.

    Raises:
        UsageError: the options of the word lists exclude each other.
        InputError: the word lists cannot be read, or `strict` and rows were rejected (only the rejects are written).
        RunError: the run directory holds another run.
        OutputError: the run directory cannot be written.
        StoppedEarlyError: a signal came; nothing is planned.
    """
    earlier = options.since
    if options.or_anew:
        options = _comparable(options, say)
    run.store.make()
    for name in (REJECTS_TSV, SUMMARY):
        run.store.require_writable(name)
    lists = find_files(options.words.inputs)
    plan = None if options.restart else run.plan()
    if plan is None:
        plan = _published(options, lists, earlier, run, stop, say)
    else:
        fingerprint.require_same_inputs(run.root, plan.fingerprint, [*lists, *options.answered_files])
    fingerprint.require_same(run.root, plan.fingerprint, options.output_options)
    if options.strict and plan.rejects:
        if not run.is_pruned(plan):  # which keeps them
            publish_rejects(run, plan)
        raise _refusal(run, plan.rows_in, plan.rejects)
    return plan


def _comparable(options: PlanOptions, say: Say) -> PlanOptions:
    """Leave an earlier run out whose answers may not be given today, or are gone."""
    try:
        _require_comparable(options)
    except RunError as error:
        say(f"All words are decoded anew: {error}")
        return replace(options, since=None, or_anew=False)
    return options


def _require_comparable(options: PlanOptions) -> None:
    """Check that the answers of the earlier run are there, and would be given today."""
    if options.since is not None:
        asked = fingerprint.model_options(options.contract, options.dtype) | options.word_options
        options.since.require_same(asked)
        earlier = RunDir(options.since.root)
        earlier.require_unpruned(earlier.require_plan(), "give that with --lexicon, or leave out --since-run")


def _published(
    options: PlanOptions, lists: Sequence[InputFile], earlier: EarlierRun | None, run: RunDir, stop: Stop, say: Say
) -> Plan:
    """Make a plan and publish it, in place of what is there if that is to be discarded.

    Another command may have published another one meanwhile. What the earlier run wrote may be replaced, also where
    its answers may not be given.

    Raises:
        BusyError: what is there is to be discarded, and another process is at work on it.
    """
    opened = open_word_lists(options.words, lists)
    if opened.empty:
        more = f" and {len(opened.empty) - 1:,} more" if len(opened.empty) > 1 else ""
        say(f"Note: passed over, since there is nothing in it: {opened.empty[0]}{more}")
    _require_comparable(options)
    files = [*lists, *options.answered_files]
    with alone(run, "discarded and planned anew") if options.restart else nullcontext():
        if options.restart:
            run.discard()
        collect_leftovers(run, None, {})
        made = _made(options, opened, files, run, stop, say)
        if earlier is not None:
            inherit(run, RunDir(earlier.root))
        plan = run.publish_plan(made)
    if plan.fingerprint.inputs != made.fingerprint.inputs:
        raise RunError(f"another command has planned {run.root} for other inputs meanwhile: use another --run-dir")
    publish_rejects(run, plan)
    return plan


def _made(
    options: PlanOptions, opened: OpenedLists, files: Sequence[InputFile], run: RunDir, stop: Stop, say: Say
) -> Plan:
    """Make a plan; its data is stored, itself it is not published yet.

    Args:
        options: what to plan.
        opened: the word lists, at their beginning.
        files: all that is read, existing lexicons among it.
        run: where the plan's data is stored.
        stop: ends it.
        say: is told what existing lexicons gave.
    """
    inputs = fingerprint.inputs_of(files)
    with (
        run.scratch("plan") as scratch,
        database(options.memory, scratch) as sorter,
        stop.interrupting(sorter.interrupt),
    ):
        words = WordFilter(options.contract, options.normalize, options.spelling, options.unseen)
        lang = options.words.lang
        entries = stage_entries(options.answered, lang, words, sorter, scratch, say) if options.answered else None
        staged = stage(_stoppable(opened.batches(), stop), words, scratch)
        if options.strict and staged.rejects:
            run.store.publish(REJECTS_TSV, partial(write_rejects, staged.rejected()))
            raise _refusal(run, staged.rows_in, staged.rejects)
        matches = None
        if entries is not None:
            keys = Keys(options.contract)
            matches = match_words(staged.words_file, entries, options.answered, keys, sorter, scratch)
            _tell(matches, say)
        stored = cut(staged, matches, options.contract, options.shard_words, run, sorter)
        inputs = fingerprint.require_unchanged(files, inputs)
    stop.check("while planning")
    return Plan(
        fingerprint=Fingerprint(inputs, options.output_options),
        model=options.model,
        dtype=options.dtype,
        normalize=options.normalize,
        spelling=staged.spelling,
        look_alikes=staged.look_alikes,
        unknown_languages=staged.unknown_languages,
        rows_in=staged.rows_in,
        words=stored.words,
        known=stored.known,
        duplicates=staged.words - stored.words - stored.known,
        rejects=staged.rejects,
        languages=stored.languages,
        looked_up=stored.looked_up,
        rejected=stored.rejected,
        shards=stored.shards,
        search=options.search,
        dictionary=options.exceptions is not None,
    )


def _tell(matches: Matches, say: Say) -> None:
    """Tell how words were found where it was not exactly, and which lexicons gave none."""
    if set(matches.ways) - {WAYS[0]}:
        say(f"Words found in lexicons: {listed(matches.ways)}")
    for note in matches.notes:
        say(f"Note: {note}")


def _stoppable(rows: Iterable[pa.RecordBatch], stop: Stop) -> Iterator[pa.RecordBatch]:
    for batch in rows:
        stop.check("while reading the input")
        yield batch


def _refusal(run: RunDir, rows_in: int, rejects: Mapping[str, int]) -> InputError:
    return InputError(
        f"{count_of(sum(rejects.values()), 'row')} of {rows_in:,} rejected ({listed(rejects)}), listed in "
        f"{run.root / REJECTS_TSV}: mend the input, or run without --strict"
    )
