"""The shards of a run that are not done yet, or one task's part of them."""

from dataclasses import dataclass
from typing import Any

from g2p_batch.counts import count_of
from g2p_batch.errors import DrainedError, IncompleteError, RunError, UsageError
from g2p_batch.model.greedy import EngineFactory
from g2p_batch.model.progress import Progress, Say
from g2p_batch.model.resolve import Model
from g2p_batch.run.leftovers import collect_leftovers
from g2p_batch.run.run_directory import EngineRecord, Plan, Quarantine, RunDir, shard_name
from g2p_batch.signals import Stop
from g2p_batch.workers.scheduler import RETRIES, WorkerBackend, run_shards
from g2p_batch.workers.shard import RunContext


@dataclass(frozen=True)
class ArrayTask:
    """One of several tasks that share a run: it does every `of`-th shard, from number `index` on.

    Raises:
        UsageError: there is no such task.
    """

    index: int = 0
    of: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.of:
            raise UsageError(f"--shards {self.index}/{self.of} names no task: they count from 0 to {self.of - 1}")

    @classmethod
    def parse(cls, text: str) -> "ArrayTask":
        """Read `I/N`.

        Raises:
            UsageError: it is something else.
        """
        index, _, of = text.partition("/")
        if not (index.isdecimal() and of.isdecimal()):
            raise UsageError(f"--shards {text} is not I/N: task 0 of 40 does 0/40, the last one 39/40")
        return cls(int(index), int(of))


@dataclass(frozen=True)
class Decoding:
    """How the shards of a run are decoded.

    Attributes:
        model: compiled when there is work, and not before.
        backend: where the workers live.
        progress: is told how far the decoding is.
        say: is told what goes beyond progress.
    """

    model: Model
    backend: WorkerBackend[Any]
    progress: Progress
    say: Say


def run_remaining(run: RunDir, plan: Plan, task: ArrayTask, decoding: Decoding, stop: Stop) -> list[int]:
    """Do the shards of a task that have no receipt, long words first: what is left at the end is short.

    Returns:
        The shards that this call did.

    Raises:
        RunError: the run was begun with another compiled model, or its planned words are damaged.
        IncompleteError: shards were given up.
        WorkerError: there is no place for workers, or they die before they are ready.
        ArtifactError: the compiled model is damaged, or too short for its contract.
        OutputError: the run directory cannot be written.
        StoppedEarlyError: a signal came; finished shards are kept.
        DrainedError: a signal asked to begin no more shards, and some are left.
    """
    receipts, void = run.settle(plan)
    for name in void:
        decoding.say(f"{run.root / name} is damaged: it is set aside, and its shard is done again")
    collect_leftovers(run, plan, receipts)
    remaining = [number for number in range(task.index, len(plan.shards), task.of) if number not in receipts]
    if not remaining:
        return []
    with stop.at_once("before the first shard"):
        engines = decoding.model.compiled(decoding.say)
    _require_engine(run, engines)
    context = RunContext(run.root, plan.id, decoding.model.contract, engines, plan.search, plan.dictionary)
    outcome = run_shards(context, plan, remaining[::-1], decoding.backend, decoding.progress, stop)
    for number, reasons in outcome.given_up.items():
        run.quarantine(Quarantine(number, plan.id, reasons))
    if outcome.left:
        raise DrainedError(
            f"drained by SIGUSR1 with {count_of(outcome.left, 'shard')} left; what was begun is finished: "
            "run the same command again"
        )
    if outcome.given_up:
        causes = "; ".join(
            f"{shard_name(number)}: {reasons[-1]}" for number, reasons in sorted(outcome.given_up.items())
        )
        raise IncompleteError(
            f"{count_of(len(outcome.given_up), 'shard')} given up after {RETRIES + 1} attempts each ({causes}); all "
            f"others of {run.root} are done: run again when the cause is mended, or take what is there with "
            f"`g2p-batch merge --partial {run.root}`"
        )
    return remaining


def _require_engine(run: RunDir, engines: EngineFactory) -> None:
    """Check that a run's answers come from one compiled model."""
    fixed = run.fix_engine(EngineRecord(engines.key, engines.label))
    if fixed.key != engines.key:
        raise RunError(
            f"{run.root} was begun with {fixed.name} (build {fixed.key[:12]}), now it is {engines.label} (build "
            f"{engines.key[:12]}), which may answer differently: go on with the same machine and version, compile for "
            "the least CPU of all with `g2p-batch compile --target`, or discard what is there with --restart"
        )
