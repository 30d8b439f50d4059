"""Engines that extend several beginnings of a word: what they say is what steps say, wherever beginnings came from."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from g2p_batch.errors import ArtifactError
from g2p_batch.model.compiled_engine import Caches
from g2p_batch.model.contract import MANIFEST, DType, LengthBucket, Shapes, load_manifest
from g2p_batch.model.cpu_engine import Artifact, CpuEngine
from g2p_batch.model.cpu_families import cpu_family
from g2p_batch.model.greedy import Rows
from g2p_batch.model.ids import BYTE_OFFSET, START, Float32, Int32
from g2p_batch.model.resolve import find_model
from g2p_batch.model.search_engine import require_search
from g2p_batch.model.tokenizer import tokenize
from g2p_compile.program import CHOICES

DTYPES: tuple[DType, ...] = ("float32", "bfloat16", "int8")
WORDS = ["tear", "château", "of", "through"]


@cache
def bundled(dtype: DType) -> Artifact:
    return find_model("bundled", print, dtype=dtype).open(print)


@pytest.fixture(params=DTYPES)
def engine(request: pytest.FixtureRequest) -> CpuEngine:
    if cpu_family(request.param) is None:
        pytest.skip(f"this CPU has no instructions for {request.param}")
    made = bundled(request.param).engine()
    assert isinstance(made, CpuEngine)
    return made


def integers(values: Sequence[int]) -> Int32:
    return np.array(values, np.int32)


@dataclass(frozen=True)
class Asked:
    """Words in the slots of a cache: word n in slot n."""

    engine: CpuEngine
    cache: Caches
    lengths: Int32

    def rows(self, words: Sequence[int], tokens: Sequence[int], position: int, slots: Sequence[int]) -> Rows:
        at = np.full(len(words), position, np.int32)
        return Rows(integers(tokens), at, integers(slots), self.lengths[list(words)])

    def say(self, word: int, slot: int, tokens: Sequence[int], at: int = 0) -> tuple[Int32, Float32]:
        """Extend a word by tokens, the first of them at position `at`, in a slot; returns how it may go on then."""
        for n, token in enumerate(tokens):
            rows = self.rows([word], [token], at + n, [slot])
            found = self.engine.extend(self.cache, rows, integers([word]))
        return found[0][0], found[1][0]


def ask(engine: CpuEngine) -> Asked:
    bucket = engine.shapes.longest
    texts = pa.array(WORDS, pa.string()), pa.array([engine.contract.prefix_for("eng-us")] * len(WORDS), pa.string())
    ids, lengths = tokenize(*texts)
    opened = engine.open(bucket)
    engine.prefill(opened, engine.encode(bucket, ids, lengths), np.arange(len(WORDS), dtype=np.int32))
    return Asked(engine, opened, lengths)


@pytest.fixture
def asked(engine: CpuEngine) -> Asked:
    return ask(engine)


def same(one: tuple[Int32, Float32], other: tuple[Int32, Float32]) -> bool:
    return all(np.array_equal(a.view(np.int32), b.view(np.int32)) for a, b in zip(one, other, strict=True))


def test_the_first_choices_are_those_of_a_step_bit_by_bit(asked: Asked) -> None:
    words = range(len(WORDS))
    tokens = [START] * len(WORDS)
    for position in range(6):
        rows = asked.rows(words, tokens, position, words)
        stepped = asked.engine.step(asked.cache, rows)
        chosen, logprob = asked.engine.extend(asked.cache, rows, rows.slot)
        assert chosen.shape == logprob.shape == (len(WORDS), CHOICES)
        assert same(stepped, (chosen[:, 0].copy(), logprob[:, 0].copy()))
        tokens = stepped[0].tolist()


def test_choices_are_those_of_all_positions_computed_without_a_cache() -> None:
    # Narrow numbers round otherwise without a cache.
    engine = bundled("float32").engine()
    assert isinstance(engine, CpuEngine)
    asked, bucket = ask(engine), engine.shapes.longest
    said = [START, BYTE_OFFSET + ord("t")]
    ids, lengths = tokenize(pa.array(["tear"]), pa.array([engine.contract.prefix_for("eng-us")]))
    logits = engine.recompute(integers(said)[None], engine.encode(bucket, ids, lengths), lengths)[0, -1].astype(float)
    exact = logits - np.log(np.exp(logits - logits.max()).sum()) - logits.max()
    chosen, logprob = asked.say(0, 0, said)
    assert chosen.tolist() == np.argsort(-exact, kind="stable")[:CHOICES].tolist()
    assert logprob == pytest.approx(exact[chosen], abs=1e-4)


def test_rows_in_slots_of_their_own_share_the_source_of_one_word(asked: Asked) -> None:
    alone = [asked.say(word, word, [START]) for word in (1, 1, 0)]
    scratch = asked.engine.shapes.longest.slots
    rows = asked.rows([1, 1, 0, 0, 0], [START] * 5, 0, [9, 6, 7, scratch, scratch])
    rows.source_length[3:] = 1
    chosen, logprob = asked.engine.extend(asked.cache, rows, integers([1, 1, 0, scratch, scratch]))
    assert all(same(one, (chosen[n], logprob[n])) for n, one in enumerate(alone))
    assert not same(alone[0], alone[2])


def test_a_forked_slot_goes_on_as_if_it_had_said_all_itself(asked: Asked) -> None:
    said = [START]
    for position in range(4):
        chosen, _ = asked.say(0, 0, [said[-1]], at=position)
        said.append(int(chosen[0]))
    other, third = chosen[1:3].tolist()
    asked.engine.fork(asked.cache, integers([0, 0]), integers([5, 8]), integers([4, 4]))
    # Each goes on its own way, the origin too, and none is seen by the others.
    kept = asked.say(0, 0, [said[-1], 80, 81], at=4)
    forked = [asked.say(0, slot, [token, 90, 91], at=4) for slot, token in ((5, other), (8, third))]
    for found, token, slot in ((forked[0], other, 10), (forked[1], third, 11)):
        assert same(found, asked.say(0, slot, [*said[:4], token, 90, 91]))
    assert same(kept, asked.say(0, 12, [*said, 80, 81]))
    assert not same(*forked)


def test_a_fork_writes_the_positions_that_are_counted_and_nothing_else(asked: Asked) -> None:
    reach = asked.engine.shapes.longest.target_bytes
    values = np.random.default_rng(0)
    views = [np.from_dlpack(t) for t in asked.cache.past]
    for past in views:
        past[...] = values.integers(0, 99, past.shape)
    before = [past.copy() for past in views]
    origin, target, count = integers([3, 3, 0, 7]), integers([9, 2, 8, 6]), integers([reach, 0, 5, 1])
    asked.engine.fork(asked.cache, origin, target, count)
    for past, wanted in zip(views, before, strict=True):
        wanted[:, 9] = wanted[:, 3]
        wanted[:, 8, :5] = wanted[:, 0, :5]
        wanted[:, 6, :1] = wanted[:, 7, :1]
        assert np.array_equal(past, wanted)


def test_a_model_that_cannot_be_searched_says_how_to_mend_it(tiny_artifact: Path, tmp_path: Path) -> None:
    assert require_search(Artifact(tiny_artifact).engine())
    older = shutil.copytree(tiny_artifact, tmp_path / "older")
    manifest = json.loads((older / MANIFEST).read_text(encoding="utf-8"))
    names = manifest["functions"]
    manifest["functions"] = {n: names[n] for n in names if not n.startswith(("extend", "fork"))}
    (older / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"compile it again with `g2p-batch compile`"):
        require_search(Artifact(older).engine())
    whole = load_manifest(tiny_artifact)
    machine = dict.fromkeys(whole.functions, print)
    without_choosing = CpuEngine(replace(whole, functions=dict.fromkeys(machine, ())), machine, {}, {})
    with pytest.raises(ArtifactError, match=r"compile it again with `g2p-batch compile`"):
        require_search(without_choosing)


def test_a_search_has_slots_for_all_its_words_and_rows(tiny_artifact: Path) -> None:
    # More words encoded together than rows have slots, and more rows of a step than a search has.
    for batch, chunk, sources, said in ((1, 100, 101, 16), (8, 3, 11, 128), (4096, 1024, 1280, 4096)):
        bucket = LengthBucket(8, 4, batch, chunk)
        assert (bucket.search_sources, bucket.search_slots) == (sources, said)
        manifest = replace(load_manifest(tiny_artifact), shapes=Shapes((bucket,), (4096,)), functions={})
        cache = CpuEngine(manifest, {}, {}, {}).open_search(bucket)
        assert [cells.shape[1] for cells in (*cache.past, *cache.source)] == [said + 1] * 2 + [sources + 1] * 2
