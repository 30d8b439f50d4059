"""Lists that grow: what an earlier lexicon or an earlier run has of them is not asked again."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from g2p_batch.driver import plan_run, run_plan
from g2p_batch.errors import RunError, UsageError
from g2p_batch.formats.existing import ExistingLexicon
from g2p_batch.run import fingerprint
from g2p_batch.run.lookup import EarlierRun
from g2p_batch.workers.remaining import ArrayTask
from tests.helpers.runs import CONTRACT, LEXICON, WORDS, Job, fake_decoding, job_in, no_model
from tests.run.test_lookup import DICT, lines, with_lexicons

NIGHTS = [WORDS[: WORDS.index("sto")], WORDS[: WORDS.index("world")], WORDS]
"""A list that grows."""


def nights(folder: Path) -> list[Job]:
    """Return a job a night, each with a run and a Parquet lexicon of its own."""
    jobs = []
    for number, text in enumerate(NIGHTS):
        job = job_in(folder, text, f"words-{number}.tsv")
        lexicon = folder / f"lexicon-{number}.parquet"
        jobs.append(job.planned(run_dir=folder / f"run-{number}").written(path=lexicon))
    return jobs


def folder(path: Path) -> Path:
    path.mkdir()
    return path


def test_lexicons_of_earlier_nights_leave_the_model_the_new_words(tmp_path: Path) -> None:
    first, second, third = nights(tmp_path)
    assert first().looked_up == 0
    second = second.planned(lexicons=(ExistingLexicon(first.output.path),))
    assert (second().looked_up, second.run.require_plan().words) == (3, 4)
    third = third.planned(lexicons=(ExistingLexicon(second.output.path),)).written(path=tmp_path / "lexicon.tsv")
    assert (third().looked_up, third.run.require_plan().words) == (7, 3)
    assert third.lexicon() == LEXICON


def test_runs_of_earlier_nights_leave_the_model_the_new_words_and_keep_scores(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    whole = nights(tmp_path / "whole")[2]
    whole()
    jobs = nights(tmp_path)
    jobs[0]()
    for earlier, job, asked in ((0, 1, 4), (1, 2, 3)):
        jobs[job] = jobs[job].planned(since=EarlierRun(jobs[earlier].options.run_dir))
        jobs[job]()
        assert jobs[job].run.require_plan().words == asked
    assert jobs[2].output.path.read_bytes() == whole.output.path.read_bytes()
    rows = {row["word"]: row for row in pq.read_table(jobs[2].output.path).to_pylist()}
    assert (rows["sto"]["status"], rows["sto"]["source"]) == ("truncated", "model")
    assert rows["eau"]["logprob"] is not None


def test_a_night_with_nothing_new_needs_no_model(tmp_path: Path) -> None:
    first = job_in(tmp_path)
    first()
    second = first.planned(run_dir=tmp_path / "second", since=EarlierRun(first.options.run_dir))
    summary = second.written(path=tmp_path / "second.tsv")(no_model())
    assert (summary.looked_up, summary.words) == (10, 10)
    assert (tmp_path / "second.tsv").read_bytes() == first.output.path.read_bytes()


def test_what_an_earlier_run_has_not_done_is_asked(tmp_path: Path) -> None:
    first = job_in(tmp_path)
    plan_run(first.options, lambda _: None)
    run_plan(first.options.run_dir, ArrayTask(0, 3), fake_decoding())
    second = first.planned(run_dir=tmp_path / "second", since=EarlierRun(first.options.run_dir))
    assert (second().looked_up, second.run.require_plan().words) == (4, 6)
    assert second.lexicon() == LEXICON


def test_a_lexicon_comes_before_an_earlier_run_and_is_not_inherited_from_it(tmp_path: Path) -> None:
    first = with_lexicons(tmp_path, ("old.dict", DICT, "eng-us"))
    first()
    since = EarlierRun(first.options.run_dir)
    corrected = first.planned(run_dir=tmp_path / "corrected", since=since)
    (tmp_path / "old.dict").write_text("hello\tHH\n", encoding="utf-8")
    corrected()
    assert lines(corrected, "hello") == ["hello\teng-us\th", "hello\tfra\thello"]
    without = first.at(folder(tmp_path / "without")).planned(since=since, lexicons=())
    assert without().looked_up == 9
    assert without.lexicon() == LEXICON


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("--dtype", {"dtype": "int8"}),
        ("--normalize", {"normalize": "none"}),
        ("prefix form", {"contract": replace(CONTRACT, prefix="none")}),
    ],
)
def test_an_earlier_run_of_another_model_or_option_is_refused(
    tmp_path: Path, field: str, changes: dict[str, Any]
) -> None:
    first = job_in(tmp_path)
    first()
    second = first.planned(run_dir=tmp_path / "second", since=EarlierRun(first.options.run_dir), **changes)
    with pytest.raises(RunError, match=rf"--since-run {tmp_path}/run was planned with {field}.*leave it out"):
        second(no_model())
    with pytest.raises(RunError, match="was planned for 1 input file, now there are 2"):
        first.planned(since=EarlierRun(tmp_path / "second"))(no_model())


def test_a_run_is_not_its_own_predecessor_and_loses_nothing_by_it(tmp_path: Path) -> None:
    first = job_in(tmp_path)
    first()
    with pytest.raises(UsageError, match=r"--since-run .*run is the folder of this run: choose another --run-dir"):
        first.planned(since=EarlierRun(first.options.run_dir), restart=True)(no_model())
    assert len(first.run.receipts(first.run.require_plan())) == 3


def test_lost_data_and_absent_runs_are_named(tmp_path: Path) -> None:
    first = job_in(tmp_path)
    with pytest.raises(RunError, match="absent holds no plan"):
        first.planned(since=EarlierRun(tmp_path / "absent"))(no_model())
    first()
    (first.run.root / first.run.receipts(first.run.require_plan())[0].part.file).unlink()
    with pytest.raises(RunError, match=r"part-000000.* is missing or damaged: mend the run"):
        first.planned(run_dir=tmp_path / "second", since=EarlierRun(first.options.run_dir))(no_model())


def test_an_earlier_run_that_would_answer_otherwise_may_be_left_out(tmp_path: Path) -> None:
    first = job_in(tmp_path)
    said: list[str] = []
    first()
    since = EarlierRun(first.options.run_dir)
    second = first.planned(run_dir=tmp_path / "second", since=since, or_anew=True, normalize="none")
    assert second(say=said.append).looked_up == 0
    assert [text for text in said if text.startswith("All words are decoded anew: --since-run")]
    assert second(no_model()).looked_up == 0
    third = first.at(folder(tmp_path / "third")).planned(since=since, or_anew=True)
    assert third(no_model()).looked_up == 10


def test_an_upgrade_goes_on_unless_it_answers_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = job_in(tmp_path)
    first()
    monkeypatch.setattr(fingerprint, "version", lambda _name: "99.0")
    second = first.at(folder(tmp_path / "second")).planned(since=EarlierRun(first.options.run_dir))
    assert second(no_model()).provenance["g2p-batch.tool"] == "g2p-batch 99.0"
    monkeypatch.setattr(fingerprint, "REVISION", 99)
    with pytest.raises(RunError, match="was planned with revision of spelling and decoding 2, now it is"):
        first()


def test_an_earlier_run_answers_for_its_own_words_alone(tmp_path: Path) -> None:
    first = job_in(tmp_path, "word\tlang\nWeg\tger\n")
    first()
    since = EarlierRun(first.options.run_dir)
    second = job_in(tmp_path, "word\tlang\nweg\tger\nWeg\tger\n").planned(run_dir=tmp_path / "second", since=since)
    assert second().looked_up == 1
    assert lines(second, "weg") + lines(second, "Weg") == ["weg\tger\tweg", "Weg\tger\tWeg"]


def test_a_remedy_without_an_earlier_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--or-anew is of no use without --since-run"):
        job_in(tmp_path).planned(or_anew=True)
