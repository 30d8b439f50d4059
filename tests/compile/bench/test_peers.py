"""Peers say what we say, and one that cannot run is named with its reason."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import torch

from g2p_batch.model.contract import DType
from g2p_compile.bench import Skipped
from g2p_compile.bench.peer_transformers import BatchSize
from g2p_compile.bench.peer_transformers_gpu import GpuTransformers
from g2p_compile.bench.peers import OTHERS, PeerEntry, enter
from g2p_compile.check.transformers_reference import answers, load_reference
from g2p_compile.export.checkpoint import Checkpoint
from tests.helpers import tiny_models

WORDS = ["hello", "gatto", "π", "Straße", "lexicon", "kylmäkuivaus", "pneumonoultramicroscopicsilicovolcanoconiosis"]
LANGS = ["eng-us", "ita", "gre", "ger", "eng-us", "fin", "eng-us"]
PEERS = {entry.name: entry for entry in OTHERS}


@pytest.fixture(scope="module")
def bundled() -> Checkpoint:
    return load_reference("bundled")


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
    peer = PEERS[name].make(bundled, 2, tmp_path)
    wanted = [answer.pron for answer in answers(bundled, WORDS, LANGS)]
    for setting in (peer.settings[0], peer.settings[-1]):  # batches on a thread each, and one batch on all threads
        found = peer.run(setting, WORDS, LANGS)
        # Eight bits may choose another token, which no short word of these comes near to.
        count = len(wanted) if peer.dtype == "float32" else 5
        assert found[:count] == wanted[:count]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_what_runs_transformers_on_a_gpu_says_the_same_on_a_cpu(bundled: Checkpoint, dtype: DType) -> None:
    peer = GpuTransformers(bundled, dtype, compiled=False, device="cpu")
    wanted = [answer.pron for answer in answers(bundled, WORDS[:5], LANGS[:5])]
    assert peer.run(BatchSize(4), WORDS[:5], LANGS[:5]) == wanted
    assert peer.run(BatchSize(32), WORDS[:5], LANGS[:5]) == wanted
    assert peer.run(BatchSize(4), WORDS[:5], LANGS[:5]) == wanted, "caches are used again"
    assert bundled.model.dtype is torch.float32, "the reference stays as it is"


def test_a_plain_relu_model_runs_on_all_peers(bundled: Checkpoint, tmp_path: Path) -> None:
    model = tiny_models.random_checkpoint(tiny_models.Shape(decoder_layers=3, projection="relu"), max_target_bytes=9)
    wanted = [answer.pron for answer in answers(model, WORDS[:1], LANGS[:1])]
    for entry in OTHERS:
        if all(map(importlib.util.find_spec, entry.packages)) and entry.name.endswith("float32"):
            peer = entry.make(model, 1, tmp_path)
            assert peer.run(peer.settings[0], WORDS[:1], LANGS[:1]) == wanted
