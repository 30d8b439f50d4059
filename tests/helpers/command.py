"""The program `g2p-batch`, as schedulers and scripts find it, of this source tree."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
REAL = "g2p_batch.cli"
SLOW = "tests.helpers.slow_cli"

_PROGRAM = """\
#!/bin/sh
export PYTHONPATH={path}
exec {python} -c 'from {module} import main; main(prog_name="g2p-batch")' "$@"
"""


def install(folder: Path, module: str) -> Path:
    """Make the program in a new folder, of the module that has its `main`."""
    folder.mkdir(parents=True)
    program = folder / "g2p-batch"
    path = f"{ROOT}:{ROOT / 'compile'}"
    program.write_text(_PROGRAM.format(path=path, python=sys.executable, module=module), encoding="utf-8")
    program.chmod(0o755)
    return program
