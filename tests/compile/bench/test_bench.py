"""The benchmark's subjects compute what they claim, its peers say what we say, and its report tells what was measured.

No test looks at a clock.
"""

import importlib.util
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from g2p_batch.errors import UsageError
from g2p_batch.model.contract import DType
from g2p_batch.model.greedy import Decoded
from g2p_batch.model.resolve import Request
from g2p_batch.model.tokenizer import EOS
from g2p_compile.bench import (
    Cost,
    Line,
    Options,
    Profile,
    Report,
    Skipped,
    Subject,
    Use,
    bench,
    ceiling,
    draw,
    require_plot,
)
from g2p_compile.bench.ceiling import gpu_ceilings
from g2p_compile.bench.flops import Work, model_flops
from g2p_compile.bench.ground import GROUNDS
from g2p_compile.bench.peer_transformers import Batch
from g2p_compile.bench.peer_transformers_gpu import GpuTransformers
from g2p_compile.bench.peers import OTHERS, Known, enter
from g2p_compile.bench.profile import tokens_of
from g2p_compile.bench.race import Tuned
from g2p_compile.bench.results import OnDevice
from g2p_compile.check.transformers_reference import answers, load_reference
from g2p_compile.export.checkpoint import Checkpoint
from g2p_compile.export.widen import SHAPES, random_checkpoint, widen
from tests.helpers import tiny_models

WORDS = ["hello", "gatto", "π", "Straße", "lexicon", "kylmäkuivaus", "pneumonoultramicroscopicsilicovolcanoconiosis"]
LANGS = ["eng-us", "ita", "gre", "ger", "eng-us", "fin", "eng-us"]
TABLE = pa.table({"word": WORDS[:4], "lang": LANGS[:4]})
PEERS = {known.name: known for known in OTHERS}


def quiet(_: str) -> None:
    pass


@pytest.fixture(scope="module")
def bundled() -> Checkpoint:
    return load_reference("bundled")


@pytest.mark.parametrize("shape", ["tiny_8", "tiny_12", "tiny_16"])
def test_a_widened_checkpoint_gives_the_same_strings_in_the_shape_asked_for(bundled: Checkpoint, shape: str) -> None:
    wide = widen(bundled, shape)
    assert len(wide.model.encoder.block) == SHAPES[shape]["encoder_layers"]
    assert wide.model.encoder.block[-1].layer[-1].DenseReluDense.wi_0.out_features == SHAPES[shape]["d_ff"]
    found, wanted = (answers(checkpoint, WORDS[:4], LANGS[:4]) for checkpoint in (wide, bundled))
    assert [a.pron for a in found] == [a.pron for a in wanted]


def test_a_random_checkpoint_is_the_same_for_the_same_seed(bundled: Checkpoint) -> None:
    one, two, other = (random_checkpoint(bundled, "tiny_8", seed) for seed in (1, 1, 2))
    assert torch.equal(one.model.shared.weight, two.model.shared.weight)
    assert not torch.equal(one.model.shared.weight, other.model.shared.weight)


def test_all_contestants_run_on_all_subjects_and_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ceiling, "_TRIALS", 1)
    report = bench(Request(), Options(TABLE, ("random:tiny_8",), rounds=1, workers=1, forced_steps=5), quiet)
    assert [subject.name for subject in report.subjects] == ["bundled", "random tiny_8, 5 tokens a word"]
    for subject in report.subjects:
        assert [line.name for line in subject.lines] == ["g2p-batch", "transformers"]
        assert [line.same_strings for line in subject.lines] == [4, 4]
        assert all(line.words_per_s > 0 and len(line.rounds) == 1 for line in subject.lines)
        assert (subject.skipped, subject.work.words) == ((), 4)
        assert subject.cost.artifact_bytes > 1e6
        assert 0 < subject.profile.encoder.share <= 1
        assert 0 < subject.profile.decoder.share <= 1
    # Prefixes like "<ita>: " are seven bytes, "<eng-us>: " is ten; ß and π are two each.
    assert report.subjects[1].work == Work.of(np.array([15, 12, 9, 14], np.int32), np.full(4, 5))
    raw = json.loads(report.to_json())
    assert raw["subjects"][0]["lines"][1]["name"] == "transformers"
    assert raw["ceilings"]["float32"] > 1e8


def test_an_unknown_shape_is_refused_before_anything_is_measured() -> None:
    with pytest.raises(UsageError, match="'huge' is no shape: give one of tiny_8"):
        bench(Request(), Options(TABLE, ("huge",), rounds=1), quiet)


