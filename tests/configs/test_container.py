"""What the Dockerfile does, line by line, without a container engine: its scripts, in folders of the test's own."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
STAGES = [stage.splitlines() for stage in re.split(r"(?m)^FROM ", DOCKERFILE)[1:]]


def lines(stage: int, instruction: str) -> list[str]:
    return [line.split(" ", 1)[1] for line in STAGES[stage] if line.startswith(f"{instruction} ")]


def test_the_image_is_its_second_stage_without_root_and_without_tools() -> None:
    assert len(STAGES) == 2
    assert lines(1, "RUN") == []
    assert lines(1, "USER") == ["10001:10001"]
    assert lines(1, "COPY")[0] == "--from=build /opt/g2p-batch /opt/g2p-batch"
    assert lines(1, "ENTRYPOINT") == ['["g2p-batch"]'], "the program itself gets the signals"
    for source in lines(1, "COPY")[1:]:
        assert (ROOT / source.split()[0]).exists()


@pytest.fixture(scope="module")
def image() -> Iterator[Path]:
    """Run the first stage on a copy of what .dockerignore lets through; yields what stands for the root folder."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        root.chmod(0o755)
        (root / "src").mkdir()
        allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
        for part in allowed:
            copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
            copy(ROOT / part, root / "src" / part)
        environment = {name: os.environ[name] for name in ("HOME", "PATH", "PIP_CONFIG_FILE") if name in os.environ}
        environment |= {"PYTHON": getattr(sys, "_base_executable", sys.executable), "PYTHONNOUSERSITE": "1"}
        for line in lines(0, "ENV"):
            key, value = line.split("=", 1)
            environment[key] = _inside(root, value)
        setup, *steps = lines(0, "RUN")
        assert setup.startswith("apt-get ")
        for step in steps:
            done = subprocess.run(
                ["sh", "-c", _inside(root, step)], env=environment, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, (step, done.stderr)
        yield root


def _inside(root: Path, text: str) -> str:
    return re.sub(r"(?<![\w/])/(src|wheels|opt)\b", rf"{root}/\1", text)


@pytest.mark.container
def test_an_image_pronounces_words_at_once_as_a_user_without_rights(image: Path, tmp_path: Path) -> None:
    work = image / "work"
    work.mkdir(mode=0o777)
    work.chmod(0o777)
    (work / "words.txt").write_text("hello\nworld\n", encoding="utf-8")
    # Nothing else is on the path: whatever would compile or link here finds no tool.
    environment = {"PATH": str(image / "opt/g2p-batch/venv/bin")} | {
        key: _inside(image, value) for key, value in (line.split("=", 1) for line in lines(1, "ENV")) if key != "PATH"
    }
    command = [str(image / "opt/g2p-batch/venv/bin/g2p-batch"), "generate", "words.txt", "--lang", "eng-us"]
    with _read_only(image / "opt"):
        done = subprocess.run(
            [*_without_rights(), *command, "-o", "lexicon.tsv"],
            cwd=work,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert "Compiling" not in done.stderr
    assert (work / "lexicon.tsv").read_text(encoding="utf-8").splitlines()[1:] == [
        "hello\teng-us\thɛˈɫoʊ",
        "hello\teng-us\thəˈɫoʊ",
        "world\teng-us\tˈwɝɫd",
    ]


@contextmanager
def _read_only(folder: Path) -> Iterator[None]:
    subprocess.run(["chmod", "-R", "a-w", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["chmod", "-R", "u+w", str(folder)], check=True)


def _without_rights() -> list[str]:
    """Return what makes root obey the permissions of files; the interpreter may be one that no other user can reach."""
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    assert setpriv is not None, "root's rights are dropped with setpriv, of util-linux"
    return [setpriv, "--bounding-set=-all", "--inh-caps=-all"]


@pytest.mark.container
def test_an_image_holds_nothing_that_only_builds_or_tests(image: Path) -> None:
    (packages,) = (image / "opt/g2p-batch/venv/lib").glob("python*/site-packages")
    there = {path.name for path in packages.iterdir()}
    assert {"g2p_batch", "g2p_compile", "tvm", "pyarrow"} <= there
    assert not there & {"pip", "torch", "transformers", "pytest", "hypothesis", "mypy", "ziglang"}
    of_tvm = [path for path in (packages / "tvm").rglob("*") if path.is_file()]
    assert {path.name for path in of_tvm} > {"libtvm_runtime.so", "libtvm_runtime_cuda.so"}
    assert sum(path.stat().st_size for path in of_tvm) < 8 << 20
