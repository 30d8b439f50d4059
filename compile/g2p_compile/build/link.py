"""Object files -> shared library, with whatever linker the machine has."""

import importlib.util
import shutil
import subprocess
import sys

from g2p_batch.errors import ArtifactError

# Commands that make a shared library, best known first. The library needs no start-up code and no libraries of its own:
# what it calls is in the TVM runtime that loads it.
_LINKERS: tuple[tuple[str, ...], ...] = (
    ("cc", "-shared", "-nostdlib"),
    ("gcc", "-shared", "-nostdlib"),
    ("clang", "-shared", "-nostdlib"),
    ("ld", "-shared"),
    ("ld.lld", "-shared"),
)
_ZIG = (sys.executable, "-m", "ziglang", "cc", "-shared", "-nostdlib")


def linker(triple: str | None) -> tuple[str, ...]:
    """Return the command of a linker for a triple, or for this machine.

    Raises:
        ArtifactError: there is none.
    """
    candidates = _LINKERS if triple is None else ((f"{triple}-gcc", "-shared", "-nostdlib"),)
    for command in candidates:
        if shutil.which(command[0]):
            return command
    if importlib.util.find_spec("ziglang"):
        return _ZIG if triple is None else (*_ZIG, "-target", triple)
    raise ArtifactError(
        f"there is no linker for {triple or 'this machine'} to make the compiled model loadable: install "
        f"{candidates[0][0]}, or `pip install 'g2p-batch[linker]'`"
    )


def link(output: str, objects: list[str], *, triple: str | None) -> None:
    """Link object files for a triple, or for this machine.

    Raises:
        ArtifactError: there is no linker, or it failed.
    """
    command = linker(triple)
    done = subprocess.run([*command, "-o", output, *objects], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ArtifactError(f"`{' '.join(command)}` failed:\n{done.stderr.strip()}")