def test_the_arithmetic_of_a_model_is_that_of_its_matrix_products(bundled: Checkpoint) -> None:
    geometry = replace(
        bundled.contract.geometry,
        **{"d_model": 4, "d_ff": 8, "d_kv": 3, "heads": 2, "encoder_layers": 2, "decoder_layers": 1, "vocab": 16},
    )
    # One word of 3 bytes and 2 tokens. Projections 4 x 6, four of them: 192 operations; gated feed-forward 192.
    encoder = 2 * (3 * (192 + 192) + 3 * 3 * 24)
    cross_keys_values = 3 * 96
    decoder = 2 * (192 + 96 + 192) + (1 + 2) * 24 + 2 * 3 * 24
    head = 2 * 128
    work = Work.of(np.array([3], np.int32), np.array([2]))
    assert work == Work(words=1, source=3, source_pairs=9, tokens=2, token_pairs=3, crossed=6)
    assert model_flops(geometry, work) == encoder + cross_keys_values + decoder + head
    plain = replace(geometry, gated=False)
    assert model_flops(geometry, work) - model_flops(plain, work) == (2 * 3 + 2) * 64


def test_the_tokens_of_an_output_include_its_end_unless_it_was_cut(bundled: Checkpoint) -> None:
    ids = np.array([[7, 8, EOS, 0], [EOS, 0, 0, 0], [7, 8, 9, 9]], np.int32)
    decoded = Decoded(ids, np.zeros(3, np.float32), np.array([False, False, True]))
    assert tokens_of(decoded, limit=4).tolist() == [3, 1, 4]


@pytest.mark.parametrize(("name", "package"), [(known.name, p) for known in OTHERS for p in known.packages])
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

    found = enter(Known("Another", ("json",), make), bundled, 1, tmp_path, WORDS, LANGS)
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
    assert peer.run(Batch(4), WORDS[:5], LANGS[:5]) == wanted
    assert peer.run(Batch(32), WORDS[:5], LANGS[:5]) == wanted
    assert peer.run(Batch(4), WORDS[:5], LANGS[:5]) == wanted, "caches are used again"
    assert bundled.model.dtype is torch.float32, "the reference stays as it is"


def test_a_race_on_a_gpu_has_its_own_peers_and_ceiling() -> None:
    ground = GROUNDS["cuda"]
    assert {known.name.split()[0] for known in ground.always + ground.others} == {"transformers"}
    assert not set(ground.always) & set(GROUNDS["cpu"].always)
    assert set(gpu_ceilings(1, device="cpu", size=64)) == {"float32", "bfloat16", "float16"}


def test_the_report_tells_what_a_gpu_was_asked_for() -> None:
    plain = report()
    subject = replace(plain.subjects[0], profile=None, on_device=OnDevice(3 << 30, 12, 85))
    text = replace(plain, subjects=(subject,), workers=1).to_text()
    assert text.startswith("A CPU (2 cores), 1 worker; ")
    assert "Time of one worker" not in text
    assert "On the GPU: 3,072 MiB in use; 12 chunks encoded, 85 rounds of steps, a graph each" in text
    assert "On the GPU" not in plain.to_text()


def test_a_plain_relu_model_runs_on_all_peers(bundled: Checkpoint, tmp_path: Path) -> None:
    model = tiny_models.random_checkpoint(tiny_models.Shape(decoder_layers=3, projection="relu"), max_target_bytes=9)
    wanted = [answer.pron for answer in answers(model, WORDS[:1], LANGS[:1])]
    for known in OTHERS:
        if all(map(importlib.util.find_spec, known.packages)) and known.name.endswith("float32"):
            peer = known.make(model, 1, tmp_path)
            assert peer.run(peer.settings[0], WORDS[:1], LANGS[:1]) == wanted


