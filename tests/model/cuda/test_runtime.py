"""What only a real GPU can show: the golden words, numerics, company, and that the sanitizers find nothing."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from g2p_batch.model.artifact_cache import GPU_DTYPES
from g2p_batch.model.contract import DType
from g2p_batch.model.cpu_engine import Artifact
from g2p_batch.model.cuda.gpu_engine import GpuEngine
from g2p_batch.model.resolve import find_model
from g2p_batch.model.shipped import shipped
from g2p_batch.model.tokenizer import tokenize
from g2p_compile.check.golden import read_tsv
from g2p_compile.check.transformers_reference import load_reference
from g2p_compile.check.verify import verify
from tests.helpers.decoding import decode
from tests.helpers.emulated import require_gpu

pytestmark = pytest.mark.cuda

AGREEMENT: dict[DType, float] = {"float32": 1.0, "float16": 0.995, "bfloat16": 0.995}


@pytest.fixture(scope="module", params=GPU_DTYPES)
def engine(request: pytest.FixtureRequest) -> GpuEngine:
    require_gpu()
    opened = find_model("bundled", print, dtype=request.param, target="cuda").open(print).engine()
    assert isinstance(opened, GpuEngine)
    return opened


def sources(engine: GpuEngine) -> tuple[np.ndarray, np.ndarray]:
    """Return ids and lengths of 2,000 words of 11 languages."""
    table = read_tsv(shipped("golden/bench.tsv"))
    prefixes = pa.array([engine.contract.prefix_for(lang) for lang in table["lang"].to_pylist()])
    return tokenize(table["word"].combine_chunks().cast(pa.string()), prefixes)


def test_checks_of_the_model_hold(engine: GpuEngine) -> None:
    found = verify(find_model("bundled", print, dtype=engine.dtype, target="cuda"), print)
    assert found.held, found.to_text()


def test_strings_are_those_of_float32_on_the_cpu(engine: GpuEngine) -> None:
    ids, lengths = sources(engine)
    got, wanted = (
        decode(engine, ids, lengths),
        decode(Artifact(find_model("bundled", print).compile(print)).engine(), ids, lengths),
    )
    width = max(got.ids.shape[1], wanted.ids.shape[1])
    one, other = (np.pad(d.ids, ((0, 0), (0, width - d.ids.shape[1]))) for d in (got, wanted))
    assert (one == other).all(axis=1).mean() >= AGREEMENT[engine.dtype]


def test_a_word_sounds_the_same_in_any_company_and_order(engine: GpuEngine) -> None:
    ids, lengths = sources(engine)
    whole = decode(engine, ids, lengths)
    order = np.random.default_rng(0).permutation(len(lengths))
    for part in (order, order[:700], order[:65], order[:1]):
        some = decode(engine, ids[part], lengths[part])
        assert some.ids.tolist() == whole.ids[part, : some.ids.shape[1]].tolist()
        assert some.logprob.tobytes() == whole.logprob[part].tobytes()


def test_hidden_states_are_near_float64(engine: GpuEngine) -> None:
    import torch

    ids, lengths = sources(engine)
    ids, lengths = np.ascontiguousarray(ids[:32, : lengths[:32].max()]), lengths[:32]
    hidden = engine.device.array(engine.encode(engine.shapes.longest, ids, lengths))
    if hidden.dtype == np.uint16:
        hidden = torch.from_numpy(hidden).view(getattr(torch, engine.dtype)).float().numpy()
    model = load_reference("bundled").model.double()
    seen = torch.arange(ids.shape[1]) < torch.from_numpy(lengths)[:, None]
    with torch.inference_mode():
        exact = model.encoder(torch.from_numpy(ids).long(), attention_mask=seen.long()).last_hidden_state.numpy()
    away = np.abs(hidden - exact)[seen.numpy()].max() / np.abs(exact).max()
    assert away < {"float32": 1e-5, "float16": 1e-2, "bfloat16": 5e-2}[engine.dtype]


@pytest.mark.parametrize("tool", ["memcheck", "racecheck", "initcheck", "synccheck"])
def test_sanitizers_find_nothing(tool: str, tmp_path: Path) -> None:
    require_gpu()
    program = shutil.which("compute-sanitizer") or shutil.which("compute-sanitizer", path="/usr/local/cuda/bin")
    if program is None:
        pytest.skip("needs compute-sanitizer, of the CUDA toolkit")
    (tmp_path / "words.txt").write_text("hello\nworld\n", encoding="utf-8")
    code = (
        "from g2p_batch import G2P; print(G2P(device='cuda', dtype='bfloat16')(['hello', 'world'] * 40, 'eng-us')[:2])"
    )
    command = [program, "--tool", tool, "--error-exitcode", "9", sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    if "Device not supported" in done.stdout:
        pytest.skip("compute-sanitizer cannot be used here: Device not supported")
    assert done.returncode == 0, done.stdout[-2000:]
