"""Compiled code on a CPU: it says what transformers says, and what becomes of its caches."""

import platform
import resource
import subprocess
import sys
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tvm_ffi

from g2p_batch.model.cpu_engine import Artifact, CpuEngine
from g2p_batch.model.cpu_families import FAMILIES, Family, cpu_family, cpu_features
from g2p_batch.model.greedy import Rows
from g2p_batch.model.ids import EOS
from g2p_batch.model.tokenizer import detokenize
from g2p_compile.build.builder import build
from g2p_compile.check.transformers_reference import answers
from tests.helpers.decoding import decode
from tests.helpers.tiny_models import TINY_SHAPES, TINY_WORDS, random_checkpoint, tiny_words

RUNNABLE = [
    family
    for family in FAMILIES
    if "float32" in family.dtypes and family.arch == platform.machine() and cpu_features() >= set(family.features)
] or [cpu_family()]
LAYERS = 2


# The strongest and the weakest family of this machine: the kernels of those between are compared one by one.
@pytest.fixture(scope="module", params=dict.fromkeys([RUNNABLE[0], RUNNABLE[-1]]), ids=lambda family: family.name)
def engine(request: pytest.FixtureRequest, tiny_program: Path, tiny_artifact: Path, tmp_path_factory: Any) -> CpuEngine:
    family: Family = request.param
    if family == cpu_family():
        return Artifact(tiny_artifact).engine()
    folder = tmp_path_factory.mktemp("families") / family.name
    build(tiny_program, family, TINY_SHAPES, "float32", folder)
    return Artifact(folder).engine()


def test_from_ids_to_ids_an_engine_needs_neither_arrow_nor_a_compiler(tiny_artifact: Path) -> None:
    code = (
        "import sys\n"
        "for name in ('pyarrow', 'duckdb', 'tvm.ir', 'torch', 'transformers'): sys.modules[name] = None\n"
        "from pathlib import Path\n"
        "import numpy as np\n"
        "from g2p_batch.model.cpu_engine import Artifact\n"
        "from tests.helpers.decoding import decode\n"
        "print(len(decode(Artifact(Path(sys.argv[1])).engine(), np.full((1, 2), 70, np.int32), np.array([2])).ids))"
    )
    done = subprocess.run([sys.executable, "-c", code, tiny_artifact], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr


def test_families_give_the_strings_and_log_probabilities_of_transformers(engine: CpuEngine) -> None:
    ids, lengths, langs = tiny_words(engine.contract)
    out = decode(engine, ids, lengths)
    wanted = answers(random_checkpoint(), TINY_WORDS, langs)
    assert min(answer.margin for answer in wanted) > 1e-3
    assert detokenize(out.ids)[0].to_pylist() == [answer.pron for answer in wanted]
    assert out.logprob.tolist() == pytest.approx([answer.logprob for answer in wanted], abs=1e-3)


def test_recomputing_all_positions_without_a_cache_gives_the_same_choices(engine: CpuEngine) -> None:
    ids, lengths, _ = tiny_words(engine.contract)
    ids, lengths = ids[:4], lengths[:4]
    out = decode(engine, ids, lengths)
    hidden = engine.encode(engine.shapes.longest, ids, lengths)
    fed = np.concatenate([np.zeros((4, 1), np.int32), out.ids[:, :-1]], axis=1)
    logits = engine.recompute(np.ascontiguousarray(fed), hidden, lengths)
    ended = out.ids == EOS
    real = ended.cumsum(axis=1) - ended == 0
    assert np.array_equal(logits.argmax(-1)[real], out.ids[real])


def aligned(shape: tuple[int, ...], fill: float) -> np.ndarray:
    raw = np.zeros(prod(shape) * 4 + 64, np.uint8)
    start = -raw.ctypes.data % 64
    array = raw[start : start + prod(shape) * 4].view(np.float32).reshape(shape)
    if fill:
        array[...] = fill
    return array


def test_a_step_writes_one_position_of_its_rows_where_the_caches_lie_and_nothing_else(tiny_artifact: Path) -> None:
    engine = Artifact(tiny_artifact).engine()
    bucket = engine.shapes.buckets[0]
    ids, lengths, _ = tiny_words(engine.contract)
    hidden = engine.encode(bucket, ids[:4, :20].copy(), np.minimum(lengths[:4], 20))
    slots = np.array([bucket.slots - 1, 0, 3, bucket.slots], np.int32)
    cache = engine.open(bucket)
    engine.prefill(cache, hidden, slots)
    shape = tuple(cache.past[0].shape)
    past, source = [aligned(shape, 0.5) for _ in range(LAYERS)], [np.from_dlpack(t) for t in cache.source]
    cache = replace(cache, past=[tvm_ffi.from_dlpack(a) for a in past])
    kept = [a.copy() for a in source]
    rows = Rows(np.zeros(4, np.int32), np.zeros(4, np.int32), slots, np.minimum(lengths[:4], 20))
    engine.step(cache, rows)
    wanted = np.zeros(shape, bool)
    wanted[:, slots, 0] = True
    assert all(np.array_equal(array != 0.5, wanted) for array in past)
    assert all(np.array_equal(a, b) for a, b in zip(source, kept, strict=True))


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()


def test_a_step_over_huge_caches_takes_no_memory_for_them(tiny_artifact: Path) -> None:
    engine = Artifact(tiny_artifact).engine()
    bucket = engine.shapes.buckets[0]
    ids, lengths, _ = tiny_words(engine.contract)
    cache = engine.open(bucket)
    engine.prefill(cache, engine.encode(bucket, ids[:1, :9].copy(), lengths[:1]), np.zeros(1, np.int32))
    shape = (2, 30_000, *cache.past[0].shape[2:])  # 240 MB each, of which the pages that are touched count
    huge = [tvm_ffi.from_dlpack(aligned(shape, 0.0)) for _ in range(2 * LAYERS)]
    wide = replace(cache, past=huge[:LAYERS], source=huge[LAYERS:])
    row = Rows(*(np.array([n], np.int32) for n in (0, 0, 29_999, 1)))
    before = resident_bytes()
    # What a step allocates stays with the engine, to be used again: a copy would be seen after it as well.
    engine.step(wide, row)
    assert resident_bytes() - before < prod(shape) * 4 / 10


def test_a_bucket_that_is_opened_again_takes_the_caches_it_had(tiny_artifact: Path) -> None:
    engine = Artifact(tiny_artifact).engine()
    places = []
    for bucket in (*engine.shapes.buckets, *engine.shapes.buckets):
        cache = engine.open(bucket)
        assert {t.shape[1] for t in (*cache.past, *cache.source)} == {bucket.slots + 1}
        places.append([np.from_dlpack(t).ctypes.data for t in (*cache.past, *cache.source)])
    assert places[:2] == places[2:]
    assert all(place % 64 == 0 for place in places[0])
