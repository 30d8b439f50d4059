"""A compiled model on the emulated GPU: what it says, that company changes nothing, and how the host drives it."""

import gc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tvm

from g2p_batch import G2P
from g2p_batch.errors import ArtifactError, DeviceError
from g2p_batch.model.artifact_cache import DEVICE_CODE, target_family
from g2p_batch.model.contract import LengthBucket
from g2p_batch.model.cpu_engine import Artifact
from g2p_batch.model.cuda import runtime
from g2p_batch.model.cuda.gpu_engine import GpuEngine
from g2p_batch.model.greedy import Decoded, Rows, StreamingEngine, TokenizedChunk, decode_stream
from g2p_batch.model.ids import START
from g2p_batch.model.nbest import Search, search_stream
from g2p_batch.model.search_engine import SearchEngine, require_search
from g2p_compile.build.backends import BACKENDS
from g2p_compile.build.bind import bind
from g2p_compile.build.passes import passes_to_executable
from g2p_compile.program import CHOICES, load_program
from tests.helpers.decoding import decode
from tests.helpers.emulated import Emulator
from tests.helpers.gpu_models import SHAPES, gpu_model

Lists = dict[int, tuple[list[list[int]], np.ndarray, bool]]


def open_model(model: Path) -> GpuEngine:
    engine = Artifact(model).engine()
    assert isinstance(engine, GpuEngine)
    return engine


