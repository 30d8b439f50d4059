"""The run that is killed again and again, on a small list and an engine that repeats words; and its recount."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.lab.killed import BAD, make_rows, program, recount

ROWS, KILLS = 3000, 5


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with an undisturbed lexicon, and one whose processes were killed."""
    folder = tmp_path_factory.mktemp("killed")
    make_rows(folder / "words.tsv", ROWS)
    subject = program(folder, "copy", "float32", 2, shard_s=0.4)
    seconds = subject.undisturbed("whole.tsv")
    met = subject.disturbed("killed.tsv", KILLS, 2 * seconds / KILLS, seed=3)
    assert met.deaths.total() == KILLS
    assert len(met.deaths) > 1, "one kind of victim alone"
    return folder


def test_a_run_that_was_killed_again_and_again_lacks_nothing(finished: Path) -> None:
    assert list(recount(finished, "killed.tsv", "whole.tsv")) == []
    assert (finished / "killed.tsv").read_bytes() == (finished / "whole.tsv").read_bytes()
    rows = (finished / "words.tsv").read_text(encoding="utf-8").splitlines()[1:]
    assert len(rows) == ROWS
    assert len(rows) - len(set(rows)) > 200, "too few duplicates to be of use"
    assert {tuple(row.split("\t")) for row in rows} >= set(BAD.values())


SPOILT: dict[str, tuple[str, Callable[[list[str]], list[str]], str]] = {
    "a word is lost": ("killed.tsv", lambda lines: lines[:5] + lines[6:], "words of the lexicon: 1 lacking"),
    "a word is there twice": ("killed.tsv", lambda lines: [*lines, lines[5]], "0 lacking, such as [], 1 too many"),
    "words have changed places": (
        "killed.tsv",
        lambda lines: [lines[0], lines[2], lines[1], *lines[3:]],
        "in another order",
    ),
    "a word is pronounced otherwise": (
        "killed.tsv",
        lambda lines: [*lines[:7], "\t".join([*lines[7].split("\t")[:2], "x", *lines[7].split("\t")[3:]]), *lines[8:]],
        "1 words have other pronunciations than undisturbed",
    ),
    "a reject is lost": ("killed.tsv.run/rejects.tsv", lambda lines: lines[:-1], "rejected rows: 1 lacking"),
    "a count is wrong": (
        "killed.tsv.run/run-summary.json",
        lambda lines: [line.replace('"duplicates": ', '"duplicates": 1') for line in lines],
        "run-summary.json has duplicates",
    ),
}


@pytest.mark.parametrize("case", SPOILT)
def test_the_recount_finds_what_is_wrong(finished: Path, case: str) -> None:
    name, spoil, message = SPOILT[case]
    path = finished / name
    before = path.read_text(encoding="utf-8")
    path.write_text("\n".join(spoil(before.splitlines())) + "\n", encoding="utf-8")
    try:
        (found,) = recount(finished, "killed.tsv", "whole.tsv")
    finally:
        path.write_text(before, encoding="utf-8")
    assert message in found
