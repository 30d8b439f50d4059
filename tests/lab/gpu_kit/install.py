"""An installation that only runs models, for a machine that can reach no registry: packages unpacked into a folder."""

import shutil
import subprocess
import sys
import tempfile
import zipfile
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parents[3]
RUN_ONLY = ROOT / "configs" / "cluster" / "container" / "run-only.sh"

_PINNED = ("apache-tvm", "apache-tvm-ffi", "msgspec", "typing_extensions")
"""What an engine imports, and their own needs; numpy is there wherever a GPU is put to use."""
_OTHERS = ("nvidia-cuda-runtime>=13,<14",)
"""Of the extra `cuda`."""
_PLATFORMS = tuple(f"manylinux{name}_x86_64" for name in ("_2_28", "_2_27", "_2_24", "_2_17", "2014"))
_SOURCES = (
    *(
        f"compile/g2p_compile/{name}.py"
        for name in (
            *("bench/flops", "bench/gpu_ceiling", "bench/peer_transformers_gpu", "bench/race", "check/planned_words"),
            *("export/checkpoint", "export/sources", "export/supported", "export/widening", "kernels/cuda/tiling"),
        )
    ),
    "tests/helpers/decoding.py",
)
"""Of the compiler and the tests only what needs no compiler."""
_ON_CARD = Path("tests/lab/gpu_kit/on_card")


def install(folder: Path, python: str) -> None:
    """Put packages, this one among them, into a new folder that another machine has on its PYTHONPATH.

    Args:
        folder: where.
        python: version of the other machine's Python, such as 3.12.
    """
    folder.mkdir(parents=True)
    pinned = [f"{name}=={metadata.version(name)}" for name in _PINNED]
    with tempfile.TemporaryDirectory() as name:
        platforms = [option for platform in _PLATFORMS for option in ("--platform", platform)]
        target = ("--python-version", python, "--implementation", "cp", *platforms)
        command = (sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps")
        subprocess.run([*command, "--only-binary=:all:", *target, "--dest", name, *pinned, *_OTHERS], check=True)
        for wheel in sorted(Path(name).glob("*.whl")):
            with zipfile.ZipFile(wheel) as packed:
                packed.extractall(folder)
    subprocess.run([RUN_ONLY, folder], check=True)
    own = ROOT / "g2p_batch"
    shutil.copytree(own, folder / own.name, ignore=shutil.ignore_patterns("__pycache__", "bundled"))
    for source in (*_SOURCES, *(str(path.relative_to(ROOT)) for path in (ROOT / _ON_CARD).glob("*.py"))):
        target_path = folder / source.removeprefix("compile/")
        target_path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / source, target_path)
    for package in ("g2p_compile", "tests"):
        # The real ones import the compiler; without any, a package of that name elsewhere would be taken.
        for inner in [folder / package, *(p for p in (folder / package).rglob("*") if p.is_dir())]:
            (inner / "__init__.py").touch()
