"""`--quiet`: nothing on stderr but errors; what is asked for is the same."""

from pathlib import Path

import pytest

from g2p_batch.cli.progress import progress
from g2p_batch.cli.train import TrainingBar
from g2p_batch.model.progress import Silent
from tests.cli.commandline import LEXICON, Ran, generate, run, words
from tests.helpers.fake_model import Opened


def test_a_run_is_done_in_silence_and_its_lexicon_is_the_same(opened: list[Opened]) -> None:
    assert generate(words(), "--lang", "eng-us", "--quiet") == Ran(0, "", "")
    assert Path("lexicon.tsv").read_text(encoding="utf-8") == LEXICON
    assert generate(words(), "--lang", "eng-us", "--quiet") == Ran(0, "", "")


STEPS = (
    "plan words.txt --lang eng-us --model model --run-dir run",
    "run run",
    "merge run -o lexicon.tsv",
    "report run",
)


def test_every_step_of_a_run_is_done_in_silence(opened: list[Opened]) -> None:
    words()
    for step in STEPS:
        assert run(*step.split(), "--quiet") == Ran(0, "", ""), step
    assert Path("lexicon.tsv").read_text(encoding="utf-8") == LEXICON


def test_what_was_asked_for_goes_to_standard_output_all_the_same(opened: list[Opened]) -> None:
    Path("old.tsv").write_text("word\tlang\tpron\nhello\teng-us\tx\n", encoding="utf-8")
    ran = run("oov", words(), "--lang", "eng-us", "--lexicon", "old.tsv", "--quiet")
    assert ran == Ran(0, "word\tlang\nworld\teng-us\n", "")


def test_errors_are_told(opened: list[Opened]) -> None:
    ran = generate("absent.txt", "--lang", "eng-us", "--quiet")
    assert (ran.exit_code, ran.stdout) == (1, "")
    assert ran.stderr.startswith("Error: absent.txt ")


def test_the_next_command_speaks_again(opened: list[Opened]) -> None:
    assert generate(words(), "--lang", "eng-us", "--quiet").stderr == ""
    assert "complete already" in generate(words(), "--lang", "eng-us").stderr


def test_a_quiet_command_shows_no_progress(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("g2p_batch.cli.progress.is_quiet", lambda: True)
    monkeypatch.setattr("g2p_batch.cli.train.is_quiet", lambda: True)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert isinstance(progress(), Silent)
    bar = TrainingBar()
    bar.start(0, 2)
    bar.tell("a line of the log")
    bar.advance(1.0)
    assert capfd.readouterr().err == ""
