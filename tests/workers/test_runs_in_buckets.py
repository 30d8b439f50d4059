"""Whole runs in a bucket: the lexicon of a local run, whatever dies, fails or is damaged meanwhile."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from g2p_batch.cli import main
from g2p_batch.driver import merge_run, plan_run, run_plan
from g2p_batch.errors import OutputError, RunError, UsageError
from g2p_batch.run import leftovers, written
from g2p_batch.run.run_directory import RunDir
from g2p_batch.run.status import status_of
from g2p_batch.storage import object_store, store_at
from g2p_batch.storage.locations import located
from g2p_batch.words.wordlist import WordLists
from g2p_batch.workers.remaining import ArrayTask
from tests.helpers.object_server import SECRET, Fault, ObjectServer
from tests.helpers.runs import CONTRACT, LEXICON, MANY, Job, attempt, fake_decoding, job_in, no_model

pytestmark = pytest.mark.s3
ROOT = Path(__file__).parents[2]


def quiet(_text: str) -> None:
    """Say nothing."""


def in_bucket(folder: Path, bucket: str, *arguments: Any) -> Job:
    return job_in(folder, *arguments).at(located(bucket))


@pytest.fixture(scope="module")
def many_words(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the lexicon that an undisturbed local run makes of `MANY`."""
    job = job_in(tmp_path_factory.mktemp("whole"), MANY)
    attempt(job)
    return job.lexicon()


@pytest.mark.parametrize("output", ["lexicon.tsv", "lexicon.parquet", "{lang}.tsv"])
def test_a_run_in_a_bucket_makes_the_lexicon_of_a_local_one_byte_by_byte(
    tmp_path: Path, s3_bucket: str, output: str
) -> None:
    local = job_in(tmp_path, MANY).planned(shard_words=50).written(path=tmp_path / output, scores=True)
    there = local.at(located(s3_bucket)).written(path=located(s3_bucket) / "out" / output)
    attempt(local)
    summary = attempt(there)
    assert (summary.lexicon, summary.words) == (f"{s3_bucket}/out/{output}", 300)
    langs = CONTRACT.languages if "{lang}" in output else ["all"]
    for name in [output.replace("{lang}", lang) for lang in langs]:
        assert store_at(located(f"{s3_bucket}/out")).get(name) == (tmp_path / name).read_bytes()
    assert there.rejects() == local.rejects()
    said = list[str]()
    assert there(no_model(), said.append) == summary
    assert said == [f"{s3_bucket}/out/{output} is complete already: nothing is left to do"]


def test_a_lexicon_that_was_changed_in_the_bucket_is_replaced_only_by_force(tmp_path: Path, s3_bucket: str) -> None:
    job, mine = in_bucket(tmp_path, s3_bucket), b"m" * len(LEXICON.encode())
    attempt(job)
    store_at(located(s3_bucket)).put("lexicon.tsv", mine)
    with pytest.raises(UsageError, match=rf"{s3_bucket}/lexicon\.tsv was changed since {s3_bucket}/run wrote it: "):
        job(no_model())
    assert job.lexicon() == mine.decode()
    job.written(force=True)(no_model())
    assert job.lexicon() == LEXICON


def test_a_lexicon_whose_writer_was_killed_before_it_learnt_the_tag_is_its_own(tmp_path: Path, s3_bucket: str) -> None:
    job = in_bucket(tmp_path, s3_bucket)
    attempt(job)
    data = job.lexicon().encode()
    for name in ("run-summary.json", *(file.name for file in job.run.store.list("written"))):
        job.run.store.remove(name)
    written.note(job.run, {written.place_of(job.output.path): [(len(data), None)]})
    store_at(located(s3_bucket)).put("lexicon.tsv", data + b"mine\n")
    with pytest.raises(UsageError, match="was changed since"):
        job(no_model())
    store_at(located(s3_bucket)).put("lexicon.tsv", data)
    job(no_model())
    assert job.lexicon() == LEXICON


