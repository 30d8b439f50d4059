"""How a library is linked, and for which machine."""

import importlib.util
import platform
import re
import shutil
from pathlib import Path

import pytest

from g2p_batch.errors import ArtifactError
from g2p_batch.model.artifact_cache import LIBRARY
from g2p_batch.model.cpu_engine import Artifact
from g2p_batch.model.cpu_families import FAMILIES
from g2p_compile.build.builder import build
from g2p_compile.build.link import link, linker
from g2p_compile.kernels import MACHINES
from tests.helpers.elf import elf_machine
from tests.helpers.tiny_models import TINY_SHAPES

BY_NAME = {family.name: family for family in FAMILIES}


NO_LINKER = (
    "there is no linker for {} to make the compiled model loadable: install {}, or `pip install 'g2p-batch[linker]'`"
)


@pytest.mark.parametrize(
    ("triple", "expected"),
    [
        (None, NO_LINKER.format("this machine", "cc")),
        ("aarch64-linux-gnu", NO_LINKER.format("aarch64-linux-gnu", "aarch64-linux-gnu-gcc")),
    ],
)
def test_a_machine_without_linker_is_told_what_to_install(
    triple: str | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda command: None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ArtifactError) as caught:
        link("model.so", [], triple=triple)
    assert str(caught.value) == expected


@pytest.mark.parametrize(
    ("has", "triple", "expected"),
    [
        ({"cc", "gcc", "ld"}, None, ["cc", "-shared", "-nostdlib"]),
        ({"clang", "ld"}, None, ["clang", "-shared", "-nostdlib"]),
        ({"ld"}, None, ["ld", "-shared"]),
        ({"ld.lld"}, None, ["ld.lld", "-shared"]),
        ({"ziglang"}, None, ["-m", "ziglang", "cc", "-shared", "-nostdlib"]),
        (
            {"cc", "aarch64-linux-gnu-gcc", "ziglang"},
            "aarch64-linux-gnu",
            ["aarch64-linux-gnu-gcc", "-shared", "-nostdlib"],
        ),
        (
            {"cc", "ziglang"},
            "aarch64-linux-gnu",
            ["-m", "ziglang", "cc", "-shared", "-nostdlib", "-target", "aarch64-linux-gnu"],
        ),
    ],
)
def test_the_best_known_linker_is_taken(
    has: set[str], triple: str | None, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda command: command if command in has else None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: "found" if name in has else None)
    command = linker(triple)
    assert list(command[1:] if "ziglang" in command else command) == expected


def test_a_failed_link_says_what_the_linker_said(tmp_path: Path) -> None:
    command = " ".join(linker(None))
    with pytest.raises(ArtifactError) as caught:
        link(str(tmp_path / "model.so"), [str(tmp_path / "absent.o")], triple=None)
    first, *rest = str(caught.value).splitlines()
    assert first == f"`{command}` failed:"
    assert "absent.o" in "\n".join(rest)


def test_the_library_is_for_this_machine(tiny_artifact: Path) -> None:
    expected = {"x86_64": 62, "aarch64": 183}
    if platform.machine() not in expected:
        pytest.skip(f"the ELF number of {platform.machine()} is not listed here")
    assert elf_machine(tiny_artifact / LIBRARY) == expected[platform.machine()]


def test_cross_compiling_for_neon_makes_an_aarch64_library(tiny_program: Path, tmp_path: Path) -> None:
    try:
        linker(MACHINES["neon"].target["mtriple"])
    except ArtifactError as cause:
        pytest.skip(str(cause))
    manifest = build(tiny_program, BY_NAME["neon"], TINY_SHAPES, "float32", tmp_path / "artifact")
    assert elf_machine(tmp_path / "artifact" / LIBRARY) == 183
    assert (manifest.target.arch, manifest.target.machine) == ("aarch64", "neon")
    if platform.machine() != "aarch64":
        with pytest.raises(ArtifactError, match=f"^{re.escape(str(tmp_path / 'artifact'))} was compiled for aarch64, "):
            Artifact(tmp_path / "artifact")
