"""A Slurm of one node in a temporary folder: its own munged, slurmctld and slurmd, and nothing left of them."""

import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

BATCH_FILES = Path(__file__).parents[2] / "configs" / "cluster" / "slurm"
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")

_CORES = 8
"""What the node claims to have; tests wait more than they compute."""

_CONF = """\
ClusterName=lab
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={root}/munge.socket,cred_expire=5
CryptoType=crypto/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2
SlurmctldParameters=preempt_send_user_signal
SlurmdParameters=config_overrides
ReturnToService=2
JobRequeue=0
KillWait=5
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/slurmd.pid
SlurmctldPort={controller_port}
SlurmdPort={node_port}
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} CoresPerSocket={cores} RealMemory=64000 State=UNKNOWN
PartitionName=low Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1 PreemptMode=REQUEUE GraceTime=30
PartitionName=high Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF
"""
"""Credentials that expire soon let a requeued job start after seconds instead of two minutes."""

_PORTS = (15_000, 30_000)
"""Below what Linux hands out by itself."""

_CGROUP = "CgroupAutomount=no\nConstrainCores=no\nConstrainRAMSpace=no\n"


def missing() -> str | None:
    """Return why no lab can be started here, or None."""
    absent = [name for name in PROGRAMS if shutil.which(name) is None]
    if absent:
        return f"needs Slurm: {', '.join(absent)} not found (apt-get install slurm-wlm munge)"
    return None if os.geteuid() == 0 else "only root may start a Slurm node"


class Lab:
    """Asks the Slurm of a folder."""

    def __init__(self, root: Path, environment: dict[str, str]) -> None:
        self.root = root
        self.environment = environment

    def call(self, *command: str | Path, cwd: Path | None = None) -> str:
        """Run a command with this Slurm; returns what it prints."""
        done = subprocess.run(
            [str(part) for part in command],
            env=self.environment,
            cwd=cwd or self.root,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout.strip()

    def queue(self, job: str) -> dict[str, tuple[str, str]]:
        """Return the unfinished jobs or elements of a job: the id of each as a job, and its state."""
        rows = self.call("squeue", "-h", "-r", "-o", "%i %A %T").splitlines()
        found = {name: (number, state) for name, number, state in (row.split() for row in rows)}
        return {name: facts for name, facts in found.items() if name.split("_")[0] == job}

    def facts(self, job: str) -> dict[str, str]:
        """Return what Slurm says of one job or element."""
        text = self.call("scontrol", "show", "job", "-o", job)
        return dict(pair.split("=", 1) for pair in text.split() if "=" in pair)

    def launch(self, folder: Path, tasks: int, run_dir: str, output: str, *options: str) -> tuple[str, str]:
        """Launch an array with a core a task, and the merge that depends on it; return their ids."""
        array = self.call(
            *("sbatch", "--parsable", "--cpus-per-task=1", "--mem=1G", f"--array=0-{tasks - 1}"),
            *(BATCH_FILES / "array.sbatch", run_dir),
            cwd=folder,
        )
        merge = ("sbatch", "--parsable", f"--dependency=afterany:{array}", BATCH_FILES / "merge.sbatch")
        return array, self.call(*merge, run_dir, "-o", output, *options, cwd=folder)

    def signal(self, job: str, name: str) -> None:
        """Signal the batch process of a job or an element as the end of its time does."""
        # By its own id: for elements by name scancel tries again until they run once more.
        ((number, _),) = [facts for found, facts in self.queue(job.split("_")[0]).items() if found == job]
        self.call("scancel", f"--signal={name}", "--batch", number)

    def wait(self, job: str, seconds: float = 120) -> None:
        """Wait until nothing of a job is in the queue."""
        until(lambda: not self.queue(job), seconds, f"job {job} is not done")


def until(happened: Callable[[], Any], seconds: float, otherwise: str) -> None:
    """Wait for something."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, otherwise
        time.sleep(0.1)


@contextmanager
def lab(root: Path, path: Sequence[Path]) -> Iterator[Lab]:
    """Start a Slurm whose jobs find programs in `path` first, and end it with all that it started."""
    for folder in ("state", "spool"):
        (root / folder).mkdir()
    key = root / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o600)
    host = socket.gethostname().split(".")[0]
    ports = dict(zip(("controller_port", "node_port"), _free_ports(2), strict=True))
    conf = root / "slurm.conf"
    conf.write_text(_CONF.format(root=root, host=host, cores=_CORES, **ports))
    (root / "cgroup.conf").write_text(_CGROUP)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM", "SBATCH"))}
    environment |= {"SLURM_CONF": str(conf), "PATH": os.pathsep.join([*map(str, path), environment["PATH"]])}
    munge = [f"--{name}={root}/munge.{suffix}" for name, suffix in _MUNGE_FILES.items()]
    commands = (
        ["munged", "--foreground", "--force", "--num-threads=2", *munge],
        ["slurmctld", "-D", "-f", str(conf)],
        ["slurmd", "-D", "-f", str(conf), "-N", host],
    )
    made = Lab(root, environment)
    daemons = []
    try:
        for command in commands:
            with (root / f"{command[0]}.log").open("w") as log:
                daemons.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log))
            time.sleep(0.3)
        until(lambda: _idle(made), 30, f"the node does not come up: {(root / 'slurmd.log').read_text()[-2000:]}")
        yield made
        made.call("scancel", "--full", "--user=root")
        until(lambda: not made.call("squeue", "-h"), 30, "jobs do not end")
    finally:
        for daemon in reversed(daemons):
            daemon.terminate()
            daemon.wait(30)
        for process in left(root):
            os.kill(process, signal.SIGKILL)


_MUNGE_FILES = {
    "key-file": "key",
    "socket": "socket",
    "pid-file": "pid",
    "log-file": "log",
    "seed-file": "seed",
}


def left(root: Path) -> list[int]:
    """Return the processes whose command line or environment names the folder of a lab."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            told = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
        except OSError:  # it has ended
            continue
        if str(root).encode() in told and int(folder.name) != os.getpid():
            found.append(int(folder.name))
    return found


def _idle(made: Lab) -> bool:
    asked = subprocess.run(
        ["sinfo", "-h", "-o", "%T"], env=made.environment, capture_output=True, text=True, check=False
    )
    return asked.stdout.split() == ["idle"]


def _free_ports(count: int) -> list[int]:
    """Return ports that nothing uses, from a range that no other program is given one of by chance."""
    found: set[int] = set()
    while len(found) < count:
        port = random.SystemRandom().randrange(*_PORTS)
        with socket.socket() as tried, suppress(OSError):
            tried.bind(("127.0.0.1", port))
            found.add(port)
    return list(found)
