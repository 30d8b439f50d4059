"""Words per second by time and by workers at work."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from g2p_batch.reporting.throughput import throughput_of
from g2p_batch.run.run_directory import Content, Receipt
from g2p_batch.run.status import busy_s


def receipt(number: int, start_s: float, seconds: float, words: int, worker: str = "a:1") -> Receipt:
    nothing = Content("parts/none", 0, "")
    return Receipt(number, "plan", "engine", words, nothing, {"ok": words}, worker, seconds, start_s + seconds)


def test_speed_is_by_time_and_by_workers_at_work_without_breaks() -> None:
    speed = throughput_of([receipt(0, 1000, 10, 100), receipt(1, 1005, 10, 300, "b:2"), receipt(2, 9000, 5, 50)])
    assert (speed.first_s, speed.last_s, speed.busy_s, speed.words, speed.words_per_s) == (
        1000,
        9005,
        20,
        450,
        22.5,
    )
    assert (speed.breaks, speed.breaks_s, speed.workers) == (1, 9000 - 1015, {"a:1", "b:2"})
    assert [(one.least, one.most, one.seconds, one.worker_seconds) for one in speed.concurrency] == [
        (1, 1, 15, 15),
        (2, 2, 5, 10),
    ]
    assert [(one.words_per_s, one.words_per_worker_s) for one in speed.concurrency] == [
        (250 / 15, 250 / 15),
        (40, 20),
    ]
    edge = 20 / 3
    assert [one.start_s for one in speed.intervals] == pytest.approx([0, edge, 2 * edge])
    assert [one.words for one in speed.intervals] == pytest.approx(
        [50 + 40 * 5 / 3, (40 + 30) * 10 / 3, 30 * 5 / 3 + 50]
    )
    assert [one.workers for one in speed.intervals] == pytest.approx(
        [(5 + 2 * 5 / 3) / edge, (2 + 1) * 10 / 3 / edge, 1]
    )


def test_many_workers_are_summed_up_by_doublings() -> None:
    speed = throughput_of([receipt(number, 0.0, 10.0 + number, 100, f"a:{number}") for number in range(40)])
    ranges = [(one.least, one.most) for one in speed.concurrency]
    assert ranges == [*((n, n) for n in range(1, 9)), (9, 16), (17, 32), (33, 64)]
    assert [one.seconds for one in speed.concurrency] == pytest.approx([1] * 8 + [8, 16, 7 + 10])


RECEIPTS = st.lists(
    st.tuples(st.floats(1.7e9, 1.7e9 + 500), st.floats(0, 80), st.integers(1, 70_000)), min_size=1, max_size=70
)


@given(RECEIPTS)
def test_no_word_and_no_second_is_lost_between_spans(shards: list[tuple[float, float, int]]) -> None:
    receipts = [receipt(number, *shard) for number, shard in enumerate(shards)]
    speed = throughput_of(receipts)
    words = sum(shard[2] for shard in shards)
    assert speed.words == words
    assert sum(one.words for one in speed.intervals) == pytest.approx(words, rel=1e-4)
    assert sum(one.words for one in speed.concurrency) == pytest.approx(words, rel=1e-4)
    assert sum(one.seconds for one in speed.concurrency) == pytest.approx(speed.busy_s)
    assert speed.busy_s == pytest.approx(busy_s(receipts), abs=0.002 * len(receipts))
