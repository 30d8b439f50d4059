"""`run`."""

import os
from typing import Any

import click

from g2p_batch import errors, signals
from g2p_batch.cli.help_groups import GroupedCommand
from g2p_batch.cli.main import main, quiet_option, say
from g2p_batch.cli.run_options import decoding, run_dir_argument, worker_backend, worker_options
from g2p_batch.storage.locations import Location


@main.command("run", cls=GroupedCommand)
@run_dir_argument
@click.option(
    "--shards",
    "task",
    metavar="I/N",
    default="0/1",
    show_default=True,
    help="Do every N-th shard from number I on, I from 0 to N-1: the part of one task of an array of N.",
)
@worker_options
@click.option(
    "--requeue",
    is_flag=True,
    help="In a Slurm job: when SIGUSR1 has ended it and shards are left, put it back into the queue.",
)
@quiet_option
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
    from g2p_batch.model.resolve import find_model
    from g2p_batch.run.run_directory import RunDir
    from g2p_batch.workers import slurm
    from g2p_batch.workers.remaining import ArrayTask

    job = slurm.own_job(os.environ) if requeue else None
    array_task, backend = ArrayTask.parse(task), worker_backend(options)
    plan = RunDir(run_dir).require_plan()
    model = find_model(plan.model, say, dtype=plan.dtype, target=options["device"].kind)
    try:
        driver.run_plan(run_dir, array_task, decoding(model, backend))
    except errors.DrainedError:
        if job is None:
            raise
        say(f"Drained by SIGUSR1: Slurm job {job} goes back into the queue")
        signals.ignore_stops()  # Slurm ends at once what it requeues
        slurm.requeue(job)
        click.get_current_context().exit(errors.STOPPED_EARLY)
