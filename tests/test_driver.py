"""Whole runs: planned, decoded by worker processes on an engine that answers from a dictionary, and merged."""

import json
import os
import signal
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from g2p_batch.driver import merge_run, plan_run, run_plan
from g2p_batch.errors import (
    ArtifactError,
    DrainedError,
    IncompleteError,
    InputError,
    OutputError,
    RunError,
    StoppedEarlyError,
    UsageError,
)
from g2p_batch.formats.existing import ExistingLexicon
from g2p_batch.model.contract import LengthBucket, Shapes
from g2p_batch.run import merge
from g2p_batch.words.wordlist import OpenedLists, WordLists
from g2p_batch.workers.remaining import ArrayTask
from tests.helpers.fake_model import DeadlyEngines, DrainingEngines
from tests.helpers.runs import CONTRACT, LEXICON, MANY, Job, Recorder, fake_decoding, job_in, no_model


def quiet(_text: str) -> None:
    """Say nothing."""


def test_a_word_list_becomes_a_lexicon_in_input_order(tmp_path: Path) -> None:
    job = job_in(tmp_path)
    job()
    assert job.lexicon() == LEXICON


def test_a_lexicon_and_a_run_take_the_place_of_nothing_that_is_read(tmp_path: Path) -> None:
    (tmp_path / "lists" / "deep").mkdir(parents=True)
    (tmp_path / "out").mkdir()
    job = job_in(tmp_path / "lists").at(tmp_path / "out")
    lists, words = str(tmp_path / "lists"), str(tmp_path / "lists" / "words.tsv")
    (tmp_path / "same.tsv").symlink_to(words)
    for given, output in (
        (words, tmp_path / "lists" / "words.tsv"),
        (words, tmp_path / "same.tsv"),
        (lists, tmp_path / "lists" / "deep" / "lexicon.tsv"),
        (f"{lists}/*.tsv", tmp_path / "lists" / "lexicon.tsv"),
        (f"{tmp_path}/l*", tmp_path / "lists" / "lexicon.tsv"),
        (f"{lists}/**/*.tsv", tmp_path / "lists" / "deep" / "lexicon.tsv"),
    ):
        with pytest.raises(UsageError, match=f"{output} would be read as part of the input "):
            job.planned(words=WordLists((given,))).written(path=output)(no_model())
    for given in (lists, f"{lists}/*"):
        with pytest.raises(UsageError, match=r"run would be read as part of the input .*: choose another --run-dir"):
            job.planned(words=WordLists((given,)), run_dir=tmp_path / "lists" / "run")(no_model())
    for given in (f"{lists}/*.tsv", f"{lists}/words.tsv"):
        job.planned(words=WordLists((given,))).written(
            path=tmp_path / "lists" / "deep" / "lexicon.dict", format_name="tsv"
        )()
    known = (ExistingLexicon(tmp_path / "old.tsv"),)
    needed = "would take the place of what the run needs: write the lexicon elsewhere"
    with pytest.raises(UsageError, match=rf"old\.tsv {needed}"):
        job.planned(lexicons=known).written(path=tmp_path / "old.tsv")(no_model())
    with pytest.raises(UsageError, match=rf"plan\.json {needed}"):
        job.written(path=job.options.run_dir / "plan.json", format_name="tsv")(no_model())
    (tmp_path / "fra.tsv").write_text("hello\tfra\n", encoding="utf-8")
    by_language = job.written(path=tmp_path / "{lang}.tsv")
    with pytest.raises(UsageError, match=r"fra\.tsv would be read as part of the input"):
        by_language.planned(words=WordLists((str(tmp_path / "fra.tsv"),)))(no_model())
    with pytest.raises(UsageError, match=rf"fra\.tsv {needed}"):
        by_language.planned(lexicons=(ExistingLexicon(tmp_path / "fra.tsv"),))(no_model())
    for output in (tmp_path / "lists" / "words.tsv", tmp_path / "same.tsv", job.options.run_dir / "rejects.tsv"):
        with pytest.raises(UsageError, match=f"{output.name} {needed}"):
            merge_run(job.options.run_dir, replace(job.output, path=output), quiet)


def test_lost_rejects_are_written_again(tmp_path: Path) -> None:
    job = job_in(tmp_path)
    job()
    rejects = job.rejects()
    (tmp_path / "run" / "rejects.tsv").unlink()
    job(no_model())
    assert job.rejects() == rejects