def test_tasks_share_a_plan_in_a_bucket_and_status_reads_it(tmp_path: Path, s3_bucket: str) -> None:
    job, place = in_bucket(tmp_path, s3_bucket), located(s3_bucket) / "run"
    plan_run(job.options, quiet)
    run_plan(place, ArrayTask(0, 2), fake_decoding())
    assert status_of(RunDir(place)).remaining == ("000001",)
    run_plan(place, ArrayTask(1, 2), fake_decoding())
    merge_run(place, job.output, quiet)
    assert job.lexicon() == LEXICON


def test_restart_discards_what_is_there(tmp_path: Path, s3_bucket: str) -> None:
    job = in_bucket(tmp_path, s3_bucket)
    attempt(job)
    with pytest.raises(RunError, match=rf"{s3_bucket}/run was planned with .*--restart"):
        job.planned(normalize="none")(no_model())
    attempt(job.planned(normalize="none", restart=True))
    assert job.lexicon() == LEXICON


def test_a_run_in_a_folder_can_write_to_a_bucket(tmp_path: Path, s3_bucket: str) -> None:
    job = job_in(tmp_path).written(path=located(s3_bucket) / "lexicon.tsv")
    attempt(job)
    assert job.lexicon() == LEXICON


def test_a_driver_asks_once_whether_a_shard_is_done(tmp_path: Path, s3_server: ObjectServer, s3_bucket: str) -> None:
    job, place = in_bucket(tmp_path, s3_bucket, MANY).planned(shard_words=75), located(s3_bucket) / "run"
    plan_run(job.options, quiet)
    asked = Fault(lambda _, environ: environ["REQUEST_METHOD"] == "HEAD" and "/done/" in environ["PATH_INFO"])
    with s3_server.failing(asked):
        run_plan(place, ArrayTask(), fake_decoding())
    assert asked.met == len(job.run.require_plan().shards) == 4


def driver(folder: Path, bucket: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "tests.helpers.runs", str(folder), "16", "local", bucket]
    return subprocess.Popen(command, cwd=ROOT, start_new_session=True, stderr=subprocess.PIPE)


