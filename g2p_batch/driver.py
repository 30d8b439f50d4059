"""A run on this machine: plan, run, merge; each goes on where an earlier one stopped.

What writes lexicons is loaded by what does so: a plan or a task starts sooner without.
"""

import time
from collections import Counter
from collections.abc import Collection
from itertools import islice
from typing import TYPE_CHECKING

from g2p_batch.counts import count_of, listed, ranked
from g2p_batch.errors import BusyError, InputError, OutputError
from g2p_batch.languages import LANGUAGES, suggested
from g2p_batch.model.progress import Say
from g2p_batch.run import fingerprint
from g2p_batch.run.plan import PlanOptions, planned
from g2p_batch.run.presence import at_work
from g2p_batch.run.run_directory import Plan, RunDir
from g2p_batch.signals import stop_on_signals
from g2p_batch.storage.locations import Location
from g2p_batch.words.delimited import INVALID_UTF8
from g2p_batch.workers.remaining import ArrayTask, Decoding, run_remaining

if TYPE_CHECKING:
    from g2p_batch.run.output import LexiconOutput
    from g2p_batch.run.summary import Summary

_NAMED = 5
"""Unknown languages that are named."""
_ROUNDS = 3
"""A part that is damaged again as soon as it was written is the disk's fault, and more rounds do not help."""


def generate(options: PlanOptions, output: "LexiconOutput", decoding: Decoding) -> "Summary":
    """Turn word lists into a lexicon, going on where an earlier call with the same arguments stopped.

    What is wrong with options, inputs or places is found before the model is compiled.

    Args:
        options: what to plan.
        output: what to write.
        decoding: who decodes.

    Raises:
        UsageError: options exclude each other, the format has no place for so many languages, or the lexicon that is
            there was not written by this run.
        InputError: the word lists cannot be read, or `strict` and rows were rejected (only the rejects are written).
        RunError: the run directory holds another run.
        BusyError: another process takes the run's data away, or is at work on a run that is to be discarded.
        IncompleteError: shards were given up.
        WorkerError: workers die before they are ready.
        ArtifactError: the compiled model is damaged, or too short for its contract.
        OutputError: a file cannot be written.
        StoppedEarlyError: a signal came; finished shards are kept.
    """
    from g2p_batch.run.merge import DamageError, merged
    from g2p_batch.run.summary import finished, require_own

    started = time.perf_counter()
    _require_apart(options, output)
    run = RunDir(options.run_dir)
    with stop_on_signals() as stop, at_work(run):
        if not output.force:  # before a run is discarded, as far as the places of lexicons are known
            require_own(output.paths(()), run, RunDir(options.since.root) if options.since else None)
        plan = planned(options, run, stop, decoding.say)
        output.require_room(plan)
        if not output.force:
            require_own(output.paths(plan.languages), run)
        if (summary := finished(run, plan, output)) is not None:
            decoding.say(f"{output.path} is complete already: nothing is left to do")
            require_held(summary, plan, output)
            return summary
        _warn(plan, options.contract.languages, decoding.say)
        for _ in range(_ROUNDS):
            run_remaining(run, plan, ArrayTask(), decoding, stop)
            try:
                return merged(run, plan, output, decoding.say, stop, started)
            except DamageError as error:
                decoding.say(str(error))
    raise OutputError(f"parts in {run.root} are damaged again and again: check the disk, or use another --run-dir")


def require_held(summary: "Summary", plan: Plan, output: "LexiconOutput") -> None:
    """Check that a strict lexicon that was written before, without being so, lacks no word.

    Raises:
        InputError: it does.
    """
    if output.strict and (lacking := ranked(Counter(summary.rejects) - Counter(plan.rejects))):
        raise InputError(
            f"{count_of(sum(lacking.values()), 'word')} left out of {summary.lexicon} ({listed(lacking)}), listed in "
            f"{summary.rejects_file}: choose another --format, or write without --strict"
        )


def require_pronounced(summary: "Summary") -> None:
    """Check that a lexicon holds a word, unless it was written before all are decoded.

    Raises:
        InputError: rows were read, and it holds none.
    """
    if summary.rows_in and not summary.words and not summary.missing_words:
        raise InputError(
            f"none of {count_of(summary.rows_in, 'row')} is in {summary.lexicon} ({listed(summary.rejects)}): see "
            f"{summary.rejects_file}, and check the column of words and the language"
        )


