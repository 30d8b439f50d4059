"""A finished run, for tests of its page."""

import shutil
from pathlib import Path

import pytest

from tests.helpers.runs import Job, fake_decoding, job_in


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Job:
    job = job_in(tmp_path_factory.mktemp("original"))
    job(fake_decoding(workers=1))
    return job


@pytest.fixture
def done(original: Job, tmp_path: Path) -> Job:
    """A finished run of the test's own."""
    shutil.copytree(original.options.run_dir, tmp_path / "run")
    return original.planned(run_dir=tmp_path / "run")
