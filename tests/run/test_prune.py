"""A run without its words and answers: what it still does, and what it says of what it cannot."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from g2p_batch.driver import merge_run, plan_run, prune_run, run_plan
from g2p_batch.errors import BusyError, G2PError, IncompleteError, InputError, RunError
from g2p_batch.reporting import write_report
from g2p_batch.run import presence
from g2p_batch.run.lookup import EarlierRun
from g2p_batch.run.presence import Attendant
from g2p_batch.run.prune import prune
from g2p_batch.run.run_directory import RunDir
from g2p_batch.run.status import status_of
from g2p_batch.storage import store_at
from g2p_batch.storage.checksummed_json import seal
from g2p_batch.storage.locations import Location, located
from g2p_batch.storage.object_store import objects_at
from g2p_batch.workers.remaining import ArrayTask
from tests.helpers.runs import LEXICON, MANY, fake_decoding, job_in, no_model

KEPT = ["engine.json", "plan.json", "pruned.json", "rejects.tsv", "review.tsv", "run-summary.json"]
ANEW = "and what it decoded is in its lexicon alone"


def quiet(_text: str) -> None:
    """Say nothing."""


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.s3)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Location:
    return tmp_path if request.param == "folder" else located(request.getfixturevalue("s3_bucket"))


def files(run: RunDir) -> list[str]:
    """Return the names of all files of a run, but of what it wrote."""
    if isinstance(run.root, Path):
        names = [str(path.relative_to(run.root)) for path in run.root.rglob("*") if path.is_file()]
    else:
        names = [str(url).removeprefix(f"{run.root}/") for url in objects_at(run.root)]
    return sorted(name for name in names if not name.startswith("written/"))


def said(call: Callable[[], Any]) -> tuple[type[G2PError], str]:
    with pytest.raises(G2PError) as caught:
        call()
    return type(caught.value), str(caught.value)


def test_a_pruned_run_keeps_what_tells_of_it_and_its_lexicon(tmp_path: Path, place: Location) -> None:
    job = job_in(tmp_path, MANY).planned(shard_words=16).at(place)
    summary, before = job(), status_of(job.run)
    rejects, many = job.rejects(), len(files(job.run))
    pruned = prune(job.run)
    assert files(job.run) == KEPT
    assert pruned.files == many - len(KEPT) + 1 > 50, "all but those that stay, and the new one"
    assert pruned.size_bytes > 10_000
    assert pruned.to_text() == f"Pruned {place / 'run'}: {pruned.files} files removed, 0.1 MiB."
    assert status_of(job.run) == before
    assert job.rejects() == rejects
    told = list[str]()
    assert job(no_model(), told.append) == summary
    assert told == [f"{place / 'lexicon.tsv'} is complete already: nothing is left to do"]
    run_plan(job.run.root, ArrayTask(), no_model())
    assert prune(job.run).files == 0
    assert files(job.run) == KEPT


def test_what_a_pruned_run_cannot_do_is_said_with_what_to_do(tmp_path: Path, place: Location) -> None:
    job = job_in(tmp_path).at(place)
    job()
    prune(job.run)
    root = place / "run"
    anew = "decode it again with `g2p-batch generate --restart`, or take words from the lexicon"
    assert said(lambda: merge_run(root, job.written(scores=True).output, quiet)) == (
        RunError,
        f"{root} was pruned, {ANEW}: {anew}",
    )
    store_at(place).remove("lexicon.tsv")
    assert said(lambda: job(no_model())) == (RunError, f"{root} was pruned, {ANEW}: {anew}")
    assert said(lambda: write_report(job.run, tmp_path / "page.html")) == (
        RunError,
        f"{root} was pruned, {ANEW}: {root / 'report.html'} is there if it was made before",
    )
    rejects = job.rejects()
    assert said(lambda: job.planned(strict=True)(no_model()))[0] is InputError
    assert job.rejects() == rejects
    assert files(job.run) == KEPT, "nothing was set aside"
    job.planned(restart=True)()
    assert job.lexicon() == LEXICON
    assert "pruned.json" not in files(job.run)


def test_no_run_goes_on_from_a_pruned_one(tmp_path: Path) -> None:
    first = job_in(tmp_path)
    first()
    prune(first.run)
    (tmp_path / "new").mkdir()
    second = first.at(tmp_path / "new").planned(since=EarlierRun(first.options.run_dir))
    message = f"{tmp_path}/run was pruned, {ANEW}: give that with --lexicon, or leave out --since-run"
    assert said(lambda: second(no_model())) == (RunError, message)
    told = list[str]()
    second.planned(or_anew=True)(say=told.append)
    assert f"All words are decoded anew: {message}" in told
    assert second.lexicon() == LEXICON


def test_a_run_that_is_not_finished_is_not_pruned(tmp_path: Path) -> None:
    job, root = job_in(tmp_path), tmp_path / "run"
    assert said(lambda: prune(job.run))[0] is RunError
    plan_run(job.options, quiet)
    run_plan(root, ArrayTask(0, 2), fake_decoding())
    merge_run(root, job.written(partial=True).output, quiet)
    assert said(lambda: prune(job.run)) == (
        IncompleteError,
        f"1 shard of {root} missing (000001): do them with `g2p-batch run {root}`, and write the lexicon with "
        "`g2p-batch merge`, before it is pruned",
    )
    run_plan(root, ArrayTask(1, 2), fake_decoding())
    kept = files(job.run)
    assert said(lambda: prune(job.run)) == (
        RunError,
        f"no whole lexicon of {root} was written, and none could be any more: write it with `g2p-batch merge {root} "
        "-o LEXICON` first",
    )
    assert files(job.run) == kept
    merge_run(root, job.output, quiet)
    prune(job.run)


LOST: dict[str, tuple[Callable[[Path], Any], str]] = {
    "missing": (lambda path: path.unlink(), "is not there any more"),
    "changed": (lambda path: path.write_text("mine\n", encoding="utf-8"), "was changed since it was written"),
}


@pytest.mark.parametrize("case", LOST)
@pytest.mark.parametrize("name", ["lexicon.tsv", "{lang}.dict"])
def test_a_run_whose_lexicon_is_not_as_it_was_written_is_not_pruned(tmp_path: Path, name: str, case: str) -> None:
    job, root = job_in(tmp_path).written(path=tmp_path / name), tmp_path / "run"
    job()
    lose, story = LOST[case]
    path = tmp_path / name.replace("{lang}", "fra")
    lose(path)
    kept = files(job.run)
    assert said(lambda: prune(job.run)) == (
        RunError,
        f"{path} {story}, and {root} could not write it again: write it with `g2p-batch merge {root} -o LEXICON` "
        "first, or delete the folder if you need none",
    )
    assert files(job.run) == kept


def test_a_run_that_another_process_is_at_work_on_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "_PATIENCE_S", 0.1)
    job = job_in(tmp_path)
    job()
    record = "at-work-ffffff.1.1-abc.json"
    job.run.store.put(record, seal(Attendant("ffffff.1.1", "another", 1, "")))
    kept = files(job.run)
    kind, message = said(lambda: prune(job.run))
    assert (kind, message.partition(":")[0]) == (
        BusyError,
        f"{tmp_path}/run cannot be pruned",
    )
    assert "process 1 of another is at work on it" in message
    assert prune_run(tmp_path / "run") == f"Kept {tmp_path}/run: {message}"
    assert files(job.run) == kept


def test_a_prune_that_was_killed_is_finished_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = job_in(tmp_path)
    job()

    class Killed(BaseException):
        pass

    def killed(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(type(job.run.store), "clear", killed)
        with pytest.raises(Killed):
            prune(job.run)
    (tmp_path / "run" / "words").rename(tmp_path / "words-that-were-removed")
    job.output.path.unlink()  # it cannot be written again, whatever is left
    assert said(lambda: merge_run(tmp_path / "run", job.output, quiet))[0] is RunError
    assert prune(job.run).files == 6
    assert files(job.run) == KEPT


def test_a_run_without_words_can_be_pruned(tmp_path: Path) -> None:
    job = job_in(tmp_path, "word\tlang\nhello\teng-gb\n").written(path=tmp_path / "{lang}.dict")
    job(no_model())
    prune(job.run)
    assert job(no_model()).rejected == 1
