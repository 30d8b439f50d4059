"""Whole runs on an engine that answers from a dictionary."""

import json
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from g2p_batch import driver, wordlist
from g2p_batch.codec import Float32, Int32
from g2p_batch.contract import Bucket, Contract, Geometry, Shapes
from g2p_batch.decode import Engine, Rows
from g2p_batch.driver import Job, generate
from g2p_batch.errors import ArtifactError, InputError, OutputError, StoppedEarlyError, UsageError
from g2p_batch.plan import PlanOptions
from g2p_batch.report import Summary
from g2p_batch.wordlist import Source
from tests.fake_engine import SHAPES, Echo, FakeEngine

CONTRACT = Contract(
    name="fake",
    checkpoint="nowhere",
    checkpoint_sha256="ab" * 32,
    prefix="space",
    languages=("eng-us", "fra", "ger", "fin", "nan", "tha", "ron", "ita", "mri"),
    geometry=Geometry(8, 16, 4, 2, 1, 1, 384, "gelu_new", True, 32, 128, 1e-6, 1.0),
    max_source_bytes=64,
    max_target_bytes=128,
)

ANSWERS = Echo(
    {
        "<eng-us>: hello": "həˈloʊ",
        "<fra>: eau": "o",
        "<fra>: h": "",
        "<ger>: Straße": "ˈʃtʁaːsə",
        "<nan>: 台灣": "tai̯⁵⁵⁻³³uan²⁴",  # cut by the first bucket, whole in the last
        "<fin>: lentokonesuihkuturbiini": "ˈlentoˌkonesui̯hkuˌturbiːni",
        "<ita>: sto": "x" * 200,
        "<ron>: ca": b"k\xc9a",
        "<mri>: rua": "ɾ\tua",
    }
)

WORDS = """\
word\tlang
台灣\tnan
hello\teng-us
eau\tfra

hello\teng-us
sto\tita
Straße\tger
rua\tmri
ca\tron
world\teng-gb
h\tfra
lentokonesuihkuturbiini\tfin
hello\tfra
"""

LEXICON = """\
word\tlang\tpron
台灣\tnan\ttai̯⁵⁵⁻³³uan²⁴
hello\teng-us\thəˈloʊ
eau\tfra\to
sto\tita\t{x}
Straße\tger\tˈʃtʁaːsə
rua\tmri\tɾua
ca\tron\tka
h\tfra\t
lentokonesuihkuturbiini\tfin\tˈlentoˌkonesui̯hkuˌturbiːni
hello\tfra\thello
""".replace("{x}", "x" * 128)


class Recorder:
    """Progress that keeps what it was told and may act on an advance."""

    def __init__(self, on_advance: Callable[[], None] = lambda: None) -> None:
        self.told: list[tuple[str, int]] = []
        self._on_advance = on_advance

    def start(self, total_words: int) -> None:
        self.told.append(("start", total_words))

    def advance(self, words: int) -> None:
        self.told.append(("advance", words))
        self._on_advance()

    def close(self) -> None:
        self.told.append(("close", 0))


def job_for(folder: Path, text: str = WORDS, name: str = "words.tsv", **options: Any) -> Job:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    source = options.pop("source", Source((str(path),)))
    output = options.pop("output", folder / "lexicon.tsv")
    return Job(source, CONTRACT, output, folder / "run", **options)


def fake() -> Engine:
    return FakeEngine(ANSWERS)


def no_engine() -> Engine:
    raise AssertionError("an engine was made before it was needed")


def run(job: Job, engines: Callable[[], Engine] = fake) -> Summary:
    return generate(job, engines, Recorder())


def output(job: Job) -> str:
    return job.output.read_bytes().decode()


def test_a_word_list_becomes_a_lexicon_in_input_order(tmp_path: Path) -> None:
    job = job_for(tmp_path)
    run(job)
    assert output(job) == LEXICON


