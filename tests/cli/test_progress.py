"""Progress, in a file and on a terminal."""

import pytest

from g2p_batch.cli import progress


def test_progress_in_a_file_is_at_most_a_line_every_ten_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    times = iter([0.0, 5.0, 10.0, 12.0, 25.0])
    log = progress.Log(lambda: next(times))
    log.start(4000)
    for words_done in (0, 1000, 500, 1000):
        log.advance(words_done)
    log.close()
    assert capsys.readouterr() == (
        "",
        "1,000 of 4,000 words, 100 words/s, 30 s left\n2,500 of 4,000 words, 100 words/s, 15 s left\n",
    )


def test_progress_on_a_terminal_is_a_bar_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    bar = progress.Bar()
    bar.start(4)
    bar.advance(4)
    bar.close()
    out, err = capsys.readouterr()
    assert out == ""
    assert "4/4" in err
    assert "words/s" in err
