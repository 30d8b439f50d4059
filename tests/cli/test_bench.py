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
