"""Several outputs of a word: the most probable ones, whatever stands beside it, and known to be so."""

from collections.abc import Sequence
from itertools import islice
from math import log

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from g2p_batch.errors import ArtifactError, UsageError
from g2p_batch.model.cpu_engine import Artifact
from g2p_batch.model.greedy import TokenizedChunk
from g2p_batch.model.ids import BYTE_OFFSET, EOS, Float32
from g2p_batch.model.nbest import Search, search_stream
from g2p_batch.model.progress import Silent
from g2p_batch.model.resolve import find_model
from g2p_batch.model.threaded import pronounce, pronounce_variants
from g2p_compile.check.transformers_reference import load_reference
from tests.helpers.fake_engine import FakeEngine
from tests.helpers.fake_search import SHAPES, TOKENS, FakeSearchEngine, all_outputs
from tests.helpers.nbest_oracle import variants

WORDS = [f"{letter}{number}".encode() for number in range(12) for letter in "abcde"]

Found = dict[bytes, tuple[list[tuple[tuple[int, ...], float]], bool]]


def chunks(words: Sequence[bytes], size: int) -> list[TokenizedChunk]:
    made = []
    for start in range(0, len(words), size):
        some = words[start : start + size]
        ids = np.zeros((len(some), max(map(len, some))), np.int32)
        for row, word in enumerate(some):
            ids[row, : len(word)] = np.frombuffer(word, np.uint8).astype(np.int32) + BYTE_OFFSET
        lengths = np.array([len(word) for word in some], np.int32)
        made.append(TokenizedChunk(np.arange(start, start + len(some)), ids, lengths))
    return made


def found(engine: FakeSearchEngine, words: Sequence[bytes], search: Search, bucket: int = 0, size: int = 3) -> Found:
    """Return the outputs of each word, without padding, and whether they are proven."""
    result: Found = {}
    for some in search_stream(engine, SHAPES.buckets[bucket], chunks(words, size), search):
        ends = np.cumsum(some.count)
        for row, end, count, proven in zip(some.rows, ends, some.count, some.proven, strict=True):
            outputs = []
            for at in range(end - count, end):
                ids = some.out.ids[at]
                outputs.append((tuple(ids[ids > 0].tolist()), float(some.out.logprob[at])))
                assert some.out.truncated[at] == (outputs[-1][0][-1] != 1)
            assert words[row] not in result
            result[words[row]] = (outputs, bool(proven))
    assert len(result) == len(words)
    return result


def wanted(word: bytes, search: Search, reach: int) -> list[tuple[tuple[int, ...], float]]:
    outputs = [(said, float(logprob)) for said, logprob in islice(all_outputs(word, reach), search.variants)]
    least = outputs[0][1] + (log(search.min_share) if search.min_share else -np.inf)
    return [one for one in outputs if one[1] >= least]


@pytest.mark.parametrize("bucket", [0, 1])
@pytest.mark.parametrize("search", [Search(1), Search(4, 0.0), Search(4, 0.2), Search(16, 0.001)], ids=str)
def test_what_is_proven_is_the_most_probable(bucket: int, search: Search) -> None:
    engine = FakeSearchEngine()
    outputs = found(engine, WORDS, search, bucket)
    reach = SHAPES.buckets[bucket].target_bytes
    proven = [word for word, (_, is_proven) in outputs.items() if is_proven]
    assert len(proven) > 0.7 * len(WORDS)
    assert {word: outputs[word][0] for word in proven} == {word: wanted(word, search, reach) for word in proven}
    assert max(engine.rows) == SHAPES.buckets[bucket].search_rows
    assert engine.forks > 0


def test_with_every_token_and_all_allowance_everything_is_proven() -> None:
    search = Search(6, 0.0, allowance=4000)
    outputs = found(FakeSearchEngine(choices=9), WORDS, search)
    proven = {word for word, (_, is_proven) in outputs.items() if is_proven}
    # What is open in a slot that is given up, and beyond 64 places, may be lost.
    assert len(proven) >= len(WORDS) - 3
    assert all(outputs[word][0] == wanted(word, search, 6) for word in proven)


