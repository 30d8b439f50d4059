"""The greedy loop on an engine that answers from a dictionary."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from g2p_batch.codec import EOS, detokenize, tokenize
from g2p_batch.contract import Bucket, Shapes
from g2p_batch.decode import Decoded, batches, decode, decode_batch, retries
from tests.fake_engine import SHAPES, FakeEngine, logprob_of

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


@given(st.lists(st.sampled_from(SOURCES), max_size=20), st.sampled_from([1, 2, 3, 8]))
def test_a_pronunciation_does_not_depend_on_its_neighbours_or_its_batch(sources: list[str], batch: int) -> None:
    shapes = Shapes(tuple(Bucket(b.source_bytes, b.target_bytes, batch) for b in SHAPES.buckets), (1, 2, 4, 8))
    together = run(sources, shapes)
    for row, source in enumerate(sources):
        alone = run([source])
        assert row_tokens(together.ids[row]) == row_tokens(alone.ids[0])
        assert together.logprob[row] == alone.logprob[0]
        assert together.truncated[row] == alone.truncated[0]


@pytest.mark.parametrize("source", [source for source in SOURCES if len(source.encode()) <= 16])
def test_a_pronunciation_does_not_depend_on_its_bucket(source: str) -> None:
    alone = run([source])
    longest = decode_batch(FakeEngine(PRONS), SHAPES.longest, *encode([source]))
    assert row_tokens(alone.ids[0]) == row_tokens(longest.ids[0])
    assert alone.logprob[0] == longest.logprob[0]
    assert alone.truncated[0] == longest.truncated[0]


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
    out = decode_batch(FakeEngine({"<x>: w": pron}), SHAPES.buckets[0], *encode(["<x>: w"]))
    assert out.truncated.tolist() == [truncated]
    assert out.ids.shape == (1, min(len(pron) + 1, 12))


def test_a_word_cut_by_its_bucket_is_decoded_again_from_its_start_in_the_longest() -> None:
    source = "<nan>: 台灣"
    engine = FakeEngine(PRONS)
    ids, lengths = encode([source])
    first = decode_batch(engine, SHAPES.buckets[0], ids, lengths)
    assert first.truncated.tolist() == [True]
    engine.calls.clear()
    whole = decode(engine, ids, lengths)
    assert row_tokens(whole.ids[0]) == expected_tokens(source, 128)
    assert whole.truncated.tolist() == [False]
    assert whole.logprob[0] == expected_logprob(source, 128)
    assert [size for call, size in engine.calls if call == "encode"] == [1, 1]


def test_a_word_that_fills_the_longest_bucket_is_not_tried_twice() -> None:
    engine = FakeEngine({"<x>: " + "w" * 40: "x" * 500})
    out = decode(engine, *encode(["<x>: " + "w" * 40]))
    assert out.truncated.tolist() == [True]
    assert engine.calls == [("encode", 1)] + [("step", 1)] * 128


def test_finished_words_leave_and_the_rest_runs_at_the_smallest_rung() -> None:
    sources = ["<fra>: h", "<fra>: eau", "<eng-us>: a", "<eng-us>: cat"]  # 1, 2, 3 and 7 tokens
    engine = FakeEngine(PRONS)
    out = decode_batch(engine, SHAPES.buckets[0], *encode(sources))
    assert [size for call, size in engine.calls if call == "step"] == [4, 4, 2, 1, 1, 1, 1]
    assert [row_tokens(row) for row in out.ids] == [expected_tokens(source, 12) for source in sources]


def test_batches_are_filled_up_to_a_rung_and_the_filling_never_shows() -> None:
    engine = FakeEngine(PRONS)
    out = decode_batch(engine, SHAPES.buckets[0], *encode(["<fra>: eau", "<eng-us>: a", "<fra>: h"]))
    assert engine.calls[0] == ("encode", 4)
    assert len(out.ids) == len(out.logprob) == 3
    assert not np.isnan(out.logprob).any()


def test_a_batch_that_is_no_rung_is_filled_up_past_its_size() -> None:
    shapes = Shapes((Bucket(32, 24, 3),), (1, 2, 8))
    out = decode_batch(FakeEngine(PRONS, shapes), shapes.longest, *encode(SOURCES[:3]))
    assert [row_tokens(row) for row in out.ids] == [expected_tokens(source, 24) for source in SOURCES[:3]]


@given(st.lists(st.integers(1, 64), max_size=40))
def test_each_word_is_in_one_batch_of_the_shortest_bucket_that_holds_it(lengths: list[int]) -> None:
    src_bytes = np.array(lengths, np.int32)
    seen: list[int] = []
    for batch in batches(src_bytes, SHAPES):
        assert 1 <= len(batch.rows) <= batch.bucket.batch
        for length in src_bytes[batch.rows]:
            assert batch.bucket == next(bucket for bucket in SHAPES.buckets if bucket.source_bytes >= length)
        seen.extend(batch.rows.tolist())
    assert sorted(seen) == list(range(len(lengths)))


def test_only_the_last_batch_of_a_bucket_is_part_full() -> None:
    src_bytes = np.array([16, 5, 40, 17, 9, 5, 64, 5, 32, 16], np.int32)
    cut = [(batch.bucket.source_bytes, src_bytes[batch.rows].tolist()) for batch in batches(src_bytes, SHAPES)]
    assert cut == [(16, [5, 5, 5, 9]), (16, [16, 16]), (32, [17, 32]), (64, [40, 64])]


def test_words_of_one_length_keep_their_order() -> None:
    assert [batch.rows.tolist() for batch in batches(np.full(5, 7), SHAPES)] == [[0, 1, 2, 3], [4]]


def test_a_bucket_with_a_longer_output_only_serves_retries() -> None:
    shapes = Shapes((Bucket(16, 12, 2), Bucket(16, 24, 2)), (1, 2))
    assert [batch.bucket.target_bytes for batch in batches(np.full(3, 16), shapes)] == [12, 12]


def test_retries_run_in_the_longest_bucket() -> None:
    cut = [(batch.bucket, batch.rows.tolist()) for batch in retries(np.array([3, 8, 11]), SHAPES)]
    assert cut == [(SHAPES.longest, [3, 8]), (SHAPES.longest, [11])]
