"""`report` writes the page, or says why not."""

from dataclasses import astuple
from pathlib import Path

import pytest

from g2p_batch.errors import RunError
from g2p_batch.reporting import write_report
from g2p_batch.reporting.page import rendered
from tests.cli.commandline import run
from tests.helpers.runs import Job
from tests.reporting.pages import figures_of


def report(*arguments: str | Path) -> tuple[int, str, str]:
    return astuple(run("report", *arguments))


def test_the_command_writes_the_page_and_says_where(done: Job, tmp_path: Path) -> None:
    folder = done.options.run_dir
    assert report(folder) == (0, "", f"Report: {folder / 'report.html'}\n")
    assert report(folder, "-o", tmp_path / "page.html") == (0, "", f"Report: {tmp_path / 'page.html'}\n")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert text == (folder / "report.html").read_text(encoding="utf-8") == rendered(figures_of(done.run))


def test_what_cannot_be_reported_is_said(done: Job, tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    assert report(absent) == (
        1,
        "",
        f"Error: {absent} holds no plan: make one with `g2p-batch plan` or `g2p-batch generate`\n",
    )
    output = absent / "page.html"
    told = f"Error: {output} cannot be written (No such file or directory): create its folder first\n"
    assert report(done.options.run_dir, "-o", output) == (1, "", told)
    (done.options.run_dir / "plan.json").write_text("{", encoding="utf-8")
    with pytest.raises(RunError, match="is damaged"):
        write_report(done.run, tmp_path / "page.html")