def test_word_order_is_by_language_and_bytes(tmp_path: Path) -> None:
    text = "z\na\né\nZ\nab\nα\n𐎠\nﬁ\n"
    job = job_in(tmp_path, text, "words.txt", lang="fra").planned(normalize="none").written(order="word")
    job()
    words = [line.split("\t")[0] for line in job.lexicon().splitlines()[1:]]
    assert words == sorted(words, key=str.encode) == ["Z", "a", "ab", "z", "é", "α", "ﬁ", "𐎠"]
    (tmp_path / "other").mkdir()
    job = job_in(tmp_path).at(tmp_path / "other").written(order="word")
    job()
    assert [line.split("\t")[1::-1] for line in job.lexicon().splitlines()[1:]] == [
        ["eng-us", "hello"],
        ["fin", "lentokonesuihkuturbiini"],
        ["fra", "eau"],
        ["fra", "h"],
        ["fra", "hello"],
        ["ger", "Straße"],
        ["ita", "sto"],
        ["mri", "rua"],
        ["nan", "台灣"],
        ["ron", "ca"],
    ]


def test_scores_tell_the_status_of_every_word(tmp_path: Path) -> None:
    job = job_in(tmp_path).written(scores=True)
    job()
    rows = [line.split("\t") for line in job.lexicon().splitlines()[1:]]
    assert {word: status for word, _, _, _, status, _ in rows} == {
        "台灣": "ok",
        "hello": "ok",
        "eau": "ok",
        "sto": "truncated",
        "Straße": "ok",
        "rua": "invalid",
        "ca": "invalid_utf8",
        "h": "empty",
        "lentokonesuihkuturbiini": "ok",
    }
    assert all(float(logprob) < 0 for _, _, _, logprob, _, _ in rows)


def test_bad_rows_of_every_kind_cost_no_other_row(tmp_path: Path) -> None:
    text = (
        b"\xef\xbb\xbfword\tlang\r\ncaf\xe9\tfra\r\na\x01b\tfra\r\nx\ty\tz\r\n"
        + ("é" * 30 + "\tfra\r\n").encode()
        + b"hello\teng-us\r\n\r\nho\t\r\n"
    )
    job = job_in(tmp_path, text)
    job()
    assert job.lexicon() == "word\tlang\tpron\nhello\teng-us\thəˈloʊ\n"
    assert job.rejects() == (
        "row\tlang\tword\treason\n"
        "1\tfra\tcaf\N{REPLACEMENT CHARACTER}\tinvalid_utf8\n"
        "2\tfra\ta\\x01b\tcontrol_character\n"
        "3\t\tx\\ty\\tz\tragged\n"
        f"4\tfra\t{'é' * 30}\ttoo_long\n"
        "6\t\t\tempty\n"
        "7\t\tho\tunknown_language\n"
    )


def test_parquet_holds_the_same_lexicon_and_where_it_comes_from(tmp_path: Path) -> None:
    job = job_in(tmp_path).written(path=tmp_path / "lexicon.parquet")
    job()
    table = pq.read_table(job.output.path)
    plain = [line.split("\t") for line in LEXICON.splitlines()[1:]]
    assert [[row["word"], row["lang"], row["pron"]] for row in table.to_pylist()] == plain
    assert table["input_row"].to_pylist() == [1, 2, 3, 6, 7, 8, 9, 11, 12, 13]
    metadata = {key.decode(): value.decode() for key, value in pq.read_schema(job.output.path).metadata.items()}
    assert metadata.pop("g2p-batch.tool").startswith("g2p-batch ")
    assert metadata == {
        "g2p-batch.checkpoint": "ab" * 32,
        "g2p-batch.prefix": "space",
        "g2p-batch.dtype": "float32",
        "g2p-batch.normalization": "nfc",
        "g2p-batch.spelling": "on",
    }


