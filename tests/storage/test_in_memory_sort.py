"""Sorting in memory, against the database and against Python."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from g2p_batch.errors import OutputError, StoppedEarlyError
from g2p_batch.formats.lexicon import LEXICON
from g2p_batch.run.plan import planned
from g2p_batch.run.sharding import stage
from g2p_batch.signals import Stop
from g2p_batch.storage.database import database
from g2p_batch.storage.in_memory_sort import by_input_row, distinct_words
from g2p_batch.storage.tables import encoded, held
from g2p_batch.words import wordlist
from tests.helpers.runs import CONTRACT, MANY, attempt, job_in

ROWS = pa.schema([("row", pa.int64()), ("key", pa.int64()), ("word", pa.string())])


def batches(words: list[str], factor: int, size: int) -> list[pa.RecordBatch]:
    """Number words from 1; a key tells the length, as plans have it."""
    keys = [len(word.encode()) * factor for word in words]
    table = pa.table([pa.array(range(1, len(words) + 1), pa.int64()), keys, pa.array(words, pa.string())], schema=ROWS)
    return table.to_batches(max_chunksize=size)


def told(found: list[pa.RecordBatch]) -> list[tuple[int, str, int]]:
    rows = [row for batch in found for row in batch.to_pylist()]
    return [(row["key"], row["word"], row["row"]) for row in rows]


ALIKE = st.text("ab", min_size=1, max_size=40) | st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=20
)


@settings(deadline=None)
@given(words=st.lists(ALIKE, max_size=60), factor=st.sampled_from([1, 5000]), size=st.integers(1, 30))
def test_each_word_comes_once_by_key_and_bytes_with_its_first_row(words: list[str], factor: int, size: int) -> None:
    first: dict[str, int] = {}
    for row, word in enumerate(words, 1):
        first.setdefault(word, row)
    expected = sorted((len(word.encode()) * factor, word.encode(), row) for word, row in first.items())
    found = [*distinct_words(batches(words, factor, size))]
    assert told(found) == [(key, word.decode(), row) for key, word, row in expected]
    assert all(batch.schema == ROWS for batch in found)


@pytest.mark.parametrize("count", [1, 2, 255, 256, 257, 5000])
def test_words_that_begin_alike_are_sorted_to_their_last_byte(count: int) -> None:
    words = [f"{'prefix' * 3}{number * 7919 % count:05}{'suffix' * 2}" for number in range(count)] * 2
    expected = sorted((word, row) for row, word in enumerate(words[:count], 1))
    assert [(word, row) for _, word, row in told([*distinct_words(batches(words, 1, 1000))])] == expected


@pytest.mark.parametrize("most_held", [0, 1000])
def test_a_plan_is_the_same_whether_its_words_fit_into_memory_or_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most_held: int
) -> None:
    job = job_in(tmp_path, MANY * 3).planned(shard_words=64)
    shards = planned(job.planning, job.run, Stop()).shards
    monkeypatch.setattr("g2p_batch.run.plan.held_bytes", lambda _memory: most_held)
    assert planned(job.planned(restart=True).planning, job.run, Stop()).shards == shards


@pytest.mark.parametrize(("most_held", "is_held"), [(0, False), (400, False), (1 << 20, True)])
def test_rows_are_held_or_all_of_them_in_a_file(tmp_path: Path, most_held: int, is_held: bool) -> None:
    rows = [pa.record_batch([[n], [f"word {n}"], ["fra"], [None]], schema=wordlist.ROWS) for n in range(1, 21)]
    staged = stage(rows, CONTRACT, "nfc", tmp_path, most_held)
    found = pa.Table.from_batches(staged.held) if staged.held is not None else pq.read_table(staged.words_file)
    assert (staged.held is not None, staged.words_file.exists()) == (is_held, not is_held)
    assert found["word"].to_pylist() == [f"word {n}" for n in range(1, 21)]


def lexicon(rows: list[tuple[int, int, str]]) -> pa.Table:
    entries = [
        {
            "word": f"w{row}",
            "lang": lang,
            "rank": rank,
            "pron": f"p{rank}",
            "phones": [f"p{rank}"] if rank > 1 else None,
        }
        | {"logprob": -1.5, "source": "model", "status": "ok", "input_row": row}
        for row, rank, lang in rows
    ]
    return pa.Table.from_pylist(entries, LEXICON)


def test_parts_are_sorted_by_row_and_rank_and_keep_all_they_hold(tmp_path: Path) -> None:
    parts = [lexicon([(5, 1, "fra"), (2, 1, "ger")]), lexicon([(3, 2, "ita"), (3, 1, "ita"), (1, 1, "fra")])]
    files = [tmp_path / name for name in ("a", "b")]
    for file, part in zip(files, parts, strict=True):
        file.write_bytes(encoded(part))
    rows = held(files, ("lang", "source", "status"), 1 << 20)
    assert rows is not None
    found = pa.Table.from_batches(by_input_row(rows, LEXICON, 2), LEXICON)
    order = [("input_row", "ascending"), ("rank", "ascending")]
    assert found.to_pylist() == pa.concat_tables(parts).sort_by(order).to_pylist()
    assert held(files, ("lang", "source", "status"), 100) is None


def test_a_lexicon_is_the_same_whether_its_rows_fit_into_memory_or_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_in(tmp_path, MANY)
    attempt(job)
    lexicon = job.lexicon()
    monkeypatch.setattr("g2p_batch.run.merge.held_bytes", lambda _memory: 0)
    attempt(job)
    assert job.lexicon() == lexicon


def test_a_signal_ends_what_is_sorted_in_memory(tmp_path: Path) -> None:
    with database("1GiB", tmp_path) as sorter:
        found = sorter.heeded(distinct_words(batches(["a", "bb", "ccc"], 1, 3)))
        assert next(found)["word"].to_pylist() == ["a"]
        sorter.interrupt()
        with pytest.raises(StoppedEarlyError, match="stopped while sorting: run the same command again"):
            next(found)


def test_a_part_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="gone cannot be read"):
        held([tmp_path / "gone"], (), 1 << 20)