def _require_apart(options: PlanOptions, output: "LexiconOutput") -> None:
    """Check that the lexicon takes the place of nothing that it is made of, now or by the next call."""
    tags = options.contract.languages
    output.require_apart(tags, [options.run_dir, *(lexicon.path for lexicon in options.lexicons)])
    options.words.sources.require_unread(output.paths(tags), "write the lexicon elsewhere")


def plan_run(options: PlanOptions, say: Say) -> Plan:
    """Plan a run, or find that it is planned already.

    Raises:
        UsageError, InputError, RunError, OutputError, StoppedEarlyError: as `generate` does.
    """
    run = RunDir(options.run_dir)
    with stop_on_signals() as stop, at_work(run):
        plan = planned(options, run, stop, say)
    say(
        f"{count_of(plan.rows_in, 'row')} read: {count_of(plan.words, 'word')} in {count_of(len(plan.shards), 'shard')}"
        f"{f', {plan.known:,} in existing lexicons or runs' if plan.known else ''}"
        f", {count_of(plan.duplicates, 'duplicate')}, {sum(plan.rejects.values()):,} rejected"
        f"{f' ({listed(plan.rejects)})' if plan.rejects else ''}."
    )
    _warn(plan, options.contract.languages, say)
    return plan


def _warn(plan: Plan, tags: Collection[str], say: Say) -> None:
    """Tell what to know of the languages of a plan, once each, and which letters of it look like others.

    A model, which has the languages `tags`, may have some of which nothing is known.
    """
    for tag in sorted(plan.languages):
        if (language := LANGUAGES.get(tag)) and language.warning:
            say(f"Note: {tag}: {language.warning}")
    for name, rows in islice(ranked(plan.unknown_languages).items(), _NAMED):
        meant = f"; did you mean {nearest}?" if (nearest := suggested(name, tags)) else ""
        say(f"Note: no language of the model is called {name!r}: {count_of(rows, 'row')} rejected{meant}")
    if rows := plan.rejects.get(INVALID_UTF8, 0):
        say(
            f"Note: {count_of(rows, 'row')} rejected as no UTF-8: say --encoding, such as latin-1, of a file in another"
        )
    if plan.look_alikes:
        named = listed(ranked(plan.look_alikes))
        say(f"Note: letters of another script in words, taken for those that they look like: {named}")


def run_plan(run_dir: Location, task: ArrayTask, decoding: Decoding) -> None:
    """Do the shards of one task that are not done yet.

    Raises:
        RunError: the directory holds no plan, or one for another model.
        IncompleteError, WorkerError, ArtifactError, OutputError, StoppedEarlyError: as `generate` does.
    """
    run = RunDir(run_dir)
    plan = run.require_plan()
    model = decoding.model
    fingerprint.require_same(run.root, plan.fingerprint, fingerprint.model_options(model.contract, model.dtype))
    with stop_on_signals() as stop, at_work(run):
        done = run_remaining(run, plan, task, decoding, stop)
    words = sum(plan.shards[number].words for number in done)
    before = len(range(task.index, len(plan.shards), task.of)) - len(done)
    decoding.say(
        f"Task {task.index}/{task.of} of {run.root} is done: {count_of(len(done), 'shard')} with "
        f"{count_of(words, 'word')} now, {before:,} before."
    )


def prune_run(run_dir: Location) -> str:
    """Prune a run whose lexicon was written just now, unless others are at work on it; tells which of the two it is.

    Raises:
        RunError, IncompleteError, OutputError: as `prune` does.
    """
    from g2p_batch.run.prune import prune

    try:
        return prune(RunDir(run_dir)).to_text()
    except BusyError as error:
        return f"Kept {run_dir}: {error}"


def merge_run(run_dir: Location, output: "LexiconOutput", say: Say) -> "Summary":
    """Write the lexicon of a run.

    Raises:
        RunError: the directory holds no plan.
        IncompleteError: shards are missing or damaged, and `output.partial` is false.
        UsageError, OutputError, StoppedEarlyError: as `generate` does.
    """
    from g2p_batch.run.merge import merged

    started = time.perf_counter()
    run = RunDir(run_dir)
    plan = run.require_plan()
    with stop_on_signals() as stop, at_work(run):
        return merged(run, plan, output, say, stop, started)