def test_word_order_is_by_language_and_bytes(tmp_path: Path) -> None:
    text = "z\na\né\nZ\nab\nα\n𐎠\nﬁ\n"
    job = job_for(tmp_path, text, "words.txt", order="word", plan=PlanOptions(normalize="none"))
    run(replace(job, source=replace(job.source, lang="fra")))
    words = [line.split("\t")[0] for line in output(job).splitlines()[1:]]
    assert words == sorted(words, key=str.encode) == ["Z", "a", "ab", "z", "é", "α", "ﬁ", "𐎠"]
    job = job_for(tmp_path, order="word")
    run(job)
    assert [line.split("\t")[1::-1] for line in output(job).splitlines()[1:]] == [
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
    job = job_for(tmp_path, scores=True)
    run(job)
    rows = [line.split("\t") for line in output(job).splitlines()[1:]]
    assert {word: status for word, _, _, _, status in rows} | {} == {
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
    assert all(float(logprob) < 0 for _, _, _, logprob, _ in rows)


def test_rejects_are_rows_with_a_reason(tmp_path: Path) -> None:
    job = job_for(tmp_path)
    run(job)
    assert (job.run_dir / "rejects.tsv").read_text(encoding="utf-8") == (
        "row\tlang\tword\treason\n4\t\t\tempty\n10\teng-gb\tworld\tunknown_language\n"
    )


def test_bad_rows_of_every_kind_cost_no_other_row(tmp_path: Path) -> None:
    job = job_for(tmp_path)
    (tmp_path / "words.tsv").write_bytes(
        b"\xef\xbb\xbfword\tlang\r\ncaf\xe9\tfra\r\na\x01b\tfra\r\nx\ty\tz\r\n"
        + ("é" * 30 + "\tfra\r\n").encode()
        + b"hello\teng-us\r\n\r\nho\t\r\n"
    )
    run(job)
    assert output(job) == "word\tlang\tpron\nhello\teng-us\thəˈloʊ\n"
    assert (job.run_dir / "rejects.tsv").read_text(encoding="utf-8") == (
        "row\tlang\tword\treason\n"
        "1\tfra\tcaf\N{REPLACEMENT CHARACTER}\tinvalid_utf8\n"
        "2\tfra\ta\\x01b\tcontrol_character\n"
        "3\t\tx\\ty\\tz\tragged\n"
        f"4\tfra\t{'é' * 30}\ttoo_long\n"
        "6\t\t\tempty\n"
        "7\t\tho\tunknown_language\n"
    )


def test_parquet_holds_the_same_lexicon_and_where_it_comes_from(tmp_path: Path) -> None:
    job = job_for(tmp_path, output=tmp_path / "lexicon.parquet", dtype="float32")
    run(job)
    table = pq.read_table(job.output)
    plain = [line.split("\t") for line in LEXICON.splitlines()[1:]]
    assert [[row["word"], row["lang"], row["pron"]] for row in table.to_pylist()] == plain
    assert table["input_row"].to_pylist() == [1, 2, 3, 6, 7, 8, 9, 11, 12, 13]
    metadata = {key.decode(): value.decode() for key, value in pq.read_schema(job.output).metadata.items()}
    assert metadata == {
        "g2p-batch.tool": metadata["g2p-batch.tool"],
        "g2p-batch.checkpoint": "ab" * 32,
        "g2p-batch.prefix": "space",
        "g2p-batch.dtype": "float32",
        "g2p-batch.normalization": "nfc",
    }
    assert metadata["g2p-batch.tool"].startswith("g2p-batch ")


def test_the_summary_counts_every_row_once(tmp_path: Path) -> None:
    job = job_for(tmp_path)
    summary = run(job)
    record = json.loads((job.run_dir / "run-summary.json").read_text(encoding="utf-8"))
    assert record == json.loads(summary.to_json())
    assert summary.rows_in == summary.words + summary.duplicates + summary.rejected
    timed = {"seconds", "decode_seconds", "words_per_s", "provenance"}
    assert {key: value for key, value in record.items() if key not in timed} == {
        "rows_in": 13,
        "words": 10,
        "duplicates": 1,
        "rejected": 2,
        "rejects": {"empty": 1, "unknown_language": 1},
        "statuses": {"ok": 6, "empty": 1, "invalid": 1, "invalid_utf8": 1, "truncated": 1},
        "truncated": 1,
        "languages": {"fra": 3, "eng-us": 1, "fin": 1, "ger": 1, "ita": 1, "mri": 1, "nan": 1, "ron": 1},
        "lexicon": str(job.output),
        "rejects_file": str(job.run_dir / "rejects.tsv"),
        "summary_file": str(job.run_dir / "run-summary.json"),
    }


def test_the_closing_summary_reads_like_this(tmp_path: Path) -> None:
    job = job_for(tmp_path)
    summary = replace(run(job), seconds=12.34, decode_seconds=0.004)
    assert summary.to_text() == (
        "13 rows read: 10 words, 1 duplicate, 2 rejected.\n"
        "8 languages: fra 3, eng-us 1, fin 1, ger 1, ita 1 and 3 more.\n"
        f"Rejected: empty 1, unknown_language 1; see {job.run_dir}/rejects.tsv.\n"
        "To check: empty 1, invalid 1, invalid_utf8 1, truncated 1; see the column `status` (in TSV with --scores).\n"
        "12.3 s in all, 0.0 s to decode: 2,500 words/s.\n"
        f"Lexicon: {job.output}"
    )


def test_a_run_without_trouble_says_only_what_it_did(tmp_path: Path) -> None:
    job = job_for(tmp_path, "eau\tfra\n")
    summary = replace(run(job), seconds=1.0, decode_seconds=0.5)
    assert summary.to_text() == (
        "1 row read: 1 word, 0 duplicates, 0 rejected.\n"
        "1 language: fra 1.\n"
        "1.0 s in all, 0.5 s to decode: 2 words/s.\n"
        f"Lexicon: {job.output}"
    )


MANY = "".join(f"{'abcdefghij'[i % 10] * (i % 37 + 1)}{i}\t{CONTRACT.languages[i % 9]}\n" for i in range(300))


@pytest.mark.parametrize(
    ("workers", "batch", "chunk"), [(1, 1, 1), (1, 8, 3), (2, 3, 8), (2, 1, 8), (5, 8, 1), (5, 3, 5)]
)
def test_a_lexicon_does_not_depend_on_batches_chunks_buckets_or_workers(
    tmp_path: Path, workers: int, batch: int, chunk: int
) -> None:
    plain = job_for(tmp_path, MANY, scores=True)
    run(plain)
    shapes = Shapes((Bucket(24, 16, batch, chunk), Bucket(64, 128, batch, chunk)), (1, 2, 4, 8))
    job = replace(plain, output=tmp_path / "other.tsv", workers=workers)
    run(job, lambda: FakeEngine(ANSWERS, shapes))
    assert job.output.read_bytes() == plain.output.read_bytes()
    assert len(output(job).splitlines()) == 301


def test_many_slices_of_the_merge_make_the_same_lexicon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = job_for(tmp_path, MANY, scores=True)
    run(whole)
    monkeypatch.setattr(driver, "_ROWS", 7)
    sliced = replace(whole, output=tmp_path / "sliced.tsv")
    run(sliced)
    assert sliced.output.read_bytes() == whole.output.read_bytes()


def test_no_more_engines_are_made_than_there_are_chunks(tmp_path: Path) -> None:
    made: list[Engine] = []

    def make() -> Engine:
        made.append(fake())
        return made[-1]

    run(job_for(tmp_path, "eau\tfra\n", workers=16), make)
    assert len(made) == 1


def test_words_that_are_all_rejected_need_no_engine(tmp_path: Path) -> None:
    job = job_for(tmp_path, "word\tlang\nhello\teng-gb\n\teng-us\n")
    summary = run(job, no_engine)
    assert output(job) == "word\tlang\tpron\n"
    assert (summary.words, summary.rejected, summary.words_per_s) == (0, 2, 0.0)


def test_progress_counts_each_word_once_also_when_it_is_decoded_twice(tmp_path: Path) -> None:
    progress = Recorder()
    generate(job_for(tmp_path), fake, progress)
    assert progress.told[0] == ("start", 10)
    assert progress.told[-1] == ("close", 0)
    assert sum(words for call, words in progress.told if call == "advance") == 10


def test_strict_refuses_rejected_rows_before_decoding_and_lists_them(tmp_path: Path) -> None:
    job = job_for(tmp_path, strict=True)
    with pytest.raises(InputError) as caught:
        run(job, no_engine)
    assert str(caught.value) == (
        f"2 rows of 13 rejected (empty 1, unknown_language 1), listed in {job.run_dir}/rejects.tsv: "
        "mend the input, or run without --strict"
    )
    assert len((job.run_dir / "rejects.tsv").read_text(encoding="utf-8").splitlines()) == 3
    assert not job.output.exists()


def test_strict_accepts_a_clean_list(tmp_path: Path) -> None:
    job = job_for(tmp_path, "eau\tfra\neau\tfra\n", strict=True)
    run(job)
    assert output(job) == "word\tlang\tpron\neau\tfra\to\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_run_and_leaves_earlier_results(tmp_path: Path, number: signal.Signals) -> None:
    job = job_for(tmp_path, MANY, workers=2)
    job.output.write_text("earlier\n", encoding="utf-8")
    before = [signal.getsignal(known) for known in (signal.SIGINT, signal.SIGTERM)]
    progress = Recorder(lambda: os.kill(os.getpid(), number))
    with pytest.raises(StoppedEarlyError) as caught:
        generate(job, fake, progress)
    done = sum(words for call, words in progress.told if call == "advance")
    assert 0 < done < 300
    assert str(caught.value) == (
        f"stopped by {number.name} after {done} of 300 words; nothing was written: run the same command again"
    )
    assert caught.value.exit_code == 75
    assert progress.told[-1] == ("close", 0)
    assert output(job) == "earlier\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lexicon.tsv", "run", "words.tsv"]
    assert list(job.run_dir.iterdir()) == []
    assert [signal.getsignal(known) for known in (signal.SIGINT, signal.SIGTERM)] == before
    run(job)
    assert len(output(job).splitlines()) == 301


def test_a_signal_while_reading_stops_before_any_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reading = wordlist.read

    def read_and_signal(source: Source) -> Any:
        for batch in reading(source):
            os.kill(os.getpid(), signal.SIGTERM)
            yield batch

    monkeypatch.setattr(driver, "read", read_and_signal)
    with pytest.raises(StoppedEarlyError, match="stopped by SIGTERM while reading the input; nothing was written"):
        run(job_for(tmp_path), no_engine)


def test_a_run_outside_the_main_thread_leaves_signals_alone(tmp_path: Path) -> None:
    job = job_for(tmp_path)
    thread = threading.Thread(target=run, args=(job,))
    thread.start()
    thread.join()
    assert output(job) == LEXICON


class Broken(FakeEngine):
    """Fails in the middle of a run."""

    def step(self, cache: Any, rows: Rows) -> tuple[Int32, Float32]:
        if len(self.calls) > 50:
            raise RuntimeError("the device fell off the bus")
        return super().step(cache, rows)


def test_a_failing_engine_ends_the_run_with_its_own_error_and_no_thread_left(tmp_path: Path) -> None:
    job = job_for(tmp_path, MANY, workers=3)
    progress = Recorder()
    with pytest.raises(RuntimeError, match="fell off the bus"):
        generate(job, lambda: Broken(ANSWERS), progress)
    assert not job.output.exists()
    assert list(job.run_dir.iterdir()) == []
    assert progress.told[-1] == ("close", 0)
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("decode")] == []


def test_engines_too_short_for_the_contract_are_refused(tmp_path: Path) -> None:
    shapes = Shapes((Bucket(32, 64, 4, 4),), (1, 2, 4))
    with pytest.raises(ArtifactError) as caught:
        run(job_for(tmp_path), lambda: FakeEngine(ANSWERS, shapes))
    assert str(caught.value) == (
        "the compiled model takes 32 bytes of prefix and word, its contract allows 64: "
        "compile it again with `g2p-batch compile`"
    )


def test_an_output_that_cannot_be_written_is_refused_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="create its folder first"):
        run(job_for(tmp_path, output=tmp_path / "absent" / "lexicon.tsv"), no_engine)


def test_an_unknown_format_is_refused_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no format 'mfa'"):
        run(job_for(tmp_path, format="mfa"), no_engine)
    assert not (tmp_path / "run").exists()


def test_the_prefix_form_of_the_contract_is_what_the_model_is_asked(tmp_path: Path) -> None:
    job = replace(job_for(tmp_path, "eau\tfra\n"), contract=replace(CONTRACT, prefix="none"))
    run(job, lambda: FakeEngine({"<fra>:eau": "o"}, SHAPES))
    assert output(job) == "word\tlang\tpron\neau\tfra\to\n"