def test_the_summary_counts_every_row_once(tmp_path: Path) -> None:
    job = job_in(tmp_path)
    summary = job()
    record = json.loads((job.options.run_dir / "run-summary.json").read_text(encoding="utf-8"))
    assert record == json.loads(summary.to_json())
    assert summary.rows_in == summary.words + summary.duplicates + summary.rejected
    changing = {"seconds", "decode_seconds", "words_per_s", "provenance", "plan", "options", "lexicon_facts"}
    assert {key: value for key, value in record.items() if key not in changing} == {
        "rows_in": 13,
        "words": 10,
        "missing_words": 0,
        "looked_up": 0,
        "of_dictionary": 0,
        "duplicates": 1,
        "rejected": 2,
        "rejects": {"empty": 1, "unknown_language": 1},
        "spelling": {},
        "look_alikes": {},
        "variants_left_out": {},
        "unknown_symbols": {},
        "unified_symbols": {},
        "phones_outside": {},
        "rows_outside": 0,
        "decoded_words": 10,
        "statuses": {"ok": 6, "empty": 1, "invalid": 1, "invalid_utf8": 1, "truncated": 1},
        "truncated": 1,
        "languages": {"fra": 3, "eng-us": 1, "fin": 1, "ger": 1, "ita": 1, "mri": 1, "nan": 1, "ron": 1},
        "lexicon": str(job.output.path),
        "rejects_file": str(job.options.run_dir / "rejects.tsv"),
        "review_file": str(job.options.run_dir / "review.tsv"),
        "summary_file": str(job.options.run_dir / "run-summary.json"),
    }


def test_the_closing_summary_reads_like_this(tmp_path: Path) -> None:
    job = job_in(tmp_path)
    summary = replace(job(), seconds=12.34, decode_seconds=0.004)
    assert summary.to_text() == (
        "13 rows read: 10 words, 1 duplicate, 2 rejected.\n"
        "8 languages: fra 3, eng-us 1, fin 1, ger 1, ita 1 and 3 more.\n"
        f"Rejected: empty 1, unknown_language 1; see {job.options.run_dir}/rejects.tsv.\n"
        "To check: empty 1, invalid 1, invalid_utf8 1, truncated 1; "
        f"see {job.options.run_dir}/review.tsv.\n"
        "12.3 s in all, 0.0 s to decode: 2,500 words/s.\n"
        f"Lexicon: {job.output.path}"
    )


@pytest.mark.parametrize(("workers", "batch", "chunk", "shard_words"), [(1, 1, 1, 300), (2, 3, 8, 70), (3, 8, 3, 31)])
def test_a_lexicon_does_not_depend_on_batches_chunks_buckets_workers_or_shards(
    tmp_path: Path, workers: int, batch: int, chunk: int, shard_words: int
) -> None:
    plain = job_in(tmp_path, MANY).planned(shard_words=100).written(scores=True)
    plain()
    shapes = Shapes((LengthBucket(24, 16, batch, chunk), LengthBucket(64, 128, batch, chunk)), (1, 2, 4, 8))
    job = plain.planned(run_dir=tmp_path / "other", shard_words=shard_words).written(path=tmp_path / "other.tsv")
    job(fake_decoding(workers, shapes=shapes))
    assert job.lexicon() == plain.lexicon()
    assert len(job.lexicon().splitlines()) == 301


def test_many_slices_of_the_merge_make_the_same_lexicon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = job_in(tmp_path, MANY).planned(shard_words=100).written(scores=True)
    job()
    whole = job.lexicon()
    monkeypatch.setattr(merge, "_ROWS", 7)
    job.output.path.unlink()
    job(no_model())
    assert job.lexicon() == whole


def test_words_that_are_all_rejected_need_no_model(tmp_path: Path) -> None:
    job = job_in(tmp_path, "word\tlang\nhello\teng-gb\n\teng-us\n")
    summary = job(no_model())
    assert job.lexicon() == "word\tlang\tpron\n"
    assert (summary.words, summary.rejected, summary.words_per_s) == (0, 2, 0.0)


def test_progress_counts_each_word_once_also_when_it_is_decoded_twice(tmp_path: Path) -> None:
    progress = Recorder()
    job_in(tmp_path)(fake_decoding(progress=progress))
    assert progress.told[0] == ("start", 10)
    assert progress.told[-1] == ("close", 0)
    assert progress.advanced() == 10


def test_strict_refuses_rejected_rows_before_decoding_and_lists_them(tmp_path: Path) -> None:
    job = job_in(tmp_path).planned(strict=True)
    with pytest.raises(InputError) as caught:
        job(no_model())
    assert str(caught.value) == (
        f"2 rows of 13 rejected (empty 1, unknown_language 1), listed in {job.options.run_dir}/rejects.tsv: "
        "mend the input, or run without --strict"
    )
    assert len(job.rejects().splitlines()) == 3
    assert not job.output.path.exists()


