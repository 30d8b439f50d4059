"""Slots of processes whose devices fail."""

from typing import Any

import pytest

from g2p_batch.workers import processes
from g2p_batch.workers.processes import LocalProcesses


class FakeProcess:
    def __init__(self, _context: Any, environment: dict[str, str]) -> None:
        self.environment, self.ended = environment, False


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> LocalProcesses:
    monkeypatch.setattr(processes, "Process", FakeProcess)
    return LocalProcesses([{"GPU": "0"}, {"GPU": "1"}])


def test_devices_that_fail_together_cost_one_failure_each(backend: LocalProcesses) -> None:
    context: Any = None
    for _ in range(processes._FAILURES):
        first, second = backend.start_worker(context), backend.start_worker(context)
        backend.on_device_lost(first)
        backend.on_device_lost(second)
    assert backend.capacity == 0


def test_a_slot_that_was_taken_again_counts_the_failure_of_its_earlier_process(backend: LocalProcesses) -> None:
    context: Any = None
    workers: Any = [backend.start_worker(context), backend.start_worker(context)]
    for worker in workers:
        worker.ended = True
    again: Any = [backend.start_worker(context), backend.start_worker(context)]
    for worker in workers:
        backend.on_device_lost(worker)
    assert backend.capacity == 2
    assert {worker.environment["GPU"] for worker in again} == {"0", "1"}
