"""Peers say what we say, and one that cannot run is named with its reason."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import torch

from g2p_batch.api import G2P
from g2p_batch.cli.bench import PEERS as PROGRAMS
from g2p_batch.errors import UsageError
from g2p_batch.model.contract import DType
from g2p_compile.bench import Skipped
from g2p_compile.bench.ground import GROUNDS
from g2p_compile.bench.peer_transformers_gpu import GpuTransformers
from g2p_compile.bench.peers import ALWAYS, OTHERS, PeerEntry, enter
from g2p_compile.bench.race import BatchSize
from g2p_compile.check.transformers_reference import answers, load_reference
from g2p_compile.export.checkpoint import Checkpoint
from tests.helpers import tiny_models

WORDS = ["hello", "gatto", "π", "straße", "lexicon", "kylmäkuivaus", "pneumonoultramicroscopicsilicovolcanoconiosis"]
LANGS = ["eng-us", "ita", "gre", "ger", "eng-us", "fin", "eng-us"]
PEERS = {entry.name: entry for entry in OTHERS}
WITH_BEAMS = {entry.name: entry for entry in ALWAYS + OTHERS if not entry.greedy_only}


@pytest.fixture(scope="module")
def bundled() -> Checkpoint:
    return load_reference("bundled")


def test_who_races_is_chosen_by_program() -> None:
    ground = GROUNDS["cpu"]
    assert {entry.program for entry in ground.peers(True, ())} == set(PROGRAMS)
    assert ground.peers(False, ()) == ALWAYS
    chosen = ground.peers(False, ("ctranslate2", "onnxruntime"))
    assert [entry.name for entry in chosen] == ["CTranslate2 float32", "CTranslate2 int8", "ONNX Runtime float32"]
    with pytest.raises(UsageError, match="ctranslate2 is not raced here: give --peer one of transformers"):
        GROUNDS["cuda"].peers(False, ("ctranslate2",))


@pytest.mark.parametrize(("name", "package"), [(entry.name, p) for entry in OTHERS for p in entry.packages])
def test_a_peer_that_is_not_installed_is_skipped_by_name(
    bundled: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, package: str
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda wanted: None if wanted == package else find("json"))
    found = enter(PEERS[name], bundled, 1, tmp_path, WORDS, LANGS)
    assert found == Skipped(name, f"{package} not installed (`pip install 'g2p-batch[bench]'`)")


def test_a_peer_that_fails_is_skipped_with_its_reason(bundled: Checkpoint, tmp_path: Path) -> None:
    def make(*_: Any) -> Any:
        raise RuntimeError("unsupported model\nat line 1 of 400")

    found = enter(PeerEntry("Another", ("json",), make), bundled, 1, tmp_path, WORDS, LANGS)
    assert found == Skipped("Another", "RuntimeError: unsupported model")


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_says_what_we_say(bundled: Checkpoint, tmp_path: Path, name: str) -> None:
    for package in PEERS[name].packages:
        pytest.importorskip(package)
    peer = PEERS[name].make(bundled, 2, tmp_path, None)
    wanted = [(answer.pron,) for answer in answers(bundled, WORDS, LANGS)]
    for setting in (peer.settings[0], peer.settings[-1]):  # batches on a thread each, and one batch on all threads
        found = peer.run(setting, WORDS, LANGS)
        # Eight bits may choose another token, which no short word of these comes near to.
        count = len(wanted) if peer.dtype == "float32" else 5
        assert found[:count] == wanted[:count]


@pytest.mark.parametrize("name", WITH_BEAMS)
def test_the_beams_of_a_peer_find_the_most_probable_output(bundled: Checkpoint, tmp_path: Path, name: str) -> None:
    for package in WITH_BEAMS[name].packages:
        pytest.importorskip(package)
    words, langs = WORDS[:4], LANGS[:4]
    peer = WITH_BEAMS[name].make(bundled, 1, tmp_path, 4)
    found = peer.run(peer.settings[0], words, langs)
    true = [tuple(pron for pron, _ in one) for one in G2P(variants=4, min_share=0, dictionary=False)(words, langs)]
    # Of the less probable ones beams miss some.
    assert [texts[0] for texts in found] == [texts[0] for texts in true]
    assert all(1 < len(texts) == len(set(texts)) <= 4 for texts in found)


@pytest.mark.parametrize("name", WITH_BEAMS)
def test_one_beam_is_greedy_decoding(bundled: Checkpoint, tmp_path: Path, name: str) -> None:
    for package in WITH_BEAMS[name].packages:
        pytest.importorskip(package)
    found, wanted = (WITH_BEAMS[name].make(bundled, 1, tmp_path, variants) for variants in (1, None))
    setting = found.settings[0]
    assert found.run(setting, WORDS, LANGS) == wanted.run(setting, WORDS, LANGS)


@pytest.mark.parametrize("scaled", [False, True])
def test_ctranslate2_knows_the_scale_of_the_logits(tmp_path: Path, scaled: bool) -> None:
    pytest.importorskip("ctranslate2")
    model = tiny_models.random_checkpoint(tiny_models.Shape(scaled=scaled), max_target_bytes=3)
    found, wanted = (
        WITH_BEAMS[f"{name} float32"].make(model, 1, tmp_path, 8) for name in ("CTranslate2", "transformers")
    )
    words, langs = ["a", "bc", "def"], ["fra"] * 3
    assert found.run(found.settings[0], words, langs) == wanted.run(wanted.settings[0], words, langs)


def test_a_peer_that_gives_one_output_of_a_word_is_skipped_where_several_are_asked_for(
    bundled: Checkpoint, tmp_path: Path
) -> None:
    found = enter(PEERS["ONNX Runtime float32"], bundled, 1, tmp_path, WORDS, LANGS, variants=4)
    assert found == Skipped("ONNX Runtime float32", "its decoding loop is ours, and greedy")


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_what_runs_transformers_on_a_gpu_says_the_same_on_a_cpu(bundled: Checkpoint, dtype: DType) -> None:
    peer = GpuTransformers(bundled, dtype, compiled=False, device="cpu")
    wanted = [(answer.pron,) for answer in answers(bundled, WORDS[:5], LANGS[:5])]
    assert peer.run(BatchSize(4), WORDS[:5], LANGS[:5]) == wanted
    assert peer.run(BatchSize(32), WORDS[:5], LANGS[:5]) == wanted
    assert peer.run(BatchSize(4), WORDS[:5], LANGS[:5]) == wanted, "caches are used again"
    assert bundled.model.dtype is torch.float32, "the reference stays as it is"


def test_a_plain_relu_model_runs_on_all_peers(bundled: Checkpoint, tmp_path: Path) -> None:
    model = tiny_models.random_checkpoint(tiny_models.Shape(decoder_layers=3, projection="relu"), max_target_bytes=9)
    wanted = [(answer.pron,) for answer in answers(model, WORDS[:1], LANGS[:1])]
    for entry in OTHERS:
        if all(map(importlib.util.find_spec, entry.packages)) and entry.name.endswith("float32"):
            peer = entry.make(model, 1, tmp_path, None)
            assert peer.run(peer.settings[0], WORDS[:1], LANGS[:1]) == wanted
