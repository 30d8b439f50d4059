"""Training: what is read, in which order it comes, that it is learnt, and that stopping anywhere changes nothing."""

import json
import signal
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice, takewhile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from g2p_batch.api import G2P
from g2p_batch.errors import ModelError, StoppedEarlyError
from g2p_batch.model import resolve
from g2p_batch.model.shipped import shipped
from g2p_batch.model.tokenizer import EOS, START, detokenize
from g2p_batch.signals import Stop
from g2p_compile.check.golden import read_tsv
from g2p_compile.check.transformers_reference import answers
from g2p_compile.export.checkpoint import load_checkpoint
from g2p_compile.train import __main__ as cli
from g2p_compile.train.batches import IGNORED, Batch, Mix, Place, batches, shares
from g2p_compile.train.data import Examples
from g2p_compile.train.preparation import Files, Prepared, prepare
from g2p_compile.train.recipe import SCHEDULES, Recipe, Schedule
from g2p_compile.train.state import STATE
from g2p_compile.train.training import BEST, LAST, Data, Watch, train

# The tensors are tiny and the cores shared: waking a second thread costs more than it brings.
torch.set_num_threads(1)

TINY = "d_model=64,d_ff=64,heads=2,d_kv=32,encoder_layers=1,decoder_layers=1"
LEARNS = "d_model=128,d_ff=256,heads=4,d_kv=32,encoder_layers=1,decoder_layers=1"
LETTERS = "abcdefghiklm"
MAPPINGS = {"eng-us": "ɑbtdefgɪklmn", "ger": "pfʁŋçxøyœɐɛh"}
"""Phones of the letters, in two languages that agree in none."""


def lexicon(path: Path, rows: Sequence[tuple[str, str, str]]) -> str:
    path.write_text("".join(f"{a}\t{b}\t{c}\n" for a, b, c in (("lang", "word", "pron"), *rows)), encoding="utf-8")
    return str(path)


def toy(path: Path) -> str:
    """Write words of one letter, each pronounced as the phone of the letter and a schwa."""
    rows = [
        (tag, word, f"{phone}ə")
        for tag, phones in MAPPINGS.items()
        for word, phone in zip(LETTERS, phones, strict=True)
    ]
    return lexicon(path, rows)


def prepared(path: str, recipe: Recipe | None = None, **files: Any) -> Prepared:
    return prepare(recipe or Recipe(shape=TINY), Files((path,), **files))


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli.main, [str(argument) for argument in arguments])


def quick(data: str, folder: Path, *options: str | Path) -> Result:
    fixed = ("--shape", TINY, "--steps", "20", "--batch-tokens", "256", "--warmup", "2", "--dropout", "0.1")
    return run("train", data, "-o", folder, *fixed, "--log-steps", "5", "--save-steps", "7", *options)


