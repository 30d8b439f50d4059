"""A run on this machine: plan, run, merge; each goes on where an earlier one stopped."""

import time

from g2p_batch.counts import count_of, listed
from g2p_batch.errors import OutputError
from g2p_batch.languages import LANGUAGES
from g2p_batch.model.contract import DType
from g2p_batch.model.progress import Say
from g2p_batch.run import fingerprint, plan
from g2p_batch.run.merge import DamageError, finished, merged
from g2p_batch.run.output import LexiconOutput, Merging, target_of
from g2p_batch.run.plan import Planning, planned
from g2p_batch.run.run_directory import Plan, RunDir
from g2p_batch.run.summary import Summary
from g2p_batch.signals import stop_on_signals
from g2p_batch.storage.locations import Location
from g2p_batch.words.wordlist import require_unread
from g2p_batch.workers.remaining import Slice, Team, run_missing

_ROUNDS = 3
"""A part that is damaged again as soon as it was written is the disk's fault, and more rounds do not help."""


def check(planning: Planning, merging: Merging) -> None:
    """Raise now what `generate` would raise before it needs the model: wrong options, inputs and output names."""
    _target(planning, merging)
    plan.check(planning)


def generate(planning: Planning, merging: Merging, team: Team, say: Say) -> Summary:
    """Turn word lists into a lexicon, going on where an earlier call with the same arguments stopped.

    Args:
        planning: what to plan.
        merging: what to write.
        team: who decodes.
        say: is told what goes beyond progress.

    Raises:
        UsageError: an option is wrong, or the format has no place for so many languages.
        InputError: the word lists cannot be read, or `strict` and rows were rejected (only the rejects are written).
        RunError: the run directory holds another run.
        IncompleteError: shards were given up.
        WorkerError: workers die before they are ready.
        ArtifactError: the compiled model is damaged, or too short for its contract.
        OutputError: a file cannot be written.
        StoppedEarlyError: a signal came; finished shards are kept.
    """
    started = time.perf_counter()
    target = _target(planning, merging)
    run = RunDir(planning.run_dir)
    with stop_on_signals() as stop:
        made = planned(planning, run, stop)
        target.require_languages(made.languages)
        if (summary := finished(run, made, target)) is not None:
            say(f"{target.output} is complete already: nothing is left to do")
            return summary
        _warn(made, say)
        for _ in range(_ROUNDS):
            run_missing(run, made, Slice(), team, say, stop)
            try:
                return merged(run, made, target, merging, say, stop, started)
            except DamageError as error:
                say(str(error))
    raise OutputError(f"parts in {run.root} are damaged again and again: check the disk, or use another --run-dir")


def _target(planning: Planning, merging: Merging) -> LexiconOutput:
    """Return the lexicon to write, which must take the place of nothing that it is made of, now or by the next call."""
    target = target_of(merging)
    tags = planning.contract.languages
    target.require_apart(tags, [planning.run_dir, *(known.path for known in planning.lexicons)])
    for place in target.places(tags):
        require_unread(planning.source, place, "write the lexicon elsewhere")
    return target


def plan_run(planning: Planning, say: Say) -> Plan:
    """Plan a run, or find that it is planned already.

    Raises:
        UsageError, InputError, RunError, OutputError, StoppedEarlyError: as `generate` does.
    """
    with stop_on_signals() as stop:
        made = planned(planning, RunDir(planning.run_dir), stop)
    say(
        f"{count_of(made.rows_in, 'row')} read: {count_of(made.words, 'word')} in {count_of(len(made.shards), 'shard')}"
        f"{f', {made.known:,} in existing lexicons or runs' if made.known else ''}"
        f", {count_of(made.duplicates, 'duplicate')}, {sum(made.rejects.values()):,} rejected"
        f"{f' ({listed(made.rejects)})' if made.rejects else ''}."
    )
    _warn(made, say)
    return made


def _warn(made: Plan, say: Say) -> None:
    """Tell what to know of the languages of a plan, once each; a model may have others, of which nothing is known."""
    for tag in sorted(made.languages):
        if (known := LANGUAGES.get(tag)) and known.warning:
            say(f"Note: {tag}: {known.warning}")


def run_plan(run_dir: Location, part: Slice, team: Team, dtype: DType, say: Say) -> None:
    """Do the shards of one task that are not done yet.

    Raises:
        RunError: the directory holds no plan, or one for another model.
        IncompleteError, WorkerError, ArtifactError, OutputError, StoppedEarlyError: as `generate` does.
    """
    run = RunDir(run_dir)
    made = run.require_plan()
    fingerprint.require_same(run.root, made.fingerprint, fingerprint.facts_of(team.contract, dtype, plan.tool()))
    with stop_on_signals() as stop:
        run_missing(run, made, part, team, say, stop)


def merge_run(run_dir: Location, merging: Merging, say: Say) -> Summary:
    """Write the lexicon of a run.

    Raises:
        RunError: the directory holds no plan.
        IncompleteError: shards are missing or damaged, and `merging.partial` is false.
        UsageError, OutputError, StoppedEarlyError: as `generate` does.
    """
    started = time.perf_counter()
    target = target_of(merging)
    run = RunDir(run_dir)
    made = run.require_plan()
    with stop_on_signals() as stop:
        return merged(run, made, target, merging, say, stop, started)
