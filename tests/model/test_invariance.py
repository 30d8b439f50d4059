"""The promise of the product: a word's pronunciation and log-probability, to the bit, depend on nothing but the word.

Not on its neighbours, its chunk, its place in it, the bucket, the batch sizes, the thread or what ran before.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from g2p_batch.model.contract import LengthBucket, Shapes
from g2p_batch.model.cpu_engine import Artifact, CpuEngine
from g2p_batch.model.greedy import Decoded, FinishedWords, TokenizedChunk, decode_stream
from g2p_batch.model.ids import EOS, START
from g2p_batch.model.resolve import find_model
from g2p_batch.model.tokenizer import detokenize, tokenize
from g2p_compile.build.bind import cacheless_words
from tests.helpers.decoding import decode

# Known and unknown languages, scripts of one to four bytes a letter, and every bucket; what the model makes of a script
# it never saw must not depend on its neighbours either.
WORDS = {
    "eng-us": ["a", "cat", "hello", "through", "antidisestablishmentarianism", "pneumono" * 5],
    "fra": ["eau", "château", "anticonstitutionnellement"],
    "ger": ["ß", "Straße", "Donaudampfschifffahrtsgesellschaft", "Rindfleischetikettierungsüberwachungsaufgaben"],
    "fin": ["yö", "lentokonesuihkuturbiinimoottoriapumekaanikkoaliupseerioppilas"],
    "tur": ["ışık", "Çekoslovakyalılaştıramadıklarımızdanmışsınız"],
    "pol": ["źdźbło", "chrząszcz"],
    "gre": ["γη", "άνθρωπος", "ηλεκτροεγκεφαλογράφημα"],
    "ukr": ["її", "п’ятниця", "відповідальність"],
    "spa": ["ñu", "desafortunadamente"],
    "ita": ["è", "precipitevolissimevolmente"],
    "dut": ["ijs", "arbeidsongeschiktheidsverzekering"],
    "jpn": ["ひらがな", "東京"],
    "kor": ["한글"],
    "hin": ["हिन्दी"],
    "ara": ["كتاب"],
    "geo": ["მგზავრი"],
    "tha": ["กรุงเทพมหานครอมรรัตนโกสินทร์"],
    "eng-uk": ["😀", "x" * 100],
}
PAIRS = [(lang, word) for lang, words in WORDS.items() for word in words]


@dataclass(frozen=True, repr=False)
class Table:
    """The words above, tokenised, with what the engine says of each of them alone."""

    artifact: Artifact
    ids: np.ndarray
    lengths: np.ndarray
    alone: list[tuple[bytes, bytes]]

    @property
    def shapes(self) -> Shapes:
        return self.artifact.manifest.shapes

    def engine(self, shapes: Shapes | None = None) -> CpuEngine:
        """Return an engine, with other batches, chunks and rungs than the compiled ones if some are given."""
        artifact = self.artifact
        whole = artifact.manifest
        artifact.manifest = replace(whole, shapes=shapes or whole.shapes)
        try:
            return artifact.engine()
        finally:
            artifact.manifest = whole

    def check(self, words: list[int], out: Decoded) -> None:
        for place, word in enumerate(words):
            assert said(out, place) == self.alone[word], PAIRS[word]

    def sources(self, words: list[int], chunk: int) -> Iterator[TokenizedChunk]:
        """Cut words into chunks in the order given."""
        for part in (np.array(words[start : start + chunk]) for start in range(0, len(words), chunk)):
            yield TokenizedChunk(part, self.ids[part], self.lengths[part])

    def check_stream(self, words: list[int], stream: Iterable[FinishedWords]) -> None:
        """Check the outputs of `words`, in whatever order they ended."""
        ended: list[int] = []
        for finished in stream:
            self.check(finished.rows.tolist(), finished.out)
            ended += finished.rows.tolist()
        assert sorted(ended) == sorted(words)


def said(out: Decoded, row: int) -> tuple[bytes, bytes]:
    """Return the tokens and the log-probability of one word, bit by bit."""
    ids = out.ids[row]
    end = int(np.argmax(ids == EOS)) + 1 if (ids == EOS).any() else len(ids)
    assert not ids[end:].any()
    return ids[:end].tobytes(), out.logprob[row].tobytes()


@pytest.fixture(scope="module")
def table() -> Table:
    artifact = Artifact(find_model("bundled", lambda text: None).compile(lambda text: None))
    prefix_for = artifact.manifest.contract.prefix_for
    prefixes = pa.array([prefix_for(lang) for lang, _ in PAIRS], pa.string())
    ids, lengths = tokenize(pa.array([word for _, word in PAIRS], pa.string()), prefixes)
    one = artifact.engine()
    alone = [said(decode(one, ids[i : i + 1], lengths[i : i + 1]), 0) for i in range(len(PAIRS))]
    return Table(artifact, ids, lengths, alone)


@pytest.fixture(scope="module")
def engine(table: Table) -> CpuEngine:
    return table.engine()


def fits(table: Table, bucket: LengthBucket) -> list[int]:
    """Return the words that a bucket holds, and whose output ends within it."""
    short = [len(tokens) // 4 < bucket.target_bytes for tokens, _ in table.alone]
    return [i for i in range(len(PAIRS)) if table.lengths[i] <= bucket.source_bytes and short[i]]


INDICES = st.lists(st.integers(0, len(PAIRS) - 1), min_size=1, max_size=70)
SHORT = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def test_the_words_meet_every_bucket_and_most_outputs_end(table: Table) -> None:
    limits = [0, *(bucket.source_bytes for bucket in table.shapes.buckets)]
    counts = np.histogram(table.lengths, bins=[limit + 1 for limit in limits])[0]
    assert (counts >= 2).all()
    ended = [np.frombuffer(tokens, np.int32)[-1] == EOS for tokens, _ in table.alone]
    assert sum(ended) > len(PAIRS) * 0.8


@SHORT
@given(words=INDICES)
def test_a_word_sounds_the_same_alone_and_in_any_company(table: Table, engine: CpuEngine, words: list[int]) -> None:
    table.check(words, decode(engine, table.ids[words], table.lengths[words]))


@SHORT
@given(order=st.permutations(range(len(PAIRS))))
def test_a_word_sounds_the_same_in_any_order(table: Table, engine: CpuEngine, order: list[int]) -> None:
    table.check(order, decode(engine, table.ids[order], table.lengths[order]))


def test_a_word_sounds_the_same_in_every_bucket_that_holds_it(table: Table, engine: CpuEngine) -> None:
    for bucket in table.shapes.buckets:
        words = fits(table, bucket)
        assert words
        table.check_stream(words, decode_stream(engine, bucket, table.sources(words, bucket.chunk)))


@SHORT
@given(data=st.data())
def test_a_word_sounds_the_same_with_any_batches_chunks_and_rungs(table: Table, data: st.DataObject) -> None:
    # Memory is planned for the largest batch and chunk of each bucket, so no row count may be above those.
    buckets = tuple(
        msgspec.structs.replace(b, batch=data.draw(st.integers(1, b.batch)), chunk=data.draw(st.integers(1, b.chunk)))
        for b in table.shapes.buckets
    )
    needed = {size for bucket in buckets for size in (bucket.batch, bucket.chunk)}
    rungs = data.draw(st.sets(st.integers(1, max(needed)), max_size=5), label="rungs")
    words = data.draw(INDICES, label="words")
    engine = table.engine(Shapes(buckets, tuple(sorted(rungs | needed))))
    table.check(words, decode(engine, table.ids[words], table.lengths[words]))


def test_a_word_sounds_the_same_at_every_place_of_a_full_batch(table: Table, engine: CpuEngine) -> None:
    bucket = table.shapes.buckets[0]
    held = fits(table, bucket)
    cat = PAIRS.index(("eng-us", "cat"))
    for place in (0, 5, 6, 7, 8, 13, 14, 31, 63):
        words = [held[i % len(held)] for i in range(bucket.batch)]
        words[place] = cat
        table.check_stream(words, decode_stream(engine, bucket, table.sources(words, bucket.chunk)))


def test_a_word_sounds_the_same_in_a_slot_that_another_left(table: Table, engine: CpuEngine) -> None:
    # Few rows and slots, so that each is left and taken many times, by longer words after shorter ones and back.
    bucket = msgspec.structs.replace(table.shapes.buckets[0], batch=3, chunk=2)
    small = table.engine(Shapes((bucket, *table.shapes.buckets[1:]), table.shapes.ladder))
    held = fits(table, bucket) * 3
    for words in (held, held[::-1]):
        table.check_stream(words, decode_stream(small, bucket, table.sources(words, bucket.chunk)))


def test_a_word_sounds_the_same_many_times_over(table: Table, engine: CpuEngine) -> None:
    words = [PAIRS.index(("gre", "άνθρωπος"))] * 130
    table.check(words, decode(engine, table.ids[words], table.lengths[words]))


def test_a_word_sounds_the_same_from_two_threads(table: Table) -> None:
    generator = np.random.default_rng(0)
    lists = [generator.integers(0, len(PAIRS), 40).tolist() for _ in range(6)]
    engines = [table.engine() for _ in range(2)]

    def work(share: int) -> list[Decoded]:
        return [decode(engines[share], table.ids[words], table.lengths[words]) for words in lists[share::2]]

    with ThreadPoolExecutor(2) as pool:
        for share, outputs in enumerate(pool.map(work, range(2))):
            for words, out in zip(lists[share::2], outputs, strict=True):
                table.check(words, out)


def test_recomputing_every_token_without_a_cache_gives_the_same_words(table: Table, engine: CpuEngine) -> None:
    words = [i for i, (tokens, _) in enumerate(table.alone) if len(tokens) // 4 <= 24]
    assert len(words) > 20
    together = cacheless_words(engine.shapes)
    for part in (words[i : i + together] for i in range(0, len(words), together)):
        out = decode(engine, table.ids[part], table.lengths[part])
        tokens = np.zeros((len(part), out.ids.shape[1]), np.int32)
        for position, chosen in enumerate(recomputed(table, engine, part, out.ids.shape[1])):
            tokens[:, position] = chosen
        assert detokenize(tokens)[0].to_pylist() == detokenize(out.ids)[0].to_pylist()


def recomputed(table: Table, engine: CpuEngine, words: list[int], steps: int) -> Iterator[np.ndarray]:
    """Decode greedily, every token from all tokens before it; what follows an EOS means nothing."""
    lengths = table.lengths[words]
    ids = np.ascontiguousarray(table.ids[words, : lengths.max()])
    hidden = engine.encode(engine.shapes.longest, ids, lengths)
    tokens = np.full((len(words), 1), START, np.int32)
    for _ in range(steps):
        chosen = engine.recompute(tokens, hidden, lengths)[:, -1].argmax(axis=1).astype(np.int32)
        tokens = np.concatenate([tokens, chosen[:, None]], axis=1)
        yield chosen
