"""The command `train`: its options, what it refuses, and its dry run."""

import dataclasses
import json
import random
import sys
from pathlib import Path

import click
import pyarrow.parquet as pq
import pytest

from g2p_batch import cli
from g2p_compile.train.batches import Mix
from g2p_compile.train.preparation import Files
from g2p_compile.train.recipe import OPTIMIZERS, PRECISIONS, SCHEDULES, Recipe, default_dropout, default_steps
from g2p_compile.train.start import NAMED
from g2p_compile.train.state import STATE
from g2p_compile.train.training import Watch
from tests.helpers.training import MAPPINGS, lexicon, quick, run, toy


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
        (("--lang", "xyz"), 2, "no language has the tag 'xyz'"),
        (("--device", "warp"), 2, "--device warp cannot be used"),
        (("--dev", "nowhere.tsv"), 1, "nowhere.tsv does not exist"),
    ],
)
def test_wrong_options_are_told(tmp_path: Path, options: tuple[str, ...], code: int, message: str) -> None:
    ran = run(toy(tmp_path / "toy.tsv"), "-o", tmp_path / "run", *("--steps", "1"), *options)
    assert (ran.exit_code, message in ran.output) == (code, True), ran.output


def test_files_without_anything_to_train_on_are_told(tmp_path: Path) -> None:
    path = lexicon(tmp_path / "a.tsv", [("qqq", "a", "a"), ("ita", "o" * 200, "o")])
    ran = run(path, "--dry-run")
    assert ran.exit_code == 1
    assert f"{path} holds nothing to train on (unknown_language 1, too_long 1)" in ran.output
    dev = lexicon(tmp_path / "dev.tsv", [("pol", "a", "a")])
    ran = run(toy(tmp_path / "toy.tsv"), "--dev", dev, "--dry-run")
    assert (ran.exit_code, "--dev holds no word that could be asked: give words of eng-us ger" in ran.output) == (
        1,
        True,
    )


def test_a_dry_run_shows_what_would_be_used_and_trains_nothing(tmp_path: Path) -> None:
    ran = run(toy(tmp_path / "toy.tsv"), "--weight", "ger=3", "--dry-run")
    assert ran.exit_code == 0
    assert ran.stdout.splitlines() == [
        "language  examples  drawn",
        f"eng-us    {len(MAPPINGS['eng-us'])}        {0.25:.1%}",
        f"ger       {len(MAPPINGS['ger'])}        {0.75:.1%}",
    ]


def test_a_fine_tuning_is_as_long_as_its_lexicon_asks_for(tmp_path: Path) -> None:
    few = run(toy(tmp_path / "toy.tsv"), "--from", "bundled", "--batch-tokens", "4096", "--dry-run")
    assert "200 steps of 4,096 ids: " in few.stderr
    assert "10,000 steps of 8,192 ids: " in run(toy(tmp_path / "toy.tsv"), "--dry-run").stderr
    assert "7 steps of 8,192 ids: " in run(toy(tmp_path / "toy.tsv"), "--steps", "7", "--dry-run").stderr
    assert [default_steps("bundled", ids, 8192) for ids in (10_000, 200_000, 50_000_000)] == [100, 391, 2000]


def test_training_needs_a_folder_and_a_dry_run_does_not(tmp_path: Path) -> None:
    ran = run(toy(tmp_path / "toy.tsv"))
    assert (ran.exit_code, ran.stderr.splitlines()[-1]) == (2, "Error: Missing option '-o'.")


def test_options_have_the_defaults_and_choices_of_a_recipe() -> None:
    command = cli.main.commands["train"]
    defaults = command.make_context("train", ["words.tsv"]).params
    fields = {
        field.name: field.default
        for config in (Recipe, Mix, Watch, Files)
        for field in dataclasses.fields(config)
        if field.default is not dataclasses.MISSING
    }
    depending = {"shape", "start", "rate", "warmup", "precision", "steps", "dropout"}
    assert set(fields) - set(defaults) == set()
    assert {name: defaults[name] for name in set(fields) - depending} == {
        name: fields[name] for name in set(fields) - depending
    }
    choices = {p.name: tuple(p.type.choices) for p in command.params if isinstance(p.type, click.Choice)}
    assert choices == {
        "optimizer": OPTIMIZERS,
        "schedule": tuple(SCHEDULES),
        "precision": PRECISIONS,
        "stored": PRECISIONS,
    }


def test_help_tells_the_defaults_that_depend_on_something() -> None:
    text = " ".join(run("--help").stdout.split())
    assert f"Random weights: {', '.join(NAMED)}, or sizes" in text
    assert f"[default: {Recipe.shape}]" in text
    assert f"[default: {Recipe.warmup}, or a tenth of --steps]" in text
    assert f"[default: {Recipe.steps:,}; with --from, by the number of words]" in text
    assert "[default: 0; with --from 0.1, if words come more than 8 times]" in text
    dropouts = [default_dropout(start, passes) for start, passes in (("", 9), ("bundled", 8), ("bundled", 9))]
    assert dropouts == [0, 0, 0.1]


def test_peers_learn_the_same_words_and_are_asked_the_same_others(tmp_path: Path) -> None:
    pytest.importorskip("phonetisaurus", reason="Phonetisaurus is not installed")
    rng = random.Random(0)
    made = {"".join(rng.choices("abcdefgijklmnoprstu", weights=range(1, 20), k=rng.randint(1, 9))) for _ in range(900)}
    rows = [("ita", word, word.replace("c", "k").replace("sj", "ʃ").replace("g", "d͡ʒ")) for word in sorted(made)]
    ran = quick(lexicon(tmp_path / "a.tsv", rows), tmp_path / "run", "--hold-out", "50", "--peers")
    assert ran.exit_code == 0, ran.output
    (row,) = [line.split() for line in ran.output.splitlines() if line.startswith("ita")]
    assert row[:3] == ["ita", "50", str(len(made) - 50)]
    (found,) = json.loads((tmp_path / "run" / "peers.json").read_text(encoding="utf-8"))
    # An n-gram learns to spell from so many words, a model of random weights says nothing right after 20 steps.
    assert found["peer_wer"] < 0.2
    assert found["wer"] == 1
    assert len(pq.read_table(tmp_path / "run" / "held-out.parquet")) == 50


def test_peers_need_words_that_are_held_out(tmp_path: Path) -> None:
    ran = run(toy(tmp_path / "toy.tsv"), "-o", tmp_path / "run", "--peers")
    assert "--peers compares on words that --hold-out keeps back" in ran.output


def test_a_peer_that_is_not_installed_is_missed_before_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "phonetisaurus", None)
    ran = run(toy(tmp_path / "toy.tsv"), "-o", tmp_path / "run", "--hold-out", "2", "--peers")
    assert (ran.exit_code, (tmp_path / "run").exists()) == (1, False)
    assert "pip install 'g2p-batch[bench]'" in ran.output