def test_strict_accepts_a_clean_list(tmp_path: Path) -> None:
    job = job_in(tmp_path, "eau\tfra\neau\tfra\n").planned(strict=True)
    job()
    assert job.lexicon() == "word\tlang\tpron\neau\tfra\to\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_run_and_the_same_command_goes_on(tmp_path: Path, number: signal.Signals) -> None:
    job = job_in(tmp_path, MANY).planned(shard_words=64)
    job.output.path.write_text("earlier\n", encoding="utf-8")
    job = job.written(force=True)
    before = [signal.getsignal(known) for known in (signal.SIGINT, signal.SIGTERM)]
    progress = Recorder(lambda: os.kill(os.getpid(), number))
    with pytest.raises(StoppedEarlyError) as caught:
        job(fake_decoding(progress=progress))
    assert 0 < progress.advanced() < 300
    assert str(caught.value) == (
        f"stopped by {number.name} after {progress.advanced()} of 300 words; finished shards are kept: "
        "run the same command again"
    )
    assert caught.value.exit_code == 75
    assert progress.told[-1] == ("close", 0)
    assert job.lexicon() == "earlier\n"
    assert [signal.getsignal(known) for known in (signal.SIGINT, signal.SIGTERM)] == before
    job()
    assert len(job.lexicon().splitlines()) == 301


def test_a_drained_run_has_finished_every_shard_that_it_began(tmp_path: Path) -> None:
    job = job_in(tmp_path, MANY).planned(shard_words=64)
    before = signal.getsignal(signal.SIGUSR1)
    progress = Recorder(lambda: os.kill(os.getpid(), signal.SIGUSR1))
    with pytest.raises(DrainedError, match=r"drained by SIGUSR1 with \d shards? left") as caught:
        job(fake_decoding(workers=1, progress=progress))
    receipts = job.run.receipts(job.run.require_plan())
    assert (caught.value.exit_code, len(receipts)) == (75, 1)
    assert progress.advanced() == sum(receipt.words for receipt in receipts.values())
    assert signal.getsignal(signal.SIGUSR1) == before
    job()
    assert len(job.lexicon().splitlines()) == 301


def test_a_run_that_is_drained_with_nothing_left_is_complete(tmp_path: Path) -> None:
    job = job_in(tmp_path).planned(shard_words=64)
    job(fake_decoding(progress=Recorder(lambda: os.kill(os.getpid(), signal.SIGUSR1))))
    assert job.lexicon() == LEXICON


def test_a_drained_shard_that_fails_is_left(tmp_path: Path) -> None:
    job = job_in(tmp_path, MANY).planned(shard_words=512)
    with pytest.raises(DrainedError, match="with 1 shard left"):
        job(fake_decoding(1, engines=DrainingEngines()))
    assert job.run.receipts(job.run.require_plan()) == {}
    job()
    assert len(job.lexicon().splitlines()) == 301


def test_a_signal_while_reading_plans_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    batches = OpenedLists.batches

    def read_and_signal(opened: OpenedLists) -> Any:
        for batch in batches(opened):
            os.kill(os.getpid(), signal.SIGTERM)
            yield batch

    monkeypatch.setattr(OpenedLists, "batches", read_and_signal)
    job = job_in(tmp_path)
    with pytest.raises(StoppedEarlyError, match="stopped by SIGTERM while reading the input"):
        job(no_model())
    assert job.run.plan() is None


def test_a_run_outside_the_main_thread_leaves_signals_alone(tmp_path: Path) -> None:
    job = job_in(tmp_path)
    thread = threading.Thread(target=job)
    thread.start()
    thread.join()
    assert job.lexicon() == LEXICON


def test_engines_too_short_for_the_contract_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError) as caught:
        job_in(tmp_path)(fake_decoding(shapes=Shapes((LengthBucket(32, 64, 4, 4),), (1, 2, 4))))
    assert str(caught.value) == (
        "the compiled model takes 32 bytes of prefix and word, its contract allows 64: "
        "compile it again with `g2p-batch compile`"
    )


def test_an_output_that_cannot_be_written_is_refused_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="create its folder first"):
        job_in(tmp_path).written(path=tmp_path / "absent" / "lexicon.tsv")(no_model())


def test_an_unknown_format_is_refused_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no format 'xls'"):
        job_in(tmp_path).written(format_name="xls")(no_model())
    assert not (tmp_path / "run").exists()


def test_a_finished_run_needs_no_model(tmp_path: Path) -> None:
    job = job_in(tmp_path)
    first, said = job(), list[str]()
    assert job(no_model(), said.append) == first
    assert said == [f"{job.output.path} is complete already: nothing is left to do"]


def test_a_lexicon_that_is_gone_is_written_again_without_a_model(tmp_path: Path) -> None:
    job = job_in(tmp_path)
    job()
    job.output.path.unlink()
    job(no_model())
    assert job.lexicon() == LEXICON


