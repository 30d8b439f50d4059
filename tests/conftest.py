"""Fixtures that several test files share. Nothing here imports torch unless a test asks for it."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.helpers.emulated import Emulator
    from tests.helpers.object_server import ObjectServer


@pytest.fixture(scope="session")
def tiny_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the exported program of `tiny_models.random_checkpoint()`."""
    from tests.helpers.tiny_models import random_program

    return random_program(tmp_path_factory.mktemp("programs") / "tiny")


@pytest.fixture(scope="session")
def tiny_artifact(tiny_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return that program compiled for this CPU in `tiny_models.TINY_SHAPES`."""
    from g2p_batch.model.cpu_families import cpu_family
    from g2p_compile.build.builder import build
    from tests.helpers.tiny_models import TINY_SHAPES

    folder = tmp_path_factory.mktemp("artifacts") / "tiny"
    build(tiny_program, cpu_family(), TINY_SHAPES, "float32", folder)
    return folder


@pytest.fixture(scope="session")
def s3_server() -> Iterator["ObjectServer"]:
    """Return an S3 server on this machine, to which the environment points."""
    pytest.importorskip("moto", reason="needs moto[s3,server], which serves buckets on this machine")
    pytest.importorskip("obstore", reason="needs obstore, of the extra `cloud`")
    from tests.helpers.object_server import ObjectServer

    server = ObjectServer()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment().items():
            patch.setenv(name, value)
        yield server
    server.close()


@pytest.fixture
def s3_bucket(s3_server: "ObjectServer") -> str:
    """Return the URL of a new bucket."""
    return s3_server.new_bucket()


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> "Emulator":
    """Return CUDA on the CPU; this process uses it from now on."""
    from tests.helpers.emulated import Emulator, require_emulator

    require_emulator()
    return Emulator(tmp_path_factory.mktemp("emulator"))
