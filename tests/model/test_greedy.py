"""The greedy loop on an engine that answers from a dictionary."""

from collections.abc import Iterator
from heapq import heapreplace

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from g2p_batch.model.contract import LengthBucket, Shapes
from g2p_batch.model.greedy import (
    Chunk,
    Decoded,
    FinishedWords,
    Rows,
    TokenizedChunk,
    chunks,
    decode_stream,
    retries,
)
from g2p_batch.model.ids import EOS
from g2p_batch.model.tokenizer import detokenize, tokenize
from tests.helpers.decoding import decode
from tests.helpers.fake_engine import SHAPES, FakeEngine, logprob_of

PRONS: dict[str, str | bytes] = {
    "<eng-us>: a": "ə",
    "<eng-us>: hello": "həˈloʊ",
    "<eng-us>: cat": "ˈkæt",
    "<eng-us>: though": "ðoʊ",
    "<fra>: eau": "o",
    "<fra>: h": "",
    "<ger>: Straße": "ˈʃtʁaːsə",
    "<nan>: 台灣": "tai̯⁵⁵⁻³³uan²⁴",
    "<tha>: ประเทศ": "pra˨˩.tʰeːt̚˥˩",
    "<fin>: lentokonesuihkuturbiini": "ˈlentoˌkonesui̯hkuˌturbiːni",
    "<wel-sw>: Llanfairpwllgwyngyllgogerychwyrndrobwll": "ɬanˌvairpʊɬˌɡwɨ̞nɡɨ̞ɬɡoˌɡɛrəˌχwərnˈdrobʊɬ",
    "<ita>: sto": "x" * 200,
    "<ron>: ca": b"k\xc9",
}
SOURCES = list(PRONS)


def encode(sources: list[str]) -> tuple[np.ndarray, np.ndarray]:
    return tokenize(pa.array(sources, pa.string()), pa.array([""] * len(sources), pa.string()))


def run(sources: list[str], shapes: Shapes = SHAPES) -> Decoded:
    return decode(FakeEngine(PRONS, shapes), *encode(sources))


def cut(sources: list[str], chunk: int) -> Iterator[TokenizedChunk]:
    """Cut words into chunks in the order given."""
    ids, lengths = encode(sources)
    for start in range(0, len(sources), chunk):
        rows = np.arange(start, min(start + chunk, len(sources)))
        yield TokenizedChunk(rows, ids[rows], lengths[rows])


def stream(engine: FakeEngine, bucket: LengthBucket, sources: list[str]) -> list[tuple[list[int], np.float32, bool]]:
    """Decode words in one bucket; return tokens, log-probability and flag of every word."""
    said = {}
    for finished in decode_stream(engine, bucket, cut(sources, bucket.chunk)):
        for row, ids, logprob, truncated in outputs_of(finished):
            assert row not in said, f"word {row} ended twice"
            said[row] = row_tokens(ids), logprob, truncated
    return [said[row] for row in range(len(sources))]


def outputs_of(finished: FinishedWords) -> Iterator[tuple[int, np.ndarray, np.float32, bool]]:
    out = finished.out
    yield from zip(finished.rows.tolist(), out.ids, out.logprob, out.truncated.tolist(), strict=True)


def expected(source: str, target_bytes: int) -> tuple[list[int], np.float32, bool]:
    tokens = expected_tokens(source, target_bytes)
    return tokens, expected_logprob(source, target_bytes), tokens[-1] != EOS


def octets(source: str) -> bytes:
    pron = PRONS[source]
    return pron.encode() if isinstance(pron, str) else pron


def expected_logprob(source: str, target_bytes: int) -> np.float32:
    total = np.float32(0)
    for position in range(min(len(octets(source)) + 1, target_bytes)):
        total += logprob_of(source.encode(), position)
    return total


def expected_tokens(source: str, target_bytes: int) -> list[int]:
    return [*(byte + 3 for byte in octets(source)), EOS][:target_bytes]


def row_tokens(row: np.ndarray) -> list[int]:
    return list(np.trim_zeros(row, "b").tolist())


