"""`run`."""

import os
from typing import Any

import click

from g2p_batch import errors, signals
from g2p_batch.cli.main import main, say
from g2p_batch.cli.requests import model_of, site_of, slice_of
from g2p_batch.cli.run_options import run_dir_argument, team_options
from g2p_batch.storage.locations import Location


@main.command("run")
@run_dir_argument
@click.option(
    "--shards",
    "task",
    metavar="I/N",
    default="0/1",
    show_default=True,
    help="Do every N-th shard from number I on, I from 0 to N-1: the part of one task of an array of N.",
)
@team_options
@click.option(
    "--requeue",
    is_flag=True,
    help="In a Slurm job: when SIGUSR1 has ended it and shards are left, put it back into the queue.",
)
def run_(run_dir: Location, task: str, requeue: bool, **options: Any) -> None:
    """Decode what is planned and not done yet.

    RUN_DIR is the folder of a run, on a disk or in a bucket that all its tasks see. A task that is killed is started
    again with the same command; two that do the same shards waste work and harm nothing. SIGUSR1 lets a task finish the
    shards that it has begun and take no more; SIGTERM drops them.

    \b
    Examples:
      g2p-batch run big.run --shards 3/40
      g2p-batch run big.run --shards $SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT --requeue
      g2p-batch run big.run --engine ray --ray-address auto
    """
    from g2p_batch import driver
    from g2p_batch.run.run_directory import RunDir
    from g2p_batch.workers import slurm

    job = slurm.own_job(os.environ) if requeue else None
    part, site = slice_of(task), site_of(options)
    plan = RunDir(run_dir).require_plan()
    model = model_of(plan.model, plan.dtype)
    team = model.team(options["device"], options["workers"], site)
    try:
        driver.run_plan(run_dir, part, team, model.dtype, say)
    except errors.DrainedError:
        if job is None:
            raise
        say(f"Drained by SIGUSR1: Slurm job {job} goes back into the queue")
        signals.ignore_stops()  # Slurm ends at once what it requeues
        slurm.requeue(job)
        click.get_current_context().exit(errors.STOPPED_EARLY)
