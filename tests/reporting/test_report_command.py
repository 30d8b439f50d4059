"""`report` writes the page, or says why not."""

from dataclasses import astuple
from pathlib import Path

import pytest

from g2p_batch.driver import plan_run
from g2p_batch.errors import RunError
from g2p_batch.reporting import write_report
from g2p_batch.reporting.page import rendered
from tests.cli.commandline import run
from tests.helpers.runs import Job, job_in
from tests.reporting.pages import figures_of, looping


def report(*arguments: str | Path) -> tuple[int, str, str]:
    return astuple(run("report", *arguments))


def test_the_command_writes_the_page_and_says_where(done: Job, tmp_path: Path) -> None:
    folder = done.options.run_dir
    assert report(folder) == (0, "", f"Report: {folder / 'report.html'}\n")
    assert report(folder, "-o", tmp_path / "page.html") == (0, "", f"Report: {tmp_path / 'page.html'}\n")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert text == (folder / "report.html").read_text(encoding="utf-8") == rendered(figures_of(done.run))


def test_the_words_to_check_are_written_as_a_table_by_language(tmp_path: Path) -> None:
    job = looping(tmp_path)
    folder, table = job.options.run_dir, tmp_path / "check.tsv"
    told = f"Report: {folder / 'report.html'}\nTo check: {table}\n"
    assert report(folder, "--to-check", table) == (0, "", told)
    header, *rows = [line.split("\t") for line in table.read_text(encoding="utf-8").splitlines()]
    assert header == ["lang", "word", "pron", "logprob", "status"]
    assert [row[0] for row in rows] == ["fra", "eng-us", "fra", "fra", "fra"]
    assert [row[1] for row in rows[:2]] == ["eau", "hello"]
    assert {(row[1], row[4]) for row in rows[2:]} == {(word, "repeated") for word in ("ana", "bobo", "lala")}
    scores = [float(row[3]) for row in rows[2:]]
    assert scores == sorted(scores)


def test_a_table_of_a_run_without_scores_has_a_header_alone(tmp_path: Path) -> None:
    job = job_in(tmp_path)
    plan_run(job.options, lambda _: None)
    assert report(job.options.run_dir, "--to-check", tmp_path / "check.tsv")[0] == 0
    assert (tmp_path / "check.tsv").read_text(encoding="utf-8") == "lang\tword\tpron\tlogprob\tstatus\n"


def test_the_table_takes_the_place_of_no_page(done: Job, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    told = f"Error: --to-check {page} is the page itself: choose another name\n"
    assert report(done.options.run_dir, "-o", page, "--to-check", page) == (2, "", told)
    absent = tmp_path / "absent" / "check.tsv"
    told = f"Error: {absent} cannot be written (No such file or directory): create its folder first\n"
    assert report(done.options.run_dir, "--to-check", absent) == (1, "", told)
    assert not (done.options.run_dir / "report.html").exists()


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