class Silent:
    """Watches and says nothing."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def start(self, step: int, steps: int) -> None:
        self.left = steps - step

    def advance(self, loss: float) -> None:
        self.left -= 1

    def tell(self, line: str) -> None:
        self.lines.append(json.loads(line))


# What is read


def test_variants_are_parted_where_the_language_joins_them_by_commas(tmp_path: Path) -> None:
    path = lexicon(tmp_path / "a.tsv", [("eng-us", "tomato", "təˈmeɪtoʊ, təˈmɑːtoʊ"), ("ita", "via", "via, vja")])
    first, every = (
        texts(prepared(path, Recipe(shape=TINY, all_variants=every)).lexicon.examples) for every in (False, True)
    )
    assert first == [("<eng-us>: ", "tomato", "təˈmeɪtoʊ"), ("<ita>: ", "via", "via, vja")]
    assert every == [first[0], ("<eng-us>: ", "tomato", "təˈmɑːtoʊ"), first[1]]


def texts(examples: Examples) -> list[tuple[str, str, str]]:
    def cut(texts: Any) -> list[str]:
        return [bytes(texts.data[a:b]).decode() for a, b in zip(texts.offsets[:-1], texts.offsets[1:], strict=True)]

    prefixes = cut(examples.prefixes)
    langs = [prefixes[lang] for lang in examples.lang]
    return list(zip(langs, cut(examples.words), cut(examples.prons), strict=True))


def test_rows_that_cannot_be_used_are_dropped_and_counted(tmp_path: Path) -> None:
    rows = [
        ("ita", "via", "via"),
        ("de", "Weg", "veːk"),
        ("xx-klingon", "Qapla", "qʰɑpʰlɑ"),
        ("ita", "", "a"),
        ("ita", "muto", ""),
        ("ita", "o" * 130, "o"),
        ("ita", "uuu", "u" * 300),
        ("ita", "mia", "mia"),
    ]
    held = lexicon(tmp_path / "dev.tsv", [("it", "mia", "mja"), ("zho-s", "好", "xɑʊ̯")])
    found = prepared(lexicon(tmp_path / "a.tsv", rows), dev=held)
    assert texts(found.lexicon.examples) == [("<ita>: ", "via", "via"), ("<ger>: ", "Weg", "veːk")]
    assert found.lexicon.rejects == {"empty": 1, "no_pronunciation": 1}
    assert found.lexicon.left_out == {"unknown_language": 1, "held_out": 1, "too_long": 2}
    assert found.lexicon.rows == 8 == len(found.lexicon.examples) + 2 + 4
    assert found.checkpoint.contract.languages == ("ger", "ita")
    assert found.dev is not None
    assert found.dev["word"].to_pylist() == ["mia"]


def test_a_trained_model_learns_new_languages_and_is_measured_by_its_old_ones(tmp_path: Path) -> None:
    path = lexicon(tmp_path / "a.tsv", [("ice", "það", "θaːð")])
    dev = lexicon(tmp_path / "dev.tsv", [("ita", "via", "via"), ("ice", "þú", "θuː"), ("ido", "yes", "jes")])
    found = prepared(path, Recipe(shape="", start="bundled"), dev=dev)
    assert found.checkpoint.contract.languages == ("ice",)
    assert found.dev is not None
    assert found.dev["word"].to_pylist() == ["via", "þú"]


# The order


def mixed(tmp_path: Path) -> Examples:
    rows = [("ita", f"a{'b' * (i % 9)}{i}", f"ɑ{i}") for i in range(60)]
    rows += [("pol", f"ż{i}", "ʐ" * (1 + i % 5)) for i in range(7)]
    return prepared(lexicon(tmp_path / "a.tsv", rows)).lexicon.examples


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Examples:
    return mixed(tmp_path_factory.mktemp("mixed"))


def said(batch: Batch) -> list[tuple[str, str]]:
    asked = detokenize(np.where(batch.sources == 0, EOS, batch.sources).astype(np.int32))[0].to_pylist()
    return list(zip(asked, detokenize(batch.labels.astype(np.int32))[0].to_pylist(), strict=True))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**40), tokens=st.integers(60, 600), taken=st.integers(0, 90))
def test_training_goes_on_from_any_place_as_if_it_had_not_stopped(
    examples: Examples, seed: int, tokens: int, taken: int
) -> None:
    mix = Mix(seed, tokens, hidden=0.3)
    straight = list(islice(batches(examples, mix), taken + 40))
    place = straight[taken - 1][1] if taken else Place()
    again = islice(batches(examples, mix, place), 40)
    for (batch, here), (other, there) in zip(straight[taken:], again, strict=True):
        assert here == there
        assert all(
            np.array_equal(getattr(batch, name), getattr(other, name)) for name in ("sources", "inputs", "labels")
        )
        assert batch.sources.size + batch.labels.size <= tokens


def test_batches_hold_prefix_word_and_pronunciation_and_each_example_comes_once_a_round(examples: Examples) -> None:
    wanted = {(prefix + word, pron) for prefix, word, pron in texts(examples)}
    seen: Counter[tuple[str, str]] = Counter()
    for batch, place in batches(examples, Mix(batch_tokens=400, balance=1.0)):
        assert np.array_equal(batch.inputs[:, 0], np.full(len(batch.inputs), START))
        labels = batch.labels[:, :-1]
        assert np.array_equal(batch.inputs[:, 1:], np.where(labels == IGNORED, 0, labels))
        assert np.array_equal((batch.labels == EOS).sum(1), np.ones(len(batch.labels)))
        if place.pool:
            break
        seen.update(said(batch))
    assert set(seen) == wanted
    for tag in ("<ita>", "<pol>"):
        times = {count for (asked, _), count in seen.items() if asked.startswith(tag)}
        assert max(times) - min(times) <= 1


def asked_in_pools(examples: Examples, mix: Mix) -> list[str]:
    """Return the sources of three pools, whole: a part of one is chosen by length, and so by language."""
    whole = takewhile(lambda found: found[1].pool < 3, batches(examples, mix))
    return [asked for batch, _ in whole for asked, _ in said(batch)]


@pytest.mark.parametrize(
    ("balance", "weights", "share"), [(1.0, {}, 60 / 67), (0.0, {}, 0.5), (0.0, {"ita": 3.0}, 0.75), (0.5, {}, 0.745)]
)
def test_languages_are_drawn_by_size_balance_and_weight(
    examples: Examples, balance: float, weights: Mapping[str, float], share: float
) -> None:
    mix = Mix(balance=balance, weights=weights, batch_tokens=2000)
    assert shares(examples, mix)[0] == pytest.approx(share, abs=1e-3)
    drawn = [asked.startswith("<ita>") for asked in asked_in_pools(examples, mix)]
    assert np.mean(drawn) == pytest.approx(share, abs=0.03)


def test_a_share_of_the_examples_hides_its_tag(examples: Examples) -> None:
    mix = Mix(hidden=0.25, batch_tokens=2000)
    asked = asked_in_pools(examples, mix)
    assert np.mean([text.startswith("<unk>: ") for text in asked]) == pytest.approx(0.25, abs=0.03)


# Learning


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("learnt")
    data = toy(folder / "toy.tsv")
    options = ("--shape", LEARNS, "--steps", "400", "--batch-tokens", "768", "--rate", "0.001", "--warmup", "20")
    ran = run("train", data, "-o", folder / "run", *options, "--stored", "float32")
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
    found, watcher = prepared(path, recipe), Silent()
    train(found.checkpoint, recipe, Data(found.lexicon.examples), tmp_path, Watch(), watcher, Stop())
    # Its own answers: with a prefix, an offset or an end of another form the loss is several nats.
    assert watcher.lines[-1]["loss"] < 0.3


# Stopping


def test_a_stopped_and_resumed_training_ends_in_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = toy(tmp_path / "toy.tsv")
    dev = lexicon(tmp_path / "dev.tsv", [("eng-us", "a", "ɑə"), ("ger", "b", "fə")])
    scored = ("--dev", dev, "--dev-steps", "10")
    for name in ("straight", "again"):
        assert quick(data, tmp_path / name, *scored).exit_code == 0

    class Killer(Silent):
        def advance(self, loss: float) -> None:
            super().advance(loss)
            if self.left == 10:
                signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(cli, "Bar", Killer)
    stopped = quick(data, tmp_path / "stopped", *scored)
    assert stopped.exit_code == 75
    assert "Error: stopped by SIGTERM at step 10 of 20; with --resume nothing of it is lost" in stopped.output
    monkeypatch.setattr(cli, "Bar", Silent)
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


def test_adafactor_resumes_to_the_same_bits(tmp_path: Path) -> None:
    data = toy(tmp_path / "toy.tsv")
    recipe = Recipe(shape=TINY, steps=6, optimizer="adafactor", rate=0.01, warmup=0, mix=Mix(batch_tokens=256))

    class Third(Stop):
        def check(self, progress: str) -> None:
            if "step 3 " in progress:
                self.handle(signal.SIGINT, None)
            super().check(progress)

    def go_on(name: str, stop: Stop) -> None:
        (tmp_path / name).mkdir(exist_ok=True)
        found = prepared(data, recipe)
        train(found.checkpoint, recipe, Data(found.lexicon.examples), tmp_path / name, Watch(), Silent(), stop)

    go_on("straight", Stop())
    with pytest.raises(StoppedEarlyError, match="by SIGINT at step 3 of 6"):
        go_on("stopped", Third())
    go_on("stopped", Stop())
    assert (tmp_path / "straight" / STATE).read_bytes() == (tmp_path / "stopped" / STATE).read_bytes()


# What is refused


def test_a_training_is_neither_overwritten_nor_gone_on_with_otherwise(tmp_path: Path) -> None:
    data, other = toy(tmp_path / "toy.tsv"), lexicon(tmp_path / "other.tsv", [("ita", "a", "a")])
    assert quick(data, tmp_path / "run").exit_code == 0
    state = tmp_path / "run" / STATE
    before = state.read_bytes()
    told = {
        f"{tmp_path}/run holds a training: give --resume to go on with it": quick(data, tmp_path / "run"),
        "examples was '": quick(other, tmp_path / "run", "--resume"),
        f"clip was 1.0 in {state}, now 2.0": quick(data, tmp_path / "run", "--resume", "--clip", "2"),
        "seed was 0 in": quick(data, tmp_path / "run", "--resume", "--seed", "1"),
    }
    for message, ran in told.items():
        assert ran.exit_code == 1, message
        assert message in ran.output
    assert state.read_bytes() == before
    state.write_bytes(before[:1000])
    damaged = quick(data, tmp_path / "run", "--resume")
    assert (damaged.exit_code, "is damaged" in damaged.output) == (1, True)


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--shape", "huge"), 2, "--shape huge is neither one of tiny_8, tiny_12, tiny_16, small, bundled nor"),
        (("--shape", "heads=0"), 2, "heads=0"),
        (("--from", "bundled", "--shape", "tiny_8"), 2, "--shape and --from exclude each other"),
        (("--from", "no/such/folder/here"), 1, "neither a folder nor a hub id"),
        (("--weight", "eng-us"), 2, "--weight eng-us is no language and positive number"),
        (("--weight", "fra=2"), 2, "--weight names fra, of which there is no example: there are eng-us ger"),
        (("--batch-tokens", "3"), 2, "let --batch-tokens be at least that"),
        (("--lang", "xyz"), 1, "no language has the tag 'xyz'"),
        (("--device", "warp"), 2, "--device warp cannot be used"),
        (("--dev", "nowhere.tsv"), 1, "nowhere.tsv does not exist"),
    ],
)
def test_wrong_options_are_told(tmp_path: Path, options: tuple[str, ...], code: int, message: str) -> None:
    ran = run("train", toy(tmp_path / "toy.tsv"), "-o", tmp_path / "run", *("--steps", "1"), *options)
    assert (ran.exit_code, message in ran.output) == (code, True), ran.output


def test_files_without_anything_to_train_on_are_told(tmp_path: Path) -> None:
    path = lexicon(tmp_path / "a.tsv", [("qqq", "a", "a"), ("ita", "o" * 200, "o")])
    ran = run("data", path)
    assert ran.exit_code == 1
    assert f"{path} holds nothing to train on (unknown_language 1, too_long 1)" in ran.output
    dev = lexicon(tmp_path / "dev.tsv", [("pol", "a", "a")])
    ran = run("data", toy(tmp_path / "toy.tsv"), "--dev", dev)
    assert (ran.exit_code, "--dev holds no word that could be asked: give words of eng-us ger" in ran.output) == (
        1,
        True,
    )


def test_a_loss_that_is_no_number_ends_training_before_it_spoils_the_weights(tmp_path: Path) -> None:
    recipe = Recipe(shape=TINY, steps=5, warmup=0, mix=Mix(batch_tokens=256))
    found = prepared(toy(tmp_path / "toy.tsv"), recipe)
    with torch.no_grad():
        found.checkpoint.model.lm_head.weight[5] = torch.nan
    with pytest.raises(ModelError, match="at step 1 the loss is nan"):
        train(found.checkpoint, recipe, Data(found.lexicon.examples), tmp_path, Watch(), Silent(), Stop())
    assert not (tmp_path / STATE).exists()


def test_data_shows_what_would_be_used(tmp_path: Path) -> None:
    ran = run("data", toy(tmp_path / "toy.tsv"), "--weight", "ger=3")
    assert ran.exit_code == 0
    assert ran.stdout.splitlines() == [
        "language  examples  drawn",
        f"eng-us    {len(MAPPINGS['eng-us'])}        {0.25:.1%}",
        f"ger       {len(MAPPINGS['ger'])}        {0.75:.1%}",
    ]