def test_every_word_gets_its_own_output_score_and_flag() -> None:
    out = run(SOURCES)
    assert [row_tokens(row) for row in out.ids] == [expected_tokens(source, 128) for source in SOURCES]
    assert out.logprob.tolist() == [expected_logprob(source, 128) for source in SOURCES]
    assert out.truncated.tolist() == [source == "<ita>: sto" for source in SOURCES]
    assert [str(array.dtype) for array in (out.ids, out.logprob, out.truncated)] == ["int32", "float32", "bool"]


def test_outputs_read_back_as_ipa() -> None:
    texts, invalid = detokenize(run(SOURCES).ids)
    assert texts.to_pylist() == [octets(source)[:128].decode(errors="ignore") for source in SOURCES]
    assert invalid.tolist() == [source == "<ron>: ca" for source in SOURCES]


ONE = Shapes((msgspec.structs.replace(SHAPES.longest, batch=1, chunk=1),), (1,))

ALONE = {source: run([source], ONE) for source in SOURCES}
"""What is said of every word where there are no neighbours, no rungs and no shorter buckets."""


@given(
    st.lists(st.sampled_from(SOURCES), max_size=25),
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=3, max_size=3),
    st.sets(st.integers(1, 12), max_size=4),
)
def test_outputs_are_bitwise_the_same_in_any_order_whatever_the_batch_the_chunk_and_the_ladder(
    sources: list[str], sizes: list[tuple[int, int]], rungs: set[int]
) -> None:
    buckets = [
        msgspec.structs.replace(b, batch=batch, chunk=chunk)
        for b, (batch, chunk) in zip(SHAPES.buckets, sizes, strict=True)
    ]
    largest = max(max(size) for size in sizes)
    together = run(sources, Shapes(tuple(buckets), tuple(sorted({*rungs, largest}))))
    for row, source in enumerate(sources):
        alone = ALONE[source]
        assert row_tokens(together.ids[row]) == row_tokens(alone.ids[0])
        assert together.logprob[row].tobytes() == alone.logprob[0].tobytes()
        assert together.truncated[row] == alone.truncated[0]


@pytest.mark.parametrize("bucket", SHAPES.buckets)
def test_a_pronunciation_does_not_depend_on_its_bucket(bucket: LengthBucket) -> None:
    sources = [source for source in SOURCES if len(source.encode()) <= bucket.source_bytes]
    said = stream(FakeEngine(PRONS), bucket, sources)
    assert said == [expected(source, bucket.target_bytes) for source in sources]


def test_no_words_give_no_output() -> None:
    out = run([])
    assert (out.ids.shape, out.logprob.shape, out.truncated.shape) == ((0, 0), (0,), (0,))


def test_the_matrix_is_as_wide_as_the_longest_output() -> None:
    assert run(["<fra>: eau", "<eng-us>: a"]).ids.tolist() == [[114, EOS, 0], [204, 156, EOS]]


@pytest.mark.parametrize(
    ("pron", "truncated"),
    [("x" * 10, False), ("x" * 11, False), ("x" * 12, True), ("x" * 13, True)],
)
def test_an_output_needs_room_for_its_end(pron: str, truncated: bool) -> None:
    said = stream(FakeEngine({"<x>: w": pron}), SHAPES.buckets[0], ["<x>: w"])
    tokens = [*([ord("x") + 3] * len(pron)), EOS][:12]
    assert [(ids, flag) for ids, _, flag in said] == [(tokens, truncated)]


def test_words_that_end_leave_and_the_rest_runs_at_the_smallest_rung() -> None:
    sources = ["<fra>: h", "<fra>: eau", "<eng-us>: a", "<eng-us>: cat"]  # 1, 2, 3 and 7 tokens
    bucket = LengthBucket(16, 12, batch=4, chunk=4)
    engine = FakeEngine(PRONS, Shapes((bucket,), (1, 2, 4)))
    said = stream(engine, bucket, sources)
    assert engine.calls == [("encode", 4), *(("step", rung) for rung in (4, 4, 2, 1, 1, 1, 1))]
    assert said == [expected(source, 12) for source in sources]


