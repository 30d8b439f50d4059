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


def linker(*, native: bool) -> tuple[str, ...]:
    """Return the command of a linker; for another architecture that is zig, which links for all of them.

    Raises:
        ArtifactError: there is none.
    """
    if native:
        for command in _LINKERS:
            if shutil.which(command[0]):
                return command
    if importlib.util.find_spec("ziglang"):
        return _ZIG
    raise ArtifactError(
        "there is no linker on this machine to make the compiled model loadable: install gcc "
        "(`apt-get install gcc`), or `pip install 'g2p-batch[linker]'`"
    )


def link(output: str, objects: list[str], *, triple: str | None) -> None:
    """Link object files for a triple, or for this machine.

    Raises:
        ArtifactError: there is no linker, or it failed.
    """
    command = linker(native=triple is None)
    if triple is not None:
        command = (*command, "-target", triple)
    done = subprocess.run([*command, "-o", output, *objects], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ArtifactError(f"`{' '.join(command)}` failed:\n{done.stderr.strip()}")