class Clocked:
    """A peer whose settings cost seconds of a clock that only it moves."""

    name, dtype = "Clocked", "float32"

    def __init__(self, settings: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
        self.settings, self.now, self.ran = settings, 0.0, list[tuple[int, int]]()
        monkeypatch.setattr("time.perf_counter", lambda: self.now)

    def run(self, setting: int, words: list[str], langs: list[str]) -> list[str]:
        self.now += setting
        self.ran.append((setting, len(words)))
        return words


def test_a_peer_races_in_the_setting_that_was_fastest_on_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    peer = Clocked((100, 110, 90, 200), monkeypatch)
    tuned = Tuned(peer, ["a"] * 1000, ["ita"] * 1000)
    assert tuned.setting == "90"
    assert [setting for setting, _ in peer.ran] == [100, 100, 110, 90, 200, 100, 90]
    assert {words for _, words in peer.ran} == {512}


def test_what_a_first_run_compiles_is_not_timed_and_a_setting_that_fails_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Compiling(Clocked):
        def run(self, setting: int, words: list[str], langs: list[str]) -> list[str]:
            if setting == 300:
                raise MemoryError
            self.now += 1000 * (setting not in [known for known, _ in self.ran])
            return super().run(setting, words, langs)

    peer = Compiling((100, 90, 300), monkeypatch)
    assert Tuned(peer, ["a"], ["ita"], warm=True).setting == "90"
    with pytest.raises(MemoryError):
        Tuned(Compiling((300,), monkeypatch), ["a"], ["ita"])


def report() -> Report:
    lines = (
        Line("g2p-batch", "float32", "2 workers", 2000.0, (1900.0, 2000.0, 2100.0), 4.0, 10),
        Line("CTranslate2", "int8", "64 words, 2x1 threads", 400.0, (390.0, 400.0, 410.0), 25.0, 9),
    )
    seconds = {"tokenise": 0.01, "encode": 5.0, "prefill": 0.5, "step": 4.0, "loop": 0.48, "detokenise": 0.01}
    subject = Subject(
        name="bundled",
        work=Work(words=10, source=185, source_pairs=3500, tokens=135, token_pairs=1000, crossed=2500),
        flops=1_234_000_000,
        lines=lines,
        skipped=(Skipped("ONNX Runtime float32", "onnxruntime not installed"),),
        cost=Cost(load_s=0.05, compile_s=4.25, artifact_bytes=3 * 2**20),
        profile=Profile(seconds, encoder=Use(185, 200), decoder=Use(135, 180)),
    )
    return Report("A CPU (2 cores)", 2, {"float32": 512.4e9, "bfloat16": 1e12}, 1100 * 2**20, (subject,))


def test_the_report_gives_medians_ratios_shares_and_what_was_skipped() -> None:
    assert report().to_text().splitlines() == [
        "A CPU (2 cores), 2 workers; words/s are medians of interleaved rounds",
        "Peak of matrix products here on as many threads, in GFLOP/s: float32 512, bfloat16 1,000",
        "Peak memory of this process, all contestants included: 1,100 MiB",
        "",
        "bundled: 10 words of 18.5 bytes and 13.5 tokens, 123.4 MFLOP each",
        "                     words/s  slowest  fastest  ours is  of peak   one word     same  setting",
        "  g2p-batch float32    2,000    1,900    2,100    1.00x    48.2%     4.0 ms  100.00%  2 workers",
        "  CTranslate2 int8       400      390      410    5.00x        -    25.0 ms   90.00%  64 words, 2x1 threads",
        "  ONNX Runtime float32 skipped: onnxruntime not installed",
        "  Ours: compiled in 4.2 s to 3.0 MiB, loaded in 0.05 s",
        "  Time of one worker: tokenise 0.1%, encode 50.0%, prefill 5.0%, step 40.0%, loop 4.8%, detokenise 0.1%",
        "  Useful rows, of those computed: encoder 92.5%, decoder 75.0%",
    ]


def test_the_json_holds_all_figures_and_the_share_of_the_peak() -> None:
    raw = json.loads(report().to_json())
    ours, theirs = raw["subjects"][0]["lines"]
    assert (round(ours["of_peak"], 4), theirs["of_peak"]) == (0.4817, None)
    assert raw["subjects"][0]["profile"]["decoder"] == {"useful": 135, "computed": 180}


@pytest.mark.parametrize(("name", "start"), [("speed.svg", b"<?xml"), ("speed.png", b"\x89PNG")])
def test_the_report_is_drawn(tmp_path: Path, name: str, start: bytes) -> None:
    pytest.importorskip("matplotlib")
    draw(report(), tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(start)


NO_PICTURE: dict[str, tuple[str, Callable[[str], object], str]] = {
    "another suffix": (
        "speed.pdf",
        importlib.util.find_spec,
        "speed.pdf is no picture: give a file that ends in .png or",
    ),
    "no matplotlib": ("speed.svg", lambda _: None, "drawing needs matplotlib: `pip install 'g2p-batch"),
}


@pytest.mark.parametrize(("name", "find_spec", "message"), NO_PICTURE.values(), ids=NO_PICTURE)
def test_a_picture_that_cannot_be_drawn_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, find_spec: Callable[[str], object], message: str
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", find_spec)
    with pytest.raises(UsageError, match=message.replace(".", r"\.")):
        require_plot(Path(name))