@pytest.mark.parametrize("chunk", [1, 2])
def test_words_are_given_when_they_fill_a_batch_in_the_order_of_their_ends(chunk: int) -> None:
    sources = ["<eng-us>: cat", "<eng-us>: a", "<fra>: h", "<fra>: eau", "<fra>: h"]  # 7, 3, 1, 2 and 1 tokens
    bucket = LengthBucket(16, 12, batch=3, chunk=chunk)
    engine = FakeEngine(PRONS, Shapes((bucket,), (1, 2, 4)))
    ended = [
        (len(engine.steps), finished.rows.tolist(), finished.out.ids.shape[1])
        for finished in decode_stream(engine, bucket, cut(sources, bucket.chunk))
    ]
    assert ended == [(3, [2, 1, 3], 3), (7, [4, 0], 7)]


def test_outputs_are_read_before_they_are_overwritten_however_few_words_end() -> None:
    bucket = LengthBucket(16, 5, batch=2, chunk=50)
    sources = ["<fra>: h", *["<eng-us>: a"] * 40]  # one ends at once, the others two by two, long before a chunk ends
    engine = FakeEngine(PRONS, Shapes((bucket,), (1, 2, 64)))
    assert stream(engine, bucket, sources) == [expected(source, 5) for source in sources]


def test_chunks_and_steps_are_filled_up_to_a_rung_and_the_filling_never_shows() -> None:
    bucket = LengthBucket(16, 12, batch=4, chunk=4)
    engine = FakeEngine(PRONS, Shapes((bucket,), (1, 4)))
    sources = ["<fra>: eau", "<eng-us>: a", "<fra>: h"]
    said = stream(engine, bucket, sources)
    assert engine.calls == [("encode", 4), ("step", 4), ("step", 4), ("step", 1)]
    assert said == [expected(source, 12) for source in sources]


def test_sizes_that_are_no_rungs_are_filled_up_past_themselves() -> None:
    shapes = Shapes((LengthBucket(32, 24, batch=3, chunk=5),), (1, 2, 8))
    sources = SOURCES[:7]
    engine = FakeEngine(PRONS, shapes)
    assert stream(engine, shapes.longest, sources) == [expected(source, 24) for source in sources]
    assert engine.calls[:2] == [("encode", 8), ("step", 8)]
    assert {size for _, size in engine.calls} == {1, 2, 8}


SIZES = st.integers(1, 8)
TOKENS = st.lists(st.integers(1, 24), min_size=1, max_size=40)


def begins(tokens: list[int], batch: int) -> list[int]:
    """Return the step at which every word gets a row, if words take rows in their order as soon as one is free."""
    free = [0] * batch
    return [start for count in tokens for start in [free[0]] if heapreplace(free, start + count) == start]


@given(tokens=TOKENS, batch=SIZES, chunk=SIZES)
def test_rows_are_refilled_as_soon_as_words_end_and_chunks_taken_no_sooner(
    tokens: list[int], batch: int, chunk: int
) -> None:
    bucket = LengthBucket(32, 24, batch, chunk)
    sources = [f"<x>: {i}" for i in range(len(tokens))]
    engine = FakeEngine(
        {source: "x" * (count - 1) for source, count in zip(sources, tokens, strict=True)},
        Shapes((bucket,), tuple(range(1, 9))),
    )
    taken: list[int] = []

    def watched() -> Iterator[TokenizedChunk]:
        for source in cut(sources, chunk):
            taken.append(len(engine.steps))
            yield source

    said = [output for finished in decode_stream(engine, bucket, watched()) for output in outputs_of(finished)]
    start = begins(tokens, batch)
    ends = [first + count for first, count in zip(start, tokens, strict=True)]
    waits = [start[i - i % chunk] for i in range(len(tokens))]  # encoded when the first of the chunk gets a row
    letter = ord("x") + 3
    assert {row: row_tokens(ids) for row, ids, _, _ in said} == {
        row: [*[letter] * (count - 1), EOS] for row, count in enumerate(tokens)
    }
    assert [ends[row] for row, *_ in said] == sorted(ends)
    assert taken == start[::chunk]
    assert engine.steps == [
        (
            sum(first <= step < end for first, end in zip(start, ends, strict=True)),
            sum(encoded <= step < first for encoded, first in zip(waits, start, strict=True)),
        )
        for step in range(max(ends))
    ]
    assert max(live for live, _ in engine.steps) <= batch
    assert max(live + waiting for live, waiting in engine.steps) <= bucket.slots


