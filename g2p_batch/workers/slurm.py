"""Slurm: which job this process belongs to, and how that job goes back into the queue."""

import subprocess
from collections.abc import Mapping

from g2p_batch.errors import StoppedEarlyError, UsageError

_JOB, _ARRAY, _TASK = "SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID"


def own_job(environment: Mapping[str, str]) -> str:
    """Return what `scontrol` calls the job that the environment is of: `12`, or `12_3` for task 3 of an array.

    An array's elements have job ids of their own too, but the last one's is that of the array: requeueing it by that id
    requeues every element, finished ones included (seen with Slurm 22.05).

    Raises:
        UsageError: it is of no job.
    """
    if _ARRAY in environment and _TASK in environment:
        return f"{environment[_ARRAY]}_{environment[_TASK]}"
    if _JOB in environment:
        return environment[_JOB]
    raise UsageError(f"--requeue puts a Slurm job back into its queue; this is none ({_JOB} is not set): leave it out")


def requeue(job: str) -> None:
    """Put a job back into the queue, to be started again as it was; Slurm then ends what runs of it.

    Raises:
        StoppedEarlyError: Slurm refuses, or cannot be asked.
    """
    command = ["scontrol", "requeue", job]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        refusal = done.stderr.strip() if done.returncode else None
    except OSError as cause:
        refusal = str(cause)
    if refusal is not None:
        raise StoppedEarlyError(
            f"{' '.join(command)} failed ({refusal}): submit the job again, with `sbatch --requeue` if it was without"
        )
