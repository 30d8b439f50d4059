"""`--force`: lexicons that were changed, or that no run wrote, on the command line."""

from pathlib import Path

from tests.cli.commandline import LEXICON, Ran, generate, run, words
from tests.helpers.fake_model import Opened

MINE = "hello\teng-us\tby hand\n"
REMEDY = "write elsewhere with -o, or replace it with --force"


def test_the_command_line_says_which_of_the_two_it_is_and_what_next(opened: list[Opened]) -> None:
    Path("lexicon.tsv").write_text(MINE, encoding="utf-8")
    message = f"Error: lexicon.tsv exists, and lexicon.tsv.run did not write it: {REMEDY}\n"
    assert generate(words(), "--lang", "eng-us") == Ran(2, "", message)
    assert not opened
    assert Path("lexicon.tsv").read_text(encoding="utf-8") == MINE
    assert generate(words(), "--lang", "eng-us", "--force").exit_code == 0
    assert Path("lexicon.tsv").read_text(encoding="utf-8") == LEXICON
    assert generate(words(), "--lang", "eng-us").exit_code == 0
    Path("lexicon.tsv").write_text(MINE, encoding="utf-8")
    message = f"Error: lexicon.tsv was changed since lexicon.tsv.run wrote it: {REMEDY}\n"
    assert generate(words(), "--lang", "eng-us") == Ran(2, "", message)
    assert run("merge", "lexicon.tsv.run", "-o", "lexicon.tsv") == Ran(2, "", message)
    assert Path("lexicon.tsv").read_text(encoding="utf-8") == MINE
    assert run("merge", "lexicon.tsv.run", "-o", "lexicon.tsv", "--force").exit_code == 0
    assert run("merge", "lexicon.tsv.run", "-o", "lexicon.tsv", "--order", "word").exit_code == 0
    assert Path("lexicon.tsv").read_text(encoding="utf-8") == LEXICON


def test_standard_output_takes_the_place_of_nothing(opened: list[Opened]) -> None:
    for _ in range(2):
        ran = run("generate", words(), "--lang", "eng-us", "--model", "model", "-o", "-", "--run-dir", "kept")
        assert (ran.exit_code, ran.stdout) == (0, LEXICON)
