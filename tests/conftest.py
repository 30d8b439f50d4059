"""Fixtures that several test files share. Nothing here imports torch unless a test asks for it."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tiny_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the exported program of `tiny_models.random_checkpoint()`."""
    from tests.tiny_models import random_program

    return random_program(tmp_path_factory.mktemp("programs") / "tiny")


@pytest.fixture(scope="session")
def tiny_artifact(tiny_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return that program compiled for this CPU in `tiny_models.TINY_SHAPES`."""
    from g2p_batch.host import cpu_family
    from g2p_compile.build import build
    from tests.tiny_models import TINY_SHAPES

    folder = tmp_path_factory.mktemp("artifacts") / "tiny"
    build(tiny_program, cpu_family(), TINY_SHAPES, "float32", folder)
    return folder
