"""How far a run is."""

from pathlib import Path

import pytest

from g2p_batch.run import status
from g2p_batch.run.status import status_of
from tests.helpers.runs import job_in


def test_a_rate_that_rounds_to_nothing_gives_no_time_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = job_in(tmp_path)
    job()
    monkeypatch.setattr(status, "busy_s", lambda _receipts: 1e9)
    found = status_of(job.run)
    assert (found.words_per_s, found.eta_s) == (0.0, None)
    assert "0 words/s." in found.to_text()
