"""`prune` and `generate --no-keep`."""

from pathlib import Path

from tests.cli.commandline import LEXICON, Ran, failed, generate, run, untimed, words
from tests.helpers.fake_model import Opened

KEPT = [
    *("engine.json", "plan.json", "pruned.json", "rejects.tsv", "review.tsv", "run-summary.json", "written"),
]


def names(folder: str) -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())


def test_prune_says_what_it_removed_and_what_it_cannot(opened: list[Opened]) -> None:
    assert run("prune", "absent") == failed(
        "absent holds no plan: make one with `g2p-batch plan` or `g2p-batch generate`"
    )
    assert generate(words(), "--lang", "eng-us").exit_code == 0
    assert run("prune", "lexicon.tsv.run") == Ran(0, "", "Pruned lexicon.tsv.run: 3 files removed, 0.0 MiB.\n")
    assert names("lexicon.tsv.run") == KEPT
    assert run("status", "lexicon.tsv.run").stdout.startswith("1 of 1 shard done, 2 of 2 words.")
    assert run("merge", "lexicon.tsv.run", "-o", "other.tsv") == failed(
        "lexicon.tsv.run was pruned, and what it decoded is in its lexicon alone: decode it again with `g2p-batch "
        "generate --restart`, or take words from the lexicon"
    )


def test_no_keep_prunes_what_is_written_and_the_same_command_does_nothing_more(opened: list[Opened]) -> None:
    ran = generate(words(), "--lang", "eng-us", "--no-keep")
    assert (ran.exit_code, untimed(ran.stderr)) == (
        0,
        "2 rows read: 2 words, 0 duplicates, 0 rejected.\n1 language: eng-us 2.\n(times)\nLexicon: lexicon.tsv\n"
        "Pruned lexicon.tsv.run: 3 files removed, 0.0 MiB.\n",
    )
    assert names("lexicon.tsv.run") == KEPT
    assert Path("lexicon.tsv").read_text(encoding="utf-8") == LEXICON
    again = generate(words(), "--lang", "eng-us", "--no-keep")
    assert (again.exit_code, again.stderr.splitlines()[0], again.stderr.splitlines()[-1]) == (
        0,
        "lexicon.tsv is complete already: nothing is left to do",
        "Pruned lexicon.tsv.run: 0 files removed, 0.0 MiB.",
    )
    assert len(opened) == 1


def test_a_run_that_fails_is_kept(opened: list[Opened]) -> None:
    assert generate(words("hello\teng-gb\n", "words.tsv"), "--no-keep").exit_code == 1
    assert "words" in names("lexicon.tsv.run")


def test_no_keep_of_a_lexicon_for_standard_output_leaves_no_words(opened: list[Opened]) -> None:
    command = ("generate", words(), "--lang", "eng-us", "--model", "model", "-o", "-", "--run-dir", "kept", "--no-keep")
    ran = run(*command)
    assert (ran.exit_code, ran.stdout) == (0, LEXICON)
    assert names("kept") == KEPT
