"""The figures of a run are right, whatever of it is missing or damaged."""

from pathlib import Path

import pytest

from g2p_batch.driver import plan_run
from g2p_batch.formats.existing import ExistingLexicon
from g2p_batch.reporting.reject_examples import RejectExample
from g2p_batch.reporting.run_figures import RunFigures
from g2p_batch.run.run_directory import EngineRecord, Quarantine
from tests.helpers.runs import Job, fake_decoding, job_in
from tests.reporting.pages import figures_of, page_of


def accounted(figures: RunFigures) -> int:
    plan = figures.plan
    return figures.words + figures.missing_words + plan.known + plan.duplicates + sum(plan.rejects.values())


def test_the_figures_of_a_run_are_those_of_its_words(done: Job) -> None:
    figures = figures_of(done.run)
    assert (figures.plan.rows_in, figures.words, figures.missing_words, figures.missing) == (13, 10, 0, [])
    assert accounted(figures) == 13
    assert figures.statuses == {"ok": 6, "empty": 1, "invalid": 1, "invalid_utf8": 1, "truncated": 1}
    assert figures.tally.words == figures.plan.languages == figures.tally.scored
    assert figures.tally.doubtful == {"fra": 1, "ita": 1, "mri": 1, "ron": 1}
    assert figures.tally.sums.total == figures.tally.word_lengths.total == figures.tally.pron_lengths.total == 10
    lexicon = [line.split("\t") for line in done.lexicon().splitlines()[1:]]
    assert [figures.tally.pron_lengths.counts[size] for size in (0, 1, 128)] == [1, 1, 1]
    assert figures.tally.word_lengths.counts[5] == sum(len(word) == 5 for word, _, _ in lexicon) == 2
    assert figures.throughput is not None
    assert (figures.throughput.words, figures.throughput.workers) == (10, {r.worker for r in figures.receipts.values()})
    assert figures.engine == EngineRecord("fa" * 32, "fake float32")


def test_the_lowest_scored_words_come_with_what_was_said_of_them(done: Job) -> None:
    figures = figures_of(done.run)
    lowest = figures.tally.lowest.overall().to_pylist()
    assert len(lowest) == 10
    assert [row["logprob"] for row in lowest] == sorted(row["logprob"] for row in lowest)
    assert (lowest[0]["word"], lowest[0]["status"], lowest[0]["pron"]) == ("sto", "truncated", "x" * 128)
    total = sum(row["logprob"] for row in lowest)
    assert sum(figures.tally.score.values()) == pytest.approx(total)


def test_words_of_existing_lexicons_are_counted_apart_and_have_no_score(tmp_path: Path) -> None:
    known = tmp_path / "known.tsv"
    known.write_text("word\tlang\tpron\nhello\teng-us\ta\nhello\teng-us\tbcd\n", encoding="utf-8")
    job = job_in(tmp_path).planned(lexicons=(ExistingLexicon(known),))
    job(fake_decoding(workers=1))
    figures = figures_of(job.run)
    assert (figures.words, figures.plan.known, accounted(figures)) == (9, 1, 13)
    assert (figures.tally.words["eng-us"], figures.tally.scored["eng-us"]) == (1, 0)
    assert (figures.tally.word_lengths.total, figures.tally.pron_lengths.total) == (10, 11)
    assert "1 from existing lexicons" in page_of(job.run).text


def test_words_that_a_format_cannot_hold_are_rejects_with_examples(tmp_path: Path) -> None:
    job = job_in(tmp_path, "word\tlang\nfoo bar\tfra\nhello\tfra\n").written(
        format_name="kaldi", path=tmp_path / "lexicon.txt"
    )
    job(fake_decoding(workers=1))
    figures = figures_of(job.run)
    ((reason, found),) = figures.reject_examples.items()
    assert (figures.rejects, figures.plan.rejects, accounted(figures)) == ({reason: 1}, {}, 2)
    assert found == [RejectExample("1", "fra", "foo bar")]
    assert "the format of the lexicon cannot hold 1: they are listed" in page_of(job.run).text


def test_a_run_that_is_only_planned_has_a_page(tmp_path: Path) -> None:
    job = job_in(tmp_path)
    plan_run(job.options, lambda _: None)
    figures = figures_of(job.run)
    assert (figures.words, figures.missing_words, figures.throughput, figures.engine, figures.summary) == (
        0,
        10,
        None,
        None,
        None,
    )
    text = page_of(job.run).text
    assert "Unfinished" in text
    assert "0 of 3 shards done, 10 words missing" in text
    assert "Nothing is decoded yet." in text
    assert "No word has a score." in text


def test_an_unfinished_run_says_what_is_missing(done: Job) -> None:
    (done.options.run_dir / "done" / "000001.json").unlink()
    reason = "worker died <now>"
    done.run.quarantine(Quarantine(1, done.run.require_plan().id, ("first", reason)))
    figures = figures_of(done.run)
    assert (figures.missing, figures.missing_words, accounted(figures)) == ([1], 4, 13)
    assert sum(figures.tally.words.values()) == figures.words == 6
    text = page_of(done.run).text
    assert "2 of 3 shards done, 4 words missing" in text
    assert "Missing shards: 000001." in text
    assert f"Shard 000001 was given up: {reason} ." in text


def test_words_of_a_damaged_part_are_missing_and_nothing_is_changed(done: Job) -> None:
    part = done.options.run_dir / done.run.receipts(done.run.require_plan())[0].part.file
    part.write_bytes(part.read_bytes()[:-1])
    before = {path: path.stat().st_mtime_ns for path in done.options.run_dir.rglob("*")}
    figures = figures_of(done.run)
    assert (figures.missing, accounted(figures)) == ([0], 13)
    assert figures.damaged == (str(part.relative_to(done.options.run_dir)),)
    assert f"Missing or damaged: {figures.damaged[0]} ." in page_of(done.run).text
    assert {path: path.stat().st_mtime_ns for path in done.options.run_dir.rglob("*")} == before


def test_a_summary_of_another_plan_or_a_damaged_one_is_none(done: Job) -> None:
    path = done.options.run_dir / "run-summary.json"
    whole = path.read_text(encoding="utf-8")
    for text in (whole.replace(done.run.require_plan().id, "0" * 64), whole[:-20], "[]", ""):
        path.write_text(text, encoding="utf-8")
        assert figures_of(done.run).summary is None