def test_few_choices_and_little_allowance_are_told() -> None:
    outputs = found(FakeSearchEngine(choices=1), WORDS, Search(3, 0.0))
    assert not any(proven for _, proven in outputs.values())
    assert {len(one) for one, _ in outputs.values()} == {1}
    short = found(FakeSearchEngine(), WORDS, Search(3, 0.0, allowance=2))
    assert not any(proven for _, proven in short.values())
    assert all(len(one) >= 1 for one, _ in short.values())


@settings(max_examples=25, deadline=None)
@given(st.permutations(WORDS), st.integers(1, 30), st.sampled_from([1, 2, 3]))
def test_a_word_does_not_depend_on_its_neighbours(words: list[bytes], count: int, size: int) -> None:
    search = Search(4, 0.001, allowance=60)
    alone = {word: found(FakeSearchEngine(), [word], search)[word] for word in words[:count]}
    assert found(FakeSearchEngine(), words[:count], search, size=size) == alone


A = int(TOKENS[1])


def says(said: dict[tuple[int, ...], dict[int, float]]) -> FakeSearchEngine:
    """Return an engine that knows some beginnings, with the probabilities of tokens, and nothing of others."""

    def logprob(_source: bytes, beginning: tuple[int, ...]) -> Float32:
        known = said.get(beginning, {})
        with np.errstate(divide="ignore"):
            return np.log(np.array([known.get(token, 0.0) for token in TOKENS.tolist()], np.float32))

    return FakeSearchEngine(choices=len(TOKENS), says=logprob)


def test_equally_probable_outputs_are_in_the_order_in_which_they_were_opened() -> None:
    # Of one beginning by rising token; what is opened later stands behind its equals.
    ways = dict.fromkeys(TOKENS[1:].tolist(), 0.125)
    engine = says({(): ways} | {(token,): {EOS: 0.5, A: 0.5} for token in ways} | {(t, A): {EOS: 1.0} for t in ways})
    outputs, is_proven = found(engine, [b"word"], Search(16, 0.0))[b"word"]
    assert is_proven
    assert [said for said, _ in outputs] == [*((token, EOS) for token in ways), *((token, A, EOS) for token in ways)]


def test_what_finds_no_place_makes_no_word_unproven_where_it_cannot_matter() -> None:
    # Eleven beginnings open eight ways each, more than there is room for.
    others = TOKENS[2:].tolist()
    said = {(A,) * n: {A: 0.9} | dict.fromkeys(others, 0.001) for n in range(11)}
    whole = {(*beginning, token): {EOS: 1.0} for beginning in said for token in others}
    engine = says(said | whole | {(A,) * 11: {EOS: 1.0}})
    outputs, is_proven = found(engine, [b"word"], Search(32, 0.0), bucket=1)[b"word"]
    wanted = [(*[A] * n, token, EOS) for n in range(11) for token in others]
    assert ([said for said, _ in outputs], is_proven) == ([(*[A] * 11, EOS), *wanted[:31]], True)


def test_a_beginning_whose_slot_is_given_up_is_lost() -> None:
    # More beginnings go on beside each other than a word has slots, each as probable as the next.
    rest = TOKENS[1:].tolist()
    even = dict.fromkeys(rest, 1 / len(rest))
    said = {(): even} | {(a,): even for a in rest} | {(a, b): {EOS: 0.5, A: 0.5} for a in rest for b in rest}
    outputs, is_proven = found(says(said), [b"word"], Search(32, 0.0))[b"word"]
    assert not is_proven
    assert all(logprob == pytest.approx(log(1 / 128)) for _, logprob in outputs)


def test_an_engine_that_says_nothing_has_an_empty_output_without_any_probability() -> None:
    assert found(says({}), [b"word"], Search(2))[b"word"][0] == [((EOS,), pytest.approx(-3e38))]
    unclear = FakeSearchEngine(says=lambda source, said: np.full(len(TOKENS), np.nan, np.float32))
    assert len(found(unclear, [b"word", b"other"], Search(2))) == 2