def test_a_stream_that_is_left_takes_nothing_more_and_the_next_one_starts_anew() -> None:
    bucket = LengthBucket(32, 24, batch=2, chunk=2)
    engine = FakeEngine(PRONS, Shapes((bucket,), (1, 2)))
    left = decode_stream(engine, bucket, cut(SOURCES[:8], 2))
    assert next(left).rows.tolist() == [0, 2, 1]
    left.close()
    assert engine.sources == SOURCES[:4]
    assert stream(engine, bucket, SOURCES[:8]) == [expected(source, 24) for source in SOURCES[:8]]


def test_a_stream_without_words_never_asks_the_engine() -> None:
    assert list(decode_stream(NoEngine({}), SHAPES.longest, iter(()))) == []


class NoEngine(FakeEngine):
    def open(self, bucket: LengthBucket) -> None:
        raise AssertionError("a cache was opened for no word")


@given(st.lists(st.integers(1, 64), max_size=40))
def test_each_word_is_in_one_chunk_of_the_shortest_bucket_that_holds_it(lengths: list[int]) -> None:
    src_bytes = np.array(lengths, np.int32)
    seen: list[int] = []
    for chunk in chunks(src_bytes, SHAPES):
        assert 1 <= len(chunk.rows) <= chunk.bucket.chunk
        for length in src_bytes[chunk.rows]:
            assert chunk.bucket == next(bucket for bucket in SHAPES.buckets if bucket.source_bytes >= length)
        seen.extend(chunk.rows.tolist())
    assert src_bytes[seen].tolist() == sorted(lengths)
    assert sorted(seen) == list(range(len(lengths)))


def listed(cut: Iterator[Chunk]) -> list[tuple[LengthBucket, list[int]]]:
    return [(chunk.bucket, chunk.rows.tolist()) for chunk in cut]


def test_a_chunk_ends_where_its_longest_words_end() -> None:
    src_bytes = np.array([16, 5, 40, 17, 9, 64, 5, 32, 16], np.int32)
    first, second, longest = SHAPES.buckets
    assert [(bucket, src_bytes[rows].tolist()) for bucket, rows in listed(chunks(src_bytes, SHAPES))] == [
        (first, [5, 5]),
        (first, [9]),
        (first, [16, 16]),
        (second, [17]),
        (second, [32]),
        (longest, [40]),
        (longest, [64]),
    ]


def test_a_chunk_mixes_lengths_until_it_is_a_quarter_full() -> None:
    shapes = Shapes((LengthBucket(16, 12, batch=8, chunk=8),), (8,))
    src_bytes = np.array([3, 4, 4, 4, 5, *[6] * 9, 7], np.int32)
    assert [src_bytes[rows].tolist() for _, rows in listed(chunks(src_bytes, shapes))] == [
        [3, 4, 4, 4],
        [5, *[6] * 7],
        [6, 6],
        [7],
    ]


def test_words_of_one_length_keep_their_order() -> None:
    assert [rows for _, rows in listed(chunks(np.full(5, 7), SHAPES))] == [[0, 1], [2, 3], [4]]


def test_a_bucket_with_a_longer_output_only_serves_retries() -> None:
    shapes = Shapes((LengthBucket(16, 12, 2, 2), LengthBucket(16, 24, 2, 2)), (1, 2))
    assert [chunk.bucket.target_bytes for chunk in chunks(np.full(3, 16), shapes)] == [12, 12]


def test_retries_run_in_the_longest_bucket() -> None:
    src_bytes = np.full(31, 9, np.int32)
    src_bytes[8] = 12
    assert listed(retries(np.array([3, 8, 11, 20, 21, 30, 2]), src_bytes, SHAPES)) == [
        (SHAPES.longest, [3, 11, 20, 21, 30]),
        (SHAPES.longest, [2]),
        (SHAPES.longest, [8]),
    ]


# What the protocol forbids: an engine that let it pass would prove nothing above.


