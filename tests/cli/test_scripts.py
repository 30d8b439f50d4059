"""`scripts`: the folder that it prints has what the documentation tells to start."""

import os
from pathlib import Path

from tests.cli.commandline import run

FILES = (
    *("nightly.sh", "slurm/submit.sh", "slurm/plan.sbatch", "slurm/array.sbatch", "slurm/merge.sbatch"),
    *("slurm/nightly.sbatch", "kubernetes/plan.yaml", "kubernetes/job.yaml", "kubernetes/merge.yaml"),
)


def test_the_folder_holds_the_scripts_ready_to_start() -> None:
    ran = run("scripts")
    assert (ran.exit_code, ran.stderr) == (0, "")
    folder = Path(ran.stdout.removesuffix("\n"))
    assert [name for name in FILES if not (folder / name).is_file()] == []
    assert [name for name in FILES if name.endswith(".sh") and not os.access(folder / name, os.X_OK)] == []


def test_the_documentation_names_every_script() -> None:
    text = (Path(__file__).parents[2] / "docs" / "cluster.md").read_text(encoding="utf-8")
    assert [name for name in FILES if Path(name).name not in text] == []