def test_two_drivers_at_once_make_one_lexicon(tmp_path: Path, s3_bucket: str, many_words: str) -> None:
    job = in_bucket(tmp_path, s3_bucket, MANY)
    both = [driver(tmp_path, s3_bucket) for _ in range(2)]
    said = [process.communicate(timeout=120)[1].decode() for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert job.lexicon() == many_words


def test_drivers_killed_ten_times_leave_the_lexicon_of_an_undisturbed_run(
    tmp_path: Path, s3_server: ObjectServer, s3_bucket: str, many_words: str
) -> None:
    chance, killed, runs = random.Random(7), 0, 0
    while killed < 10 or not runs:
        place = f"{s3_bucket}/{runs}"
        job = job_in(tmp_path, MANY).at(located(place))
        last = chance.randrange(100) if killed < 10 else None
        process = driver(tmp_path, place)
        with s3_server.failing(killing(process, last, done=chance.random() < 0.5)):
            said = process.communicate(timeout=120)[1]
        if process.returncode == -signal.SIGKILL:
            killed += 1
        else:
            assert process.returncode == 0, said
            assert job.lexicon() == many_words
            runs += 1


def killing(process: "subprocess.Popen[bytes]", last: int | None, done: bool) -> Fault:
    """Return a fault that kills a driver and its workers at a request, just before or after it is done."""

    def chosen(number: int, _environ: dict[str, Any]) -> bool:
        if number == last:
            os.killpg(process.pid, signal.SIGKILL)
        return number == last

    return Fault(chosen, refused=not done, unanswered=done)


def mutating(number: int, environ: dict[str, Any]) -> bool:
    """Choose every third request that writes."""
    return environ["REQUEST_METHOD"] in ("PUT", "POST") and number % 3 == 0


FAULTS = {
    "refused": Fault(lambda number, _: number % 4 == 0, refused=True),
    "slow": Fault(lambda number, _: number % 10 == 0, delay_s=0.2),
    "unanswered": Fault(mutating, unanswered=True),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_a_store_that_fails_now_and_then_costs_no_word(
    tmp_path: Path, s3_server: ObjectServer, s3_bucket: str, kind: str
) -> None:
    job = in_bucket(tmp_path, s3_bucket)
    with s3_server.failing(FAULTS[kind]) as fault:
        attempt(job)
    assert fault.met > 3
    assert job.lexicon() == LEXICON


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let clients give up soon."""
    monkeypatch.setattr(object_store, "_TIMEOUT_S", 1)
    monkeypatch.setattr(object_store, "_RETRIES", 2)
    object_store._client.cache_clear()
    yield
    object_store._client.cache_clear()


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("late", [True, False], ids=["after it is done", "before it is done"])
def test_the_winner_whose_answer_is_lost_learns_that_it_won(
    s3_server: ObjectServer, s3_bucket: str, late: bool
) -> None:
    store = store_at(located(s3_bucket))
    with s3_server.failing(Fault(lambda number, _: number == 0, delay_s=1.8, late=late)) as fault:
        assert store.put_if_absent("plan.json", b"mine")
    assert fault.met == 1
    assert store.get("plan.json") == b"mine"


@pytest.mark.usefixtures("impatient")
def test_a_store_that_never_answers_is_told(s3_server: ObjectServer, s3_bucket: str) -> None:
    store = store_at(located(s3_bucket))
    with s3_server.failing(Fault(lambda *_: True, refused=True)), pytest.raises(OutputError) as caught:
        store.put_if_absent("plan.json", b"mine")
    assert str(caught.value) == (
        f"{s3_bucket}/plan.json cannot be written (SlowDown: Reduce your request rate.): check the network, "
        "credentials, region and endpoint in the environment, then run the same command again"
    )


@pytest.mark.usefixtures("impatient")
def test_a_large_lexicon_whose_upload_fails_is_not_seen_and_leaves_no_pieces(
    s3_server: ObjectServer, s3_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_store, "_PIECE_BYTES", 5 << 20)
    store, large = store_at(located(s3_bucket)), os.urandom(12 << 20)
    with (
        s3_server.failing(Fault(lambda _, environ: "partNumber=2" in environ["QUERY_STRING"], refused=True)) as fault,
        pytest.raises(OutputError, match=r"lexicon\.tsv cannot be written \(SlowDown: Reduce your request rate\.\)"),
    ):
        store.publish("lexicon.tsv", lambda draft: draft.write_bytes(large) and None)
    assert fault.met > 1
    assert store.get("lexicon.tsv") is None
    assert "Uploads" not in s3_server.client().list_multipart_uploads(Bucket=s3_bucket.removeprefix("s3://"))
    store.publish("lexicon.tsv", lambda draft: draft.write_bytes(large) and None)
    assert store.get("lexicon.tsv") == large


def test_a_damaged_part_is_set_aside_and_its_shard_done_again(tmp_path: Path, s3_bucket: str) -> None:
    job = in_bucket(tmp_path, s3_bucket)
    attempt(job)
    part = job.run.receipts(job.run.require_plan())[1].part.file
    data = job.run.store.get(part)
    assert data is not None
    job.run.store.put(part, data[:100] + bytes([data[100] ^ 4]) + data[101:])
    store_at(located(s3_bucket)).remove("lexicon.tsv")
    said = list[str]()
    job(fake_decoding(), said.append)
    assert job.lexicon() == LEXICON
    assert any("damaged (000001)" in text for text in said)
    assert [entry.name for entry in job.run.store.list("damaged") if "part-000001" in entry.name]


def test_data_that_nothing_names_is_collected_by_its_age(
    tmp_path: Path, s3_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = in_bucket(tmp_path, s3_bucket)
    attempt(job)
    orphan = "parts/part-000000-ffffffffffff.parquet"
    job.run.store.put(orphan, b"left")
    plan = job.run.require_plan()
    receipts = job.run.receipts(plan)
    assert leftovers.collect_leftovers(job.run, plan, receipts) == 0
    monkeypatch.setattr(leftovers, "LEFTOVER_S", -1.0)
    assert leftovers.collect_leftovers(job.run, plan, receipts) == 1
    assert job.run.store.get(orphan) is None
    store_at(located(s3_bucket)).remove("lexicon.tsv")
    job(no_model())
    assert job.lexicon() == LEXICON


def test_nothing_temporary_is_left_on_this_machine(
    tmp_path: Path, s3_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    attempt(in_bucket(tmp_path, s3_bucket))
    assert list(folder.iterdir()) == []


def command(*arguments: str) -> tuple[int, str]:
    ran = CliRunner().invoke(main, list(arguments))
    return ran.exit_code, ran.output


def test_commands_take_urls(tmp_path: Path, s3_bucket: str) -> None:
    place = f"{s3_bucket}/big.run"
    words = put(s3_bucket, "words.tsv", "word\tlang\nStraße\tger\n".encode())
    assert command("plan", words, "--run-dir", place)[0] == 0
    assert command("status", place)[1].startswith("0 of 1 shard done, 0 of 1 word.")
    code, said = command("merge", place, "-o", f"{s3_bucket}/lexicon.tsv")
    assert (code, said) == (
        1,
        f"Error: 1 shard of {place} missing (000000): do them with `g2p-batch run {place}`, "
        "or take what is there with --partial\n",
    )
    code, said = command("plan", words, "--run-dir", place, "--lexicon", f"ger={s3_bucket}/old.dict")
    assert (code, said) == (2, f"Error: --lexicon {s3_bucket}/old.dict is in a bucket: copy it to this machine first\n")
    for name in ("dict", "{lang}"):
        code, said = command("merge", place, "-o", f"{s3_bucket}/{name}", "--format", "kaldi-dict")
        assert (code, "cannot appear at once in a bucket" in said) == (2, True)


def put(bucket: str, name: str, data: bytes) -> str:
    store_at(located(bucket)).put(name, data)
    return f"{bucket}/{name}"


def test_a_run_knows_its_input_by_the_entity_tag(tmp_path: Path, s3_bucket: str) -> None:
    tsv = b"word\tlang\neau\tfra\n"
    words = put(s3_bucket, "words.tsv", tsv)
    job = in_bucket(tmp_path, s3_bucket)
    job = job.planned(words=WordLists((words,)))
    attempt(job)
    put(s3_bucket, "words.tsv", tsv)  # the same content again
    job(no_model())
    put(s3_bucket, "words.tsv", tsv.replace(b"eau", b"mot"))
    with pytest.raises(RunError, match=rf"was planned for {words}, which was another object or another version"):
        job(no_model())


def test_errors_name_the_place_and_hold_no_secret(tmp_path: Path, s3_server: ObjectServer, s3_bucket: str) -> None:
    with pytest.raises(OutputError, match=r"s3://no-such-bucket-here/run.*NoSuchBucket.*create the bucket"):
        job_in(tmp_path).planned(run_dir=located("s3://no-such-bucket-here/run"))(no_model())
    with pytest.raises(OutputError, match=r"s3://no-such-bucket-here .*NoSuchBucket.*create the bucket"):
        job_in(tmp_path).written(path=located("s3://no-such-bucket-here/lexicon.tsv"))
    with pytest.raises(UsageError, match="is a bucket: add the name of the lexicon"):
        job_in(tmp_path).written(path=located(s3_bucket))()
    body = f"<Error><Code>SignatureDoesNotMatch</Code><Message>No {SECRET}</Message><Signed>{SECRET}</Signed></Error>"
    denied = Fault(lambda *_: True, refused=True, answer=("403 Forbidden", body.encode()))
    with s3_server.failing(denied), pytest.raises(OutputError) as caught:
        in_bucket(tmp_path, s3_bucket)()
    assert str(caught.value) == (
        f"{s3_bucket} cannot be listed (SignatureDoesNotMatch: No ***): correct the credentials in the environment"
    )
