"""`bench`, and what `verify` has in common with it."""

from pathlib import Path

import pytest

from tests.cli.commandline import Ran, exporting, failed, run


@exporting
def test_bench_looks_where_its_figures_go_before_it_measures(here: Path) -> None:
    assert run("bench", "--json", "absent/figures.json") == failed(
        "absent/figures.json cannot be written (No such file or directory): create its folder first"
    )


@pytest.mark.parametrize("command", ["verify", "bench"])
def test_a_language_of_no_words_is_refused(command: str) -> None:
    assert run(command, "--lang", "fra") == Ran(
        2, "", "Error: --lang is the language of the words of --words FILE: give both, or leave it out\n"
    )


def test_all_peers_and_some_cannot_both_be_asked_for() -> None:
    assert run("bench", "--peers", "--peer", "ctranslate2") == Ran(
        2, "", "Error: --peers measures beside all that are known, --peer beside some: leave one of them out\n"
    )


def test_an_unknown_peer_is_refused() -> None:
    ran = run("bench", "--peer", "fairseq")
    assert (ran.exit_code, "'fairseq' is not one of 'transformers', 'ctranslate2', 'onnxruntime'" in ran.stderr) == (
        2,
        True,
    )


def test_a_gpu_is_refused_where_several_pronunciations_are_asked_for() -> None:
    assert run("bench", "--variants", "4", "--device", "cuda") == Ran(
        2, "", "Error: on a GPU one pronunciation of a word is found: leave out --variants or --device\n"
    )
