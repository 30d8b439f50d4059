"""The loop: a mapping is learnt, and stopping anywhere changes no bit."""

import json
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import Result

from g2p_batch import cli
from g2p_batch.api import G2P
from g2p_batch.errors import ModelError, StoppedEarlyError
from g2p_batch.model import resolve
from g2p_batch.model.shipped import shipped
from g2p_batch.signals import Stop
from g2p_compile.check.golden import read_tsv
from g2p_compile.check.transformers_reference import answers
from g2p_compile.export.checkpoint import load_checkpoint
from g2p_compile.train.batches import Mix
from g2p_compile.train.hardware import fast_precision
from g2p_compile.train.recipe import OPTIMIZERS, SCHEDULES, Optimizer, Recipe, Schedule
from g2p_compile.train.state import STATE
from g2p_compile.train.training import BEST, LAST, Data, Watch, train
from tests.helpers.training import LETTERS, MAPPINGS, TINY, Listener, lexicon, prepared, quick, run, toy

LEARNS = "d_model=128,d_ff=256,heads=4,d_kv=32,encoder_layers=1,decoder_layers=1"


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("learnt")
    data = toy(folder / "toy.tsv")
    options = ("--shape", LEARNS, "--steps", "400", "--batch-tokens", "768", "--rate", "0.001", "--warmup", "20")
    ran = run(data, "-o", folder / "run", *options, "--stored", "float32")
    assert ran.exit_code == 0, ran.output
    return folder / "run"


def test_a_toy_mapping_is_learnt_in_both_languages_and_generated_by_the_compiled_model(learnt: Path) -> None:
    g2p = G2P(str(learnt / LAST / "model.toml"))
    assert g2p.contract.languages == tuple(MAPPINGS)
    right = [
        pron == f"{phone}ə"
        for tag, phones in MAPPINGS.items()
        for pron, phone in zip(g2p([*LETTERS], lang=tag), phones, strict=True)
    ]
    assert np.mean(right) > 0.95


def test_the_saved_folder_is_a_checkpoint_with_its_facts(learnt: Path) -> None:
    config = resolve.model_config(str(learnt / LAST / "model.toml"))
    assert (config.source, config.prefix, config.languages) == (str(learnt / LAST), "space", tuple(sorted(MAPPINGS)))
    assert {file.stat().st_mode & 0o777 for file in (learnt / LAST).iterdir()} == {0o644}
    alphabets = config.alphabets()
    assert alphabets == {tag: dict.fromkeys(sorted(LETTERS), 1) for tag in MAPPINGS}
    assert resolve.model_config(str(learnt / LAST)).alphabets() == alphabets
    loaded = load_checkpoint(config.source, languages=config.languages)
    assert loaded.stored_dtype == torch.float32
    assert loaded.contract.geometry.logit_scale == 1.0
    assert [answer.pron for answer in answers(loaded, ["a", "a"], ["eng-us", "ger"])] == ["ɑə", "pə"]


def test_batches_are_what_the_bundled_model_was_trained_on(tmp_path: Path) -> None:
    rows = [
        (row["lang"], row["word"], row["pron"])
        for row in read_tsv(shipped("golden/bundled/words.tsv")).slice(0, 200).to_pylist()
    ]
    path = lexicon(tmp_path / "a.tsv", rows)
    recipe = Recipe(shape="", start="bundled", steps=1, rate=1e-9, warmup=0)
    found, watcher = prepared(path, recipe), Listener()
    train(found.checkpoint, recipe, Data(found.lexicon.examples), tmp_path, Watch(), watcher, Stop())
    # Its own answers: with a prefix, an offset or an end of another form the loss is several nats.
    assert watcher.lines[-1]["loss"] < 0.3


def test_a_stopped_and_resumed_training_ends_in_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = toy(tmp_path / "toy.tsv")
    dev = lexicon(tmp_path / "dev.tsv", [("eng-us", "a", "ɑə"), ("ger", "b", "fə")])
    scored = ("--dev", dev, "--dev-steps", "10")
    for name in ("straight", "again"):
        assert quick(data, tmp_path / name, *scored).exit_code == 0

    class Killer(Listener):
        def advance(self, loss: float) -> None:
            super().advance(loss)
            if self.left == 10:
                signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(cli.train, "TrainingBar", Killer)
    stopped = quick(data, tmp_path / "stopped", *scored)
    assert stopped.exit_code == 75
    assert "Error: stopped by SIGTERM at step 10 of 20; with --resume nothing of it is lost" in stopped.output
    monkeypatch.setattr(cli.train, "TrainingBar", Listener)
    with (tmp_path / "stopped" / "log.jsonl").open("a", encoding="utf-8") as log:
        log.write('{"step": 14, "loss": 1.0}\n{"step": 1')  # as a process leaves it that is killed later
    resumed = quick(data, tmp_path / "stopped", *scored, "--resume")
    assert resumed.exit_code == 0, resumed.output
    for file in (STATE, f"{LAST}/model.safetensors", f"{BEST}/model.safetensors"):
        straight, again, stopped_too = (
            (tmp_path / name / file).read_bytes() for name in ("straight", "again", "stopped")
        )
        assert straight == again == stopped_too, file
    logs = [
        [json.loads(line) for line in (tmp_path / name / "log.jsonl").read_text(encoding="utf-8").splitlines()]
        for name in ("straight", "stopped")
    ]
    assert untimed(logs[0]) == untimed(logs[1])
    assert [record["step"] for record in logs[0]] == [5, 10, 10, 15, 20, 20]
    assert set(logs[0][2]["dev"]) == {"eng-us", "ger"}