BUCKET = LengthBucket(16, 12, batch=2, chunk=2)
FORBIDDEN_STEPS: dict[str, tuple[str, dict[str, list[int]]]] = {
    "a free slot": ("slot 2, which is free", {"slot": [2]}),
    "a slot twice": ("a slot twice", {"slot": [0, 0, 4, 4]}),
    "a slot behind scratch": ("no such slot", {"slot": [5]}),
    "scratch alone": ("0 words", {"slot": [4]}),
    "more rows than the batch": ("3 words, not 1 to 2", {"slot": [0, 1, 2, 4]}),
    "no rung": ("2 rows, which is no rung", {"slot": [0, 1]}),
    "a rung too large": ("1 words in 4 rows", {"slot": [0, 4, 4, 4]}),
    "an inert row first": ("an inert row before a word", {"slot": [4, 0, 4, 4]}),
    "an inert row with a position": ("not inert", {"slot": [0, 1, 4, 4], "position": [0, 0, 1, 0]}),
    "an inert row with a length": ("not inert", {"slot": [0, 1, 4, 4], "source_length": [13, 10, 1, 2]}),
    "a position skipped": ("position 1 after 0 tokens", {"slot": [0], "position": [1]}),
    "another token than the last": ("token 7 after 0", {"slot": [0], "token": [7]}),
    "another length": ("not the length of the word", {"slot": [0], "source_length": [12]}),
}


def opened() -> tuple[FakeEngine, object]:
    """Return an engine with two words in slots 0 and 1, of 7 and 2 tokens."""
    engine = FakeEngine(PRONS, Shapes((BUCKET,), (1, 4)))
    cache = engine.open(BUCKET)
    put(engine, cache, ["<eng-us>: cat", "<fra>: eau", "\0", "\0"], [0, 1, 4, 4])
    return engine, cache


def put(engine: FakeEngine, cache: object, sources: list[str], slots: list[int]) -> None:
    engine.prefill(cache, engine.encode(BUCKET, *encode(sources)), np.array(slots, np.int32))


def rows(slot: list[int], **columns: list[int]) -> Rows:
    """Return a first step of the words in some slots, or what `columns` say."""
    lengths = {0: len("<eng-us>: cat"), 1: len("<fra>: eau")}
    first = {"token": [0] * len(slot), "position": [0] * len(slot), "source_length": [lengths.get(s, 1) for s in slot]}
    return Rows(slot=np.array(slot, np.int32), **{n: np.array(c, np.int32) for n, c in (first | columns).items()})


@pytest.mark.parametrize("step", FORBIDDEN_STEPS)
def test_the_fake_refuses_a_step_of(step: str) -> None:
    message, columns = FORBIDDEN_STEPS[step]
    engine, cache = opened()
    with pytest.raises(AssertionError, match=message):
        engine.step(cache, rows(**columns))


def test_the_fake_refuses_a_step_of_a_word_that_ended() -> None:
    engine, cache = opened()
    token, _ = engine.step(cache, rows([1]))
    token, _ = engine.step(cache, rows([1], token=token.tolist(), position=[1]))
    assert token.tolist() == [EOS]
    with pytest.raises(AssertionError, match="slot 1, whose word ended"):
        engine.step(cache, rows([1], token=[EOS], position=[2]))
    put(engine, cache, ["<fra>: eau"], [1])
    engine.step(cache, rows([1]))


FORBIDDEN_SLOTS = {
    "slot 1 filled before its word ended": (["<fra>: h"], [1]),
    "a slot twice": (["<fra>: h", "<fra>: eau", "\0", "\0"], [2, 2, 4, 4]),
    "no such slot": (["<fra>: h"], [5]),
    "0 words": (["<fra>: h"], [4]),
    "a word in the scratch slot": (["<fra>: h", "<fra>: eau", "<fra>: h", "\0"], [2, 3, 4, 4]),
    "3 words, not 1 to 2": (["<fra>: h"] * 3 + ["\0"], [2, 3, 0, 4]),
}


@pytest.mark.parametrize("message", FORBIDDEN_SLOTS)
def test_the_fake_refuses_words_in_wrong_slots(message: str) -> None:
    engine, cache = opened()
    with pytest.raises(AssertionError, match=message):
        put(engine, cache, *FORBIDDEN_SLOTS[message])


def test_the_fake_refuses_a_cache_that_was_opened_again() -> None:
    engine, cache = opened()
    engine.open(BUCKET)
    with pytest.raises(AssertionError, match="opened again"):
        put(engine, cache, ["<fra>: h"], [2])
    with pytest.raises(AssertionError, match="opened again"):
        engine.step(cache, rows([0]))