@pytest.fixture(scope="module")
def model(tiny_program: Path, emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return gpu_model(tiny_program, tmp_path_factory.mktemp("gpu"), "float32")


@pytest.fixture(scope="module")
def engine(model: Path) -> GpuEngine:
    return open_model(model)


def words(count: int, longest: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    lengths = random.integers(1, longest + 1, count).astype(np.int32)
    ids = random.integers(3, 259, (count, int(lengths.max()))).astype(np.int32)
    ids[np.arange(ids.shape[1]) >= lengths[:, None]] = 0
    return ids, lengths


def same(one: Decoded, other: Decoded) -> bool:
    return all(a.tobytes() == b.tobytes() for a, b in zip(vars(one).values(), vars(other).values(), strict=True))


def test_it_says_what_the_cpu_says(engine: GpuEngine, tiny_artifact: Path) -> None:
    ids, lengths = words(14, SHAPES.longest.source_bytes)
    got, wanted = decode(engine, ids, lengths), decode(Artifact(tiny_artifact).engine(), ids, lengths)
    assert got.ids.tolist() == wanted.ids.tolist()
    assert got.truncated.tolist() == wanted.truncated.tolist()
    assert np.abs(got.logprob - wanted.logprob).max() < 1e-4


def test_company_order_bucket_and_rung_change_no_bit(engine: GpuEngine) -> None:
    ids, lengths = words(11, 12)
    whole = decode(engine, ids, lengths)
    order = np.random.default_rng(1).permutation(11)
    mixed = decode(engine, ids[order], lengths[order])
    assert mixed.ids.tolist() == whole.ids[order].tolist()
    assert mixed.logprob.tobytes() == whole.logprob[order].tobytes()
    for i in (0, 5, 10):
        alone = decode(engine, ids[i : i + 1], lengths[i : i + 1])
        width = alone.ids.shape[1]
        assert alone.ids[0].tolist() == whole.ids[i, :width].tolist()
        assert alone.logprob[0].tobytes() == whole.logprob[i].tobytes()
    longest = engine.shapes.longest
    (late,) = [list(decode_stream(engine, longest, [TokenizedChunk(np.arange(1), ids[:1], lengths[:1])]))]
    assert late[0].out.logprob[0].tobytes() == whole.logprob[0].tobytes()


def test_steps_one_by_one_say_the_same(engine: GpuEngine) -> None:
    class Stepping:
        """The engine without its own loop."""

        shapes = engine.shapes
        open, encode, prefill, step = engine.open, engine.encode, engine.prefill, engine.step

    assert isinstance(engine, StreamingEngine)
    assert not isinstance(Stepping(), StreamingEngine)
    ids, lengths = words(5, 10, seed=3)
    assert same(decode(Stepping(), ids, lengths), decode(engine, ids, lengths))


def test_a_stream_that_is_left_harms_no_later_one(engine: GpuEngine) -> None:
    ids, lengths = words(8, 12, seed=4)
    wanted = decode(engine, ids, lengths)
    bucket = engine.shapes.buckets[0]
    stream = decode_stream(engine, bucket, [TokenizedChunk(np.arange(4), ids[:4], lengths[:4])])
    next(stream)
    stream.close()
    assert same(decode(engine, ids, lengths), wanted)


def test_a_round_of_steps_is_one_graph(engine: GpuEngine, emulator: Emulator) -> None:
    ids, lengths = words(6, 12, seed=5)
    decode(engine, ids, lengths)  # records the graphs
    before = emulator.count("launches"), emulator.count("graphs"), engine.chunks, engine.rounds
    decode(engine, ids, lengths)
    now = emulator.count("launches"), emulator.count("graphs"), engine.chunks, engine.rounds
    launches, graphs, chunks, rounds = np.subtract(now, before)
    assert graphs == rounds > 2
    layers = engine.contract.geometry
    # Embedding and norm, five a layer, keys and values a layer, rows assigned; and the rows of two streams cleared.
    assert launches == chunks * (2 + 5 * layers.encoder_layers + layers.decoder_layers + 1) + 2


def test_narrow_formats_agree_with_themselves_in_any_company(
    tiny_program: Path, emulator: Emulator, tmp_path: Path
) -> None:
    engine = open_model(gpu_model(tiny_program, tmp_path, "bfloat16"))
    ids, lengths = words(5, 12, seed=6)
    whole = decode(engine, ids, lengths)
    alone = decode(engine, ids[2:3], lengths[2:3])
    assert alone.logprob[0].tobytes() == whole.logprob[2].tobytes()
    assert np.isfinite(whole.logprob).all()


def test_a_gpu_of_another_kind_is_refused(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "capability", lambda device: (8, 0))
    with pytest.raises(ArtifactError, match="compiled for sm_90, this GPU is sm_80: compile the model on this machine"):
        Artifact(model)
    monkeypatch.setattr(runtime, "capability", lambda device: (9, 0))
    monkeypatch.setattr(runtime, "shared_bytes", lambda device: 1000)
    with pytest.raises(ArtifactError, match=r"bytes of shared memory, this GPU \(sm_90\) has 1,000"):
        Artifact(model)
    monkeypatch.setattr(runtime, "device_count", lambda: 0)
    with pytest.raises(ArtifactError, match="sees no GPU: look at CUDA_VISIBLE_DEVICES"):
        Artifact(model)


def test_damaged_device_code_is_found(model: Path) -> None:
    path = model / DEVICE_CODE
    good = path.read_bytes()
    path.write_bytes(good + b"x")
    try:
        with pytest.raises(ArtifactError, match=f"{DEVICE_CODE} is missing or damaged"):
            Artifact(model)
    finally:
        path.write_bytes(good)


def test_a_gpu_that_fails_says_so(engine: GpuEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    ids, lengths = words(3, 12, seed=7)
    decode(engine, ids, lengths)
    monkeypatch.setenv("EMULATED_FAULT", "0")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    with pytest.raises(
        DeviceError, match=r"the GPU failed \(cudaGraphLaunch: .* \(error 719\)\): run the same command"
    ):
        decode(engine, ids, lengths)


def test_a_gpu_without_room_names_what_to_lower(engine: GpuEngine) -> None:
    with pytest.raises(ArtifactError, match=r"no room on the GPU \(.*out of memory.* with fewer rows"):
        engine.device.empty((1 << 29,), "float32")
    with pytest.raises(ArtifactError, match=r"no room on the GPU \(cudaMallocHost: out of memory \(error 2\)\)"):
        runtime.pinned((1 << 29,), "float32")
    with pytest.raises(ArtifactError, match=r"no room on the GPU \(.*out of memory"), engine.device.working():
        raise RuntimeError("CUDA: out of memory")  # as TVM's pool says it


def test_a_recording_that_fails_leaves_the_stream_of_use(engine: GpuEngine) -> None:
    ids, lengths = words(3, 12, seed=8)
    wanted = decode(engine, ids, lengths)
    with pytest.raises(KeyboardInterrupt), engine.device.stream.recording():
        raise KeyboardInterrupt
    assert same(decode(engine, ids, lengths), wanted)


def test_all_memory_is_there_before_the_first_graph(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = open_model(model)
    ids, lengths = words(1, 12, seed=9)
    decode(engine, ids, lengths)
    monkeypatch.setattr(runtime.library(), "cudaMallocHost", None)
    monkeypatch.setattr(engine.device, "empty", None)
    ids, lengths = words(14, SHAPES.longest.source_bytes, seed=10)
    assert len(decode(engine, ids, lengths).ids) == 14
    assert sum(len(decoder.graphs) for decoder in engine._decoders.values()) > 2


def test_an_engine_that_goes_gives_its_memory_back(model: Path, emulator: Emulator) -> None:
    ids, lengths = words(5, 12, seed=11)
    areas = []
    for _ in range(3):
        engine = open_model(model)
        decode(engine, ids, lengths)
        searched(engine, SHAPES.buckets[0], ids, lengths, Search(2, 0.0, allowance=20))
        del engine
        gc.collect()
        areas.append(emulator.count("areas"))
    assert areas[0] == areas[1] == areas[2]


def integers(*values: int) -> np.ndarray:
    return np.array(values, np.int32)


def test_choices_begin_with_the_one_of_a_step_and_forks_go_on_by_themselves(engine: GpuEngine) -> None:
    bucket = engine.shapes.longest
    ids, lengths = words(5, 12, seed=13)
    cache = engine.open_search(bucket)
    engine.prefill(cache, engine.encode(bucket, ids, lengths), np.arange(5, dtype=np.int32))

    def say(token: int, position: int, slot: int, word: int) -> list[bytes]:
        rows = Rows(integers(token), integers(position), integers(slot), lengths[word : word + 1])
        return [answer.tobytes() for answer in engine.extend(cache, rows, integers(word))]

    words_of = integers(*range(5))
    rows = Rows(words_of * 0 + START, words_of * 0, words_of, lengths)
    chosen, logprob = engine.extend(cache, rows, words_of)
    greedy = engine.open(bucket)
    engine.prefill(greedy, engine.encode(bucket, ids, lengths), words_of)
    stepped = engine.step(greedy, rows)
    assert chosen.shape == logprob.shape == (5, CHOICES)
    assert [a.tobytes() for a in stepped] == [a[:, 0].tobytes() for a in (chosen, logprob)]
    # In a slot of its own, with the source of a word that others have too, and with less company.
    assert [say(START, 0, 20 + word, word) for word in range(5)] == [
        [chosen[word].tobytes(), logprob[word].tobytes()] for word in range(5)
    ]
    first, second, third = chosen[0, :3].tolist()
    say(first, 1, 0, 0)
    engine.fork(cache, integers(0, 0), integers(30, 31), integers(1, 2))
    went_on, copied = say(second, 1, 30, 0), say(third, 2, 31, 0)
    kept = say(second, 2, 0, 0)
    say(START, 0, 40, 0)
    assert went_on == say(second, 1, 40, 0)
    say(first, 1, 40, 0)
    assert (kept, copied) == (say(second, 2, 40, 0), say(third, 2, 40, 0))
    assert kept != copied


def searched(engine: SearchEngine, like: LengthBucket, ids: np.ndarray, lengths: np.ndarray, search: Search) -> Lists:
    """Return the outputs of each word with their log-probabilities, and whether they are proven.

    The bucket is the one of the engine whose words are as long as those of `like`.
    """
    lists: Lists = {}
    (bucket,) = [b for b in engine.shapes.buckets if b.source_bytes == like.source_bytes]
    parts = [
        np.arange(start, min(start + bucket.chunk, len(lengths))) for start in range(0, len(lengths), bucket.chunk)
    ]
    for found in search_stream(engine, bucket, [TokenizedChunk(at, ids[at], lengths[at]) for at in parts], search):
        ends = np.cumsum(found.count)
        for row, end, count, proven in zip(found.rows, ends, found.count, found.proven, strict=True):
            out = [found.out.ids[at].tolist() for at in range(end - count, end)]
            said = [[token for token in one if token] for one in out]
            lists[int(row)] = said, found.out.logprob[end - count : end], bool(proven)
    return lists


@pytest.mark.parametrize("search", [Search(1, allowance=100), Search(4, 0.0, allowance=60)], ids=str)
def test_a_search_finds_what_the_cpu_finds(engine: GpuEngine, tiny_artifact: Path, search: Search) -> None:
    longest = SHAPES.longest
    assert longest.search_rows < 20, "rows that end are given to further words"
    ids, lengths = words(20, longest.source_bytes, seed=14)
    got = searched(require_search(engine), longest, ids, lengths, search)
    wanted = searched(require_search(Artifact(tiny_artifact).engine()), longest, ids, lengths, search)
    assert sorted(got) == sorted(wanted) == list(range(20))
    for row, (said, logprob, proven) in wanted.items():
        assert (got[row][0], got[row][2]) == (said, proven)
        assert np.abs(got[row][1] - logprob).max() < 1e-4


def test_a_search_does_not_depend_on_company(engine: GpuEngine) -> None:
    ids, lengths = words(9, 12, seed=15)
    search = Search(3, 0.0, allowance=40)
    whole = searched(engine, SHAPES.buckets[0], ids, lengths, search)
    for row in (0, 4, 8):
        ((said, logprob, proven),) = searched(
            engine, SHAPES.buckets[0], ids[row : row + 1], lengths[row : row + 1], search
        ).values()
        assert (said, logprob.tobytes(), proven) == (whole[row][0], whole[row][1].tobytes(), whole[row][2])


def test_a_search_and_a_stream_do_not_disturb_each_other(model: Path) -> None:
    engine = open_model(model)
    ids, lengths = words(5, 12, seed=16)
    wanted = decode(engine, ids, lengths)
    assert any(decoder.graphs for decoder in engine._decoders.values())
    engine.open_search(engine.shapes.buckets[0])
    assert not any(decoder.graphs for decoder in engine._decoders.values()), "what they use may have gone"
    assert same(decode(engine, ids, lengths), wanted)
    found = searched(engine, SHAPES.buckets[0], ids, lengths, Search(2, 0.0, allowance=20))
    assert any(decoder.graphs for decoder in engine._decoders.values())
    assert same(decode(engine, ids, lengths), wanted)
    again = searched(engine, SHAPES.buckets[0], ids, lengths, Search(2, 0.0, allowance=20))
    assert {row: said for row, (said, _, _) in found.items()} == {row: said for row, (said, _, _) in again.items()}


def test_a_further_engine_voids_the_graphs_of_others(engine: GpuEngine, model: Path) -> None:
    ids, lengths = words(5, 12, seed=12)
    wanted = decode(engine, ids, lengths)
    assert any(decoder.graphs for decoder in engine._decoders.values())
    assert same(decode(open_model(model), ids, lengths), wanted)
    assert not any(decoder.graphs for decoder in engine._decoders.values())
    assert same(decode(engine, ids, lengths), wanted)


def test_programs_keep_one_engine_and_threads_take_turns(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    g2p = G2P(model, device="cuda")
    lists = [[f"word{i}{j}" for j in range(i + 1)] for i in range(4)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda some: g2p(some, "eng-us"), lists))
    assert answers == [[g2p([word], "eng-us")[0] for word in some] for some in lists]


def test_only_kernels_touch_memory_of_the_device(tiny_program: Path) -> None:
    program = load_program(tiny_program)
    backend = BACKENDS["cuda"](program, target_family("cuda", "float32", ("sm_90",)), SHAPES, "float32", None)
    with backend.target:
        lowered = tvm.transform.Sequential(passes_to_executable())(bind(program, backend.kernels, SHAPES).module)
    called: set[tvm.ir.GlobalVar] = set()
    for function in lowered.functions.values():
        if isinstance(function, tvm.relax.Function):
            tvm.relax.analysis.post_order_visit(
                function, lambda e: called.add(e.op) if isinstance(getattr(e, "op", None), tvm.ir.GlobalVar) else None
            )
    loops = [
        f.name_hint for f in called if not {"tirx.is_scheduled", "tirx.is_host_func"} & set(lowered[f].attrs.keys())
    ]
    assert len(called) > 10
    assert not loops