def untimed(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in record.items() if name != "words_per_s"} for record in records]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_rates_rise_to_the_peak_and_fall(schedule: Schedule) -> None:
    recipe = Recipe(steps=100, rate=2.0, warmup=10, schedule=schedule)
    rates = [recipe.rate_at(step) for step in range(1, 101)]
    assert max(rates) == rates[9] == 2.0
    assert rates[:10] == sorted(rates[:10])
    assert rates[9:] == sorted(rates[9:], reverse=True)
    assert 0 < rates[-1] < 1.0


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_resumes_to_the_same_bits(tmp_path: Path, optimizer: Optimizer) -> None:
    data = toy(tmp_path / "toy.tsv")
    recipe = Recipe(shape=TINY, steps=6, optimizer=optimizer, rate=0.01, warmup=0, mix=Mix(batch_tokens=256))

    class Third(Stop):
        def check(self, progress: str) -> None:
            if "step 3 " in progress:
                self.handle(signal.SIGINT, None)
            super().check(progress)

    def go_on(name: str, stop: Stop) -> None:
        (tmp_path / name).mkdir(exist_ok=True)
        found = prepared(data, recipe)
        train(found.checkpoint, recipe, Data(found.lexicon.examples), tmp_path / name, Watch(), Listener(), stop)

    go_on("straight", Stop())
    with pytest.raises(StoppedEarlyError, match="by SIGINT at step 3 of 6"):
        go_on("stopped", Third())
    go_on("stopped", Stop())
    assert (tmp_path / "straight" / STATE).read_bytes() == (tmp_path / "stopped" / STATE).read_bytes()


def test_a_trapezoid_may_get_more_or_fewer_steps_until_its_rate_falls(tmp_path: Path) -> None:
    data = toy(tmp_path / "toy.tsv")
    options = ("--schedule", "trapezoid", "--save-steps", "8")

    def go_on(name: str, steps: int, *further: str) -> Result:
        return quick(data, tmp_path / name, *options, "--steps", str(steps), *further)

    assert go_on("straight", 15).exit_code == 0
    whole = prepared(data, Recipe(shape=TINY))

    class Eighth(Stop):
        def check(self, progress: str) -> None:
            if "step 8 " in progress:
                self.handle(signal.SIGINT, None)
            super().check(progress)

    mix = Mix(batch_tokens=256)
    long = Recipe(shape=TINY, steps=1000, schedule="trapezoid", warmup=2, dropout=0.1, mix=mix)
    long = replace(long, precision=fast_precision("cpu"))
    (tmp_path / "long").mkdir()
    started = prepared(data, long)
    with pytest.raises(StoppedEarlyError):
        train(started.checkpoint, long, Data(whole.lexicon.examples), tmp_path / "long", Watch(), Listener(), Eighth())
    ended = go_on("long", 15, "--resume")
    assert ended.exit_code == 0, ended.output
    assert (tmp_path / "straight" / STATE).read_bytes() == (tmp_path / "long" / STATE).read_bytes()
    late = go_on("long", 16, "--resume")
    assert late.exit_code != 0
    assert "steps was 15" in late.output


def test_a_loss_that_is_no_number_ends_training_before_it_spoils_the_weights(tmp_path: Path) -> None:
    recipe = Recipe(shape=TINY, steps=5, warmup=0, mix=Mix(batch_tokens=256))
    found = prepared(toy(tmp_path / "toy.tsv"), recipe)
    with torch.no_grad():
        found.checkpoint.model.lm_head.weight[5] = torch.nan
    with pytest.raises(ModelError, match="at step 1 the loss is nan"):
        train(found.checkpoint, recipe, Data(found.lexicon.examples), tmp_path, Watch(), Listener(), Stop())
    assert not (tmp_path / STATE).exists()