def test_tasks_that_share_a_plan_make_the_same_lexicon(tmp_path: Path) -> None:
    job, folder = job_in(tmp_path), tmp_path / "run"
    made = plan_run(job.options, quiet)
    assert [shard.words for shard in made.shards] == [4, 4, 2]
    run_plan(folder, ArrayTask(0, 2), fake_decoding())
    with pytest.raises(IncompleteError, match=r"1 shard of .* missing \(000001\)"):
        merge_run(folder, job.output, quiet)
    assert not job.output.path.exists()
    said = list[str]()
    partial = merge_run(folder, job.written(partial=True).output, said.append)
    assert (partial.words, partial.missing_words) == (6, 4)
    assert said == [f"{job.output.path} lacks 1 shard: 000001"]
    run_plan(folder, ArrayTask(1, 2), fake_decoding())
    merge_run(folder, job.output, quiet)
    assert job.lexicon() == LEXICON


def test_a_slice_outside_its_array_is_refused() -> None:
    with pytest.raises(UsageError, match="--shards 2/2 names no task"):
        ArrayTask(2, 2)


CHANGED = {
    "--normalize": lambda job: job.planned(normalize="none"),
    "--dtype": lambda job: job.planned(dtype="int8"),
    "--lang": lambda job: job.planned(words=replace(job.options.words, lang="fra")),
    "--word-column": lambda job: job.planned(words=replace(job.options.words, word_column="word")),
    "prefix form": lambda job: job.planned(contract=replace(CONTRACT, prefix="none")),
    "checkpoint": lambda job: job.planned(contract=replace(CONTRACT, checkpoint_sha256="cd" * 32)),
}


@pytest.mark.parametrize("field", CHANGED)
def test_a_change_of_what_changes_the_output_is_refused_by_name(tmp_path: Path, field: str) -> None:
    job = job_in(tmp_path)
    job()
    with pytest.raises(RunError, match=rf"was planned with .*{field}.*--restart"):
        CHANGED[field](job)(no_model())
    CHANGED[field](job).planned(restart=True)()


def test_changed_input_is_refused_and_a_touched_file_is_not(tmp_path: Path) -> None:
    job = job_in(tmp_path)
    job()
    os.utime(tmp_path / "words.tsv", (1, 1))
    job(no_model())
    with (tmp_path / "words.tsv").open("r+b") as file:
        file.seek(-2, os.SEEK_END)
        file.write(b"b")
    with pytest.raises(RunError, match=r"words\.tsv, which had other content"):
        job(no_model())


def test_another_compiled_model_is_refused(tmp_path: Path) -> None:
    job = job_in(tmp_path)
    plan_run(job.options, quiet)
    run_plan(tmp_path / "run", ArrayTask(0, 2), fake_decoding())
    other = fake_decoding(1, engines=DeadlyEngines(key="cc" * 32, label="other float32"))
    with pytest.raises(RunError, match=r"was begun with fake float32 .* now it is other float32"):
        job(other)


def test_a_shard_that_kills_its_workers_is_given_up_and_done_by_a_later_run(tmp_path: Path) -> None:
    job = job_in(tmp_path)
    with pytest.raises(IncompleteError, match=r"3 shards given up after 4 attempts each .*SIGKILL"):
        job(fake_decoding(engines=DeadlyEngines()))
    assert sorted(job.run.quarantined(job.run.require_plan())) == [0, 1, 2]
    job()
    assert job.lexicon() == LEXICON


def test_the_prefix_form_of_the_contract_is_what_the_model_is_asked(tmp_path: Path) -> None:
    contract = replace(CONTRACT, prefix="none")
    job: Job = job_in(tmp_path, "eau\tfra\n").planned(contract=contract)
    job(fake_decoding(contract=contract))
    assert job.lexicon() == "word\tlang\tpron\neau\tfra\teau\n"


def test_a_restart_with_lists_that_cannot_be_used_discards_nothing(tmp_path: Path) -> None:
    job = job_in(tmp_path)
    job()
    (tmp_path / "none.tsv").write_text("head\tlang\nhello\teng-us\n", encoding="utf-8")
    for name, message in (("absent.tsv", "does not exist"), ("none.tsv", "has none of the columns word")):
        lists = WordLists((str(tmp_path / "words.tsv"), str(tmp_path / name)))
        with pytest.raises(InputError, match=message):
            job.planned(words=lists, restart=True)(no_model())
    assert len(job.run.receipts(job.run.require_plan())) == len(job.run.require_plan().shards)
