"""A working folder and a fake model, for tests of commands."""

from pathlib import Path

import pytest

from g2p_batch.model import cpu_families
from tests.helpers.fake_model import Opened, install


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder of the test's own, with a cache of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("G2P_BATCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cpu_families, "usable_cores", lambda: 2)
    return tmp_path


@pytest.fixture
def opened(here: Path, monkeypatch: pytest.MonkeyPatch) -> list[Opened]:
    """The fake model in the folder `model`, and a list of what was opened."""
    return install(monkeypatch, here / "model")