def test_wrong_wishes_are_errors() -> None:
    with pytest.raises(UsageError, match="0 variants cannot be had: ask for 1 to 32"):
        Search(0)
    with pytest.raises(UsageError, match=r"a share of 1.5 cannot be"):
        Search(2, 1.5)


def table(words: Sequence[tuple[str, str]], contract: object) -> pa.Table:
    prefix = contract.prefix_for  # type: ignore[attr-defined]
    sizes = [len((prefix(lang) + word).encode()) for lang, word in words]
    langs, texts = zip(*words, strict=True)
    return pa.table({"lang": langs, "word": texts, "src_bytes": sizes})


REAL = [
    *(("eng-us", word) for word in ("read", "live", "tear", "frobnicate", "through", "a")),
    *(("ger", word) for word in ("Straße", "modern", "Weg")),
    *(("slv", word) for word in ("palestina", "klop")),
    ("fra", "est"),
    ("eng-us", "xkcd"),
    ("eng-us", "pneumonoultramicroscopicsilicovolcanoconiosis"),
]
PLAIN = REAL[:-2]


def bundled() -> Artifact:
    return find_model("bundled", print).open(print)


def test_the_bundled_model_gives_what_an_exhaustive_search_by_torch_gives() -> None:
    artifact, checkpoint = bundled(), load_reference("bundled")
    contract = artifact.manifest.contract
    words = table(PLAIN, contract)
    out = pronounce_variants(words, contract, artifact.engine, 1, Silent(), Search(5, 0.0))
    assert out.proven.all()
    for number, (lang, word) in enumerate(PLAIN):
        rows = np.flatnonzero(out.word == number)
        expected = variants(checkpoint, word, lang, 5, 0.0)
        texts = [bytes(token - BYTE_OFFSET for token in said[:-1]).decode() for said, _ in expected]
        assert out.answers.pron.take(pa.array(rows)).to_pylist() == texts
        assert out.answers.logprob[rows].tolist() == pytest.approx([score for _, score in expected], abs=1e-4)
        assert out.rank[rows].tolist() == list(range(1, 6))


@pytest.mark.parametrize("workers", [1, 2])
def test_real_words_are_the_same_alone_and_in_company(workers: int) -> None:
    artifact = bundled()
    contract = artifact.manifest.contract
    search = Search(4)
    together = pronounce_variants(table(REAL, contract), contract, artifact.engine, workers, Silent(), search)
    for number, word in enumerate(REAL):
        alone = pronounce_variants(table([word], contract), contract, artifact.engine, 1, Silent(), search)
        rows = np.flatnonzero(together.word == number)
        assert together.answers.pron.take(pa.array(rows)).equals(alone.answers.pron)
        assert together.answers.logprob[rows].tobytes() == alone.answers.logprob.tobytes()
        assert together.proven[rows].tolist() == alone.proven.tolist()


def test_one_variant_is_at_least_as_probable_as_the_greedy_one() -> None:
    artifact = bundled()
    contract = artifact.manifest.contract
    words = table(REAL, contract)
    greedy = pronounce(words, contract, artifact.engine, 1, Silent())
    best = pronounce_variants(words, contract, artifact.engine, 1, Silent(), Search(1))
    assert (best.answers.logprob >= greedy.logprob - 1e-6)[best.proven].all()


def test_an_engine_that_cannot_search_is_told() -> None:
    words = pa.table({"lang": ["eng-us"], "word": ["a"], "src_bytes": [11]})
    contract = bundled().manifest.contract
    with pytest.raises(ArtifactError):
        pronounce_variants(words, contract, lambda: FakeEngine({}), 1, Silent(), Search(2))


def test_no_words_have_no_variants() -> None:
    contract = bundled().manifest.contract
    nothing = pa.table(
        {"lang": pa.array([], pa.string()), "word": pa.array([], pa.string()), "src_bytes": pa.array([], pa.int32())}
    )
    out = pronounce_variants(nothing, contract, FakeSearchEngine, 1, Silent(), Search(2))
    assert (len(out.word), len(out.answers.pron)) == (0, 0)
