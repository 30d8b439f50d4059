"""A lexicon that somebody changed, or that no run wrote, is replaced by --force alone."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from g2p_batch.driver import merge_run
from g2p_batch.errors import UsageError
from g2p_batch.run import summary
from g2p_batch.run.lookup import EarlierRun
from g2p_batch.run.plan import planned
from g2p_batch.run.run_directory import RunDir
from g2p_batch.run.written import is_as_noted, note, noted
from g2p_batch.signals import Stop
from g2p_batch.storage.locations import Location
from g2p_batch.storage.store import Stamp
from g2p_batch.words.wordlist import WordLists
from tests.helpers.runs import LEXICON, Job, Recorder, fake_decoding, job_in, no_model

MINE = "hello\teng-us\tby hand\n"


def refusal(job: Job) -> str:
    with pytest.raises(UsageError) as caught:
        job(no_model())
    return str(caught.value)


def foreign(path: Path, run_dir: Path) -> str:
    return f"{path} exists, and {run_dir} did not write it: write elsewhere with -o, or replace it with --force"


def changed(path: Path, run_dir: Path) -> str:
    return f"{path} was changed since {run_dir} wrote it: write elsewhere with -o, or replace it with --force"


def test_a_restart_that_is_refused_discards_nothing_and_one_of_the_same_run_is_not_refused(tmp_path: Path) -> None:
    job = job_in(tmp_path)
    job()
    again = job.planned(restart=True)
    again()
    assert job.lexicon() == LEXICON
    job.output.path.write_text(MINE, encoding="utf-8")
    assert refusal(again) == changed(job.output.path, tmp_path / "run")
    assert len(job.run.receipts(job.run.require_plan())) == 3


def test_an_empty_file_and_one_that_was_moved_away_and_back_are_no_ones(tmp_path: Path) -> None:
    job = job_in(tmp_path)
    job.output.path.touch()
    job()
    job.output.path.rename(tmp_path / "elsewhere").rename(job.output.path)
    job.written(scores=True)(no_model())


def test_a_lexicon_that_appears_while_words_are_decoded_stays_and_so_do_the_words(tmp_path: Path) -> None:
    job = job_in(tmp_path)
    progress = Recorder(lambda: job.output.path.write_text(MINE, encoding="utf-8") and None)
    with pytest.raises(UsageError) as caught:
        job(fake_decoding(progress=progress))
    assert str(caught.value) == foreign(job.output.path, tmp_path / "run")
    assert job.lexicon() == MINE
    job.written(force=True)(no_model())
    assert job.lexicon() == LEXICON


def test_a_lexicon_that_another_command_writes_while_it_is_looked_at_is_the_runs_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, stamp = job_in(tmp_path), summary.stamp
    job()

    def stamp_after_another(path: Location) -> Stamp | None:
        monkeypatch.setattr(summary, "stamp", stamp)
        job.written(scores=True)(no_model())
        return stamp(path)

    monkeypatch.setattr(summary, "stamp", stamp_after_another)
    job.written(order="word")(no_model())


def test_another_run_replaces_only_what_the_run_wrote_that_it_goes_on_from(tmp_path: Path) -> None:
    """Night after night into one lexicon, each with a new run directory."""
    lexicon = tmp_path / "lexicon.tsv"
    nights = [job_in(tmp_path).planned(run_dir=tmp_path / str(number)) for number in range(5)]
    nights[0]()
    assert refusal(nights[1]) == foreign(lexicon, tmp_path / "1")
    nights[1].planned(since=EarlierRun(tmp_path / "0"))()
    planned(nights[2].planned(since=EarlierRun(tmp_path / "1")).options, nights[2].run, Stop())  # and was killed
    last = nights[3].planned(since=EarlierRun(tmp_path / "2"))
    last()
    assert lexicon.read_text(encoding="utf-8") == LEXICON
    other = nights[4].planned(since=EarlierRun(tmp_path / "3"), dtype="int8", or_anew=True)
    other(replace(fake_decoding(), model=replace(fake_decoding().model, dtype="int8")))
    lexicon.write_text(MINE, encoding="utf-8")
    assert refusal(last) == changed(lexicon, tmp_path / "3")
    assert refusal(nights[0].planned(since=EarlierRun(tmp_path / "3"), run_dir=tmp_path / "new")) == changed(
        lexicon, tmp_path / "new"
    )


def test_of_lexicons_of_languages_those_are_looked_at_that_are_to_be_written(tmp_path: Path) -> None:
    job = job_in(tmp_path).written(path=tmp_path / "{lang}.dict")
    for tag in ("tha", "fra"):  # no word is Thai
        (tmp_path / f"{tag}.dict").write_text(MINE, encoding="utf-8")
    assert refusal(job) == foreign(tmp_path / "fra.dict", tmp_path / "run")
    (tmp_path / "fra.dict").unlink()
    job()
    assert (tmp_path / "tha.dict").read_text(encoding="utf-8") == MINE
    with (tmp_path / "ger.dict").open("a", encoding="utf-8") as file:
        file.write("mein\tm ɛ\n")
    with pytest.raises(UsageError) as caught:
        merge_run(tmp_path / "run", job.output, lambda _: None)
    assert str(caught.value) == changed(tmp_path / "ger.dict", tmp_path / "run")


def test_a_lexicon_that_is_a_folder_is_looked_at_as_a_whole(tmp_path: Path) -> None:
    job = job_in(tmp_path, "hello\teng-us\n").written(path=tmp_path / "dict", format_name="kaldi-dict")
    (tmp_path / "dict").mkdir()
    job()
    job.written(scores=True)(no_model())
    (tmp_path / "dict" / "extra_questions.txt").write_text("a b\n", encoding="utf-8")
    assert refusal(job) == changed(tmp_path / "dict", tmp_path / "run")
    job.written(force=True)(no_model())
    other = job.planned(run_dir=tmp_path / "other")
    assert refusal(other) == foreign(tmp_path / "dict", tmp_path / "other")


def test_a_lexicon_is_the_same_whatever_links_lead_to_it(tmp_path: Path) -> None:
    job, link = job_in(tmp_path), tmp_path / "link.tsv"
    link.symlink_to(job.output.path)
    job.written(path=link)()
    job.written(scores=True)(no_model())
    assert link.is_symlink()


def test_a_run_of_an_earlier_version_knows_its_last_lexicon_by_its_summary(tmp_path: Path) -> None:
    job = job_in(tmp_path)
    job()
    for file in (tmp_path / "run" / "written").iterdir():
        file.unlink()
    job.written(scores=True)(no_model())
    for file in (tmp_path / "run" / "written").iterdir():
        file.write_bytes(file.read_bytes()[:-20])  # damaged, as the summary is not
    job()
    assert job.lexicon() == LEXICON


def test_a_lexicon_that_takes_the_place_of_none_is_that_of_its_own_list(tmp_path: Path) -> None:
    job = job_in(tmp_path)
    job()
    (tmp_path / "more.tsv").write_text("autre\tfra\n", encoding="utf-8")
    more = job.planned(words=WordLists((str(tmp_path / "more.tsv"),)), run_dir=tmp_path / "more.run")
    assert refusal(more) == foreign(job.output.path, tmp_path / "more.run")
    assert not (tmp_path / "more.run" / "plan.json").exists()


def test_commands_that_note_at_once_lose_nothing(tmp_path: Path) -> None:
    run_dir, barrier = RunDir(tmp_path / "run"), threading.Barrier(8)

    def noting(writer: int) -> None:
        barrier.wait()
        for size in range(5):
            note(run_dir, {f"/{writer}.tsv": [(size, writer)]})

    threads = [threading.Thread(target=noting, args=(writer,)) for writer in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert noted(run_dir) == {f"/{writer}.tsv": [(size, writer) for size in range(5)] for writer in range(8)}
    assert len(run_dir.store.list("written")) <= 2


def test_what_is_remembered_of_a_lexicon_is_bounded_and_exact_once_it_can_be(tmp_path: Path) -> None:
    run_dir = RunDir(tmp_path / "run")
    for size in range(20):
        note(run_dir, {"/a": [(size, None)]})
        note(run_dir, {"/a": [(size, f"tag {size}")]})
    stamps = noted(run_dir)["/a"]
    assert stamps == [(size, f"tag {size}") for size in range(12, 20)]
    assert is_as_noted((19, "tag 19"), stamps)
    assert not is_as_noted((19, "another"), stamps)
    assert is_as_noted((19, "another"), [(19, None)])
