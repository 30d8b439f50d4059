"""The shards of a run that are not done yet, or one task's part of them."""

from collections.abc import Callable
from dataclasses import dataclass

from g2p_batch.counts import count_of
from g2p_batch.errors import DrainedError, IncompleteError, RunError, UsageError
from g2p_batch.model.contract import Contract
from g2p_batch.model.greedy import EngineFactory
from g2p_batch.model.progress import Progress
from g2p_batch.run.run_directory import Plan, Quarantine, RunDir, shard_name
from g2p_batch.signals import Stop
from g2p_batch.workers.processes import this_machine
from g2p_batch.workers.scheduler import RETRIES, OpenSite, run_shards
from g2p_batch.workers.shard import Brief

Say = Callable[[str], None]
"""Tells the user what happens."""


@dataclass(frozen=True)
class Slice:
    """Every `of`-th shard, from number `index` on: what one of several tasks does."""

    index: int = 0
    of: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.of:
            raise UsageError(f"--shards {self.index}/{self.of} names no task: they count from 0 to {self.of - 1}")


@dataclass(frozen=True)
class Team:
    """Who decodes.

    Attributes:
        contract: the model's contract.
        compiled: compiles the model if need be; not called where nothing is left to decode.
        workers: most workers; None for as many as the site has cores.
        progress: is told how far the decoding is.
        site: where the workers live.
    """

    contract: Contract
    compiled: Callable[[], EngineFactory]
    workers: int | None
    progress: Progress
    site: OpenSite = this_machine


def run_missing(run: RunDir, plan: Plan, part: Slice, team: Team, say: Say, stop: Stop) -> None:
    """Do the shards of a slice that have no receipt, long words first: what is left at the end is short.

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
        say(f"{run.root / name} is damaged: it is set aside, and its shard is done again")
    run.collect_leftovers(plan, receipts)
    mine = [number for number in range(part.index, len(plan.shards), part.of) if number not in receipts]
    if not mine:
        return
    with stop.at_once("before the first shard"):
        model = team.compiled()
    _require_engine(run, model)
    brief = Brief(run.root, plan.id, team.contract, model.key)
    outcome = run_shards(brief, plan, mine[::-1], model.open_engine, team.site, team.workers, team.progress, stop)
    given_up = outcome.given_up
    for number, reasons in given_up.items():
        run.quarantine(Quarantine(number, plan.id, reasons))
    if outcome.left:
        raise DrainedError(
            f"drained by SIGUSR1 with {count_of(outcome.left, 'shard')} left; what was begun is finished: "
            "run the same command again"
        )
    if given_up:
        told = "; ".join(f"{shard_name(number)}: {reasons[-1]}" for number, reasons in sorted(given_up.items()))
        raise IncompleteError(
            f"{count_of(len(given_up), 'shard')} given up after {RETRIES + 1} attempts each ({told}); all others of "
            f"{run.root} are done: run again when the cause is mended, or take what is there with `g2p-batch merge "
            f"--partial {run.root}`"
        )


def _require_engine(run: RunDir, model: EngineFactory) -> None:
    key, name = run.fixed_engine(model.key, model.name)
    if key != model.key:
        raise RunError(
            f"{run.root} was begun with {name} (build {key[:12]}), now it is {model.name} (build {model.key[:12]}), "
            "which may answer differently: go on with the same machine and version, compile for the least CPU of all "
            "with `g2p-batch compile --target`, or discard what is there with --restart"
        )
