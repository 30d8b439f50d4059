"""Every row of any input is in the lexicon, a duplicate of one that is, or a reject: none is lost or counted twice."""

import json
import random
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from g2p_batch.driver import merge_run, run_plan
from g2p_batch.formats.existing import ExistingLexicon
from g2p_batch.model.alphabet import read_alphabets
from g2p_batch.model.shipped import shipped
from g2p_batch.run.conform import Unwanted
from g2p_batch.run.plan import planned
from g2p_batch.run.run_directory import Plan, RunDir
from g2p_batch.signals import Stop
from g2p_batch.storage.tables import decoded
from g2p_batch.words.filter import REASONS, SpellingMode, Unseen
from g2p_batch.workers.remaining import ArrayTask
from tests.helpers.runs import CONTRACT, Job, fake_decoding, job_in

SPELT = replace(CONTRACT, alphabets=read_alphabets(shipped("configs/models/charsiu_alphabet.json")))
"""With what the model knows of letters; of French and German nothing."""
CELLS = st.one_of(
    st.sampled_from(
        ["", " ", "a", "A", "é", "e\u0301", "\u202eabc", "\x00", "\x1b", '"', "a b", "x" * 80, "ß" * 31, "1984", "日本"]
    ),
    st.text(max_size=12),
    st.text("aEé’-. \u00ad日9ς", max_size=6),
)
LANGS = st.sampled_from([*CONTRACT.languages, "xx", "", "en-US", "cmn"])


def accounted(run: RunDir, plan: Plan) -> Counter[int]:
    """Return how often each row is named, as a word or as a reject."""
    words = [decoded(run.whole(shard.data) or b"")["row"].to_pylist() for shard in plan.shards]
    rejects = [decoded(run.whole(piece) or b"")["row"].to_pylist() for piece in plan.rejected]
    return Counter(row for rows in (*words, *rejects) for row in rows)


def check(job: Job, rows: int) -> Plan:
    plan = planned(job.options, job.run, Stop())
    assert plan.rows_in == rows
    assert plan.rows_in == plan.words + plan.duplicates + sum(plan.rejects.values())
    assert set(plan.rejects) <= set(REASONS)
    named = accounted(job.run, plan)
    assert set(named.values()) <= {1}
    assert set(named) <= set(range(1, rows + 1))
    assert len(named) + plan.duplicates == rows
    return plan


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(CELLS, LANGS), min_size=1, max_size=40),
    st.integers(1, 7),
    st.sampled_from(["on", "off"]),
    st.sampled_from(["keep", "reject"]),
)
def test_rows_in_are_words_and_duplicates_and_rejects(
    rows: list[tuple[str, str]], shard_words: int, spelling: SpellingMode, unseen: Unseen
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        words, langs = zip(*rows, strict=True)
        table = pa.table({"word": pa.array(words, pa.string()), "lang": pa.array(langs, pa.string())})
        job = job_in(Path(folder), b"").planned(
            contract=SPELT, shard_words=shard_words, spelling=spelling, unseen=unseen
        )
        path = Path(folder) / "words.parquet"
        pq.write_table(table, path)
        source = type(job.options.words)((str(path),))
        plan = check(job.planned(words=source), len(rows))
        assert all(shard.words <= max(shard_words, 1) for shard in plan.shards)


@settings(max_examples=8, deadline=None)
@given(st.lists(st.tuples(CELLS.filter(lambda c: "\t" not in c), LANGS), min_size=1, max_size=30))
def test_the_lexicon_holds_each_planned_word_once_with_its_first_row(rows: list[tuple[str, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        words, langs = zip(*rows, strict=True)
        path = Path(folder) / "words.parquet"
        pq.write_table(pa.table({"word": pa.array(words), "lang": pa.array(langs)}), path)
        job = job_in(Path(folder), b"").written(path=Path(folder) / "lexicon.parquet")
        job = job.planned(contract=SPELT, words=type(job.options.words)((str(path),)))
        summary = job(fake_decoding(contract=SPELT))
        lexicon = pq.read_table(job.output.path)
        assert summary.rows_in == len(rows) == len(lexicon) + summary.duplicates + summary.rejected
        assert len(set(zip(lexicon["word"].to_pylist(), lexicon["lang"].to_pylist(), strict=True))) == len(lexicon)
        assert lexicon["input_row"].to_pylist() == sorted(lexicon["input_row"].to_pylist())


HELD: dict[str, Callable[[Path], list[tuple[str, str]]]] = {
    ".parquet": lambda path: [(row["lang"], row["word"]) for row in pq.read_table(path).to_pylist()],
    ".dict": lambda path: [(path.stem, line.partition("\t")[0]) for line in path.read_text("utf-8").splitlines()],
    ".jsonl": lambda path: [
        (row["lang"], row["word"]) for row in map(json.loads, path.read_text("utf-8").splitlines())
    ],
}
"""Language and word of every row of a lexicon."""


@pytest.mark.parametrize("name", ["lexicon.parquet", "{lang}.dict", "{lang}.jsonl"])
def test_what_a_format_refuses_is_counted_as_rejected_and_nowhere_else(tmp_path: Path, name: str) -> None:
    """`h` has no pronunciation, and one of the variants of `eau` no phones: what a dictionary refuses, others hold."""
    (tmp_path / "old.tsv").write_text("word\tlang\tpron\neau\tfra\to\neau\tfra\ta\nsto\tita\t-\n", encoding="utf-8")
    old = (ExistingLexicon(tmp_path / "old.tsv"),)
    (tmp_path / "out").mkdir()
    job = job_in(tmp_path).planned(lexicons=old).written(path=tmp_path / "out" / name, unwanted=Unwanted(("invalid",)))
    summary = job()
    rows = {row for path in (tmp_path / "out").iterdir() for row in HELD[path.suffix](path)}
    rejected = Counter(line.split("\t")[3] for line in job.rejects().splitlines()[1:])
    assert summary.rejects == rejected
    assert rejected["invalid"] == 1
    assert (rejected["no_phones"] > 0) == name.endswith(".dict")
    assert summary.words == len(rows) == sum(summary.languages.values())
    assert summary.languages == Counter(lang for lang, _ in rows)
    assert summary.rows_in == summary.words + summary.duplicates + summary.rejected
    assert summary.decoded_words == 8
    review = job.run.store.get("review.tsv") or b""
    doubtful = sum(words for status, words in summary.statuses.items() if status != "ok")
    assert doubtful == len(review.decode().splitlines()) - 1
    assert f"{len(rows)} words, 1 duplicate, {sum(rejected.values())} rejected." in summary.to_text()


def test_a_partial_lexicon_counts_its_own_words_and_those_that_are_missing(tmp_path: Path) -> None:
    job = job_in(tmp_path)
    plan = planned(job.options, job.run, Stop())
    run_plan(job.run.root, ArrayTask(0, 3), fake_decoding())
    summary = merge_run(job.run.root, job.written(partial=True).output, lambda _: None)
    assert summary.words == sum(summary.languages.values()) == len(job.lexicon().splitlines()) - 1 == 4
    assert plan.rows_in == summary.words + summary.missing_words + summary.duplicates + summary.rejected


PIECES = [
    b"", b" ", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\x00", b"\x07", b"\x7f", b'"', b'""', b"'", b"\\", b"word", b"#",
    "é".encode(), b"e" + "\u0301".encode() * 40, "\u202eעברית".encode(), "👩\u200d👧".encode(), "𝔴".encode(),
    b"a" * 300, "\ufeff".encode(), "\u2028".encode(), b"-1e9", b"NULL", b"=1+1",
]  # fmt: skip


def test_two_hundred_thousand_hostile_rows_end_as_words_or_rejects(tmp_path: Path) -> None:
    chance = random.Random(7)
    langs = [tag.encode() for tag in (*CONTRACT.languages, "xx", "")]
    lines = []
    for _ in range(200_000):
        word = b"".join(chance.choices(PIECES, k=chance.randrange(1, 4)))
        ragged = chance.random()
        cells = [word] if ragged < 0.02 else [word, chance.choice(langs)] + ([b"more"] if ragged > 0.98 else [])
        lines.append(b"\t".join(cells))
    lines[1000] = b"a" * 10_000_000 + b"\tfra"
    job = job_in(tmp_path, b"word\tlang\n" + b"\n".join(lines) + b"\n").planned(contract=SPELT, shard_words=65536)
    plan = check(job, 200_000)
    assert plan.words > 5_000
    reasons = {"empty", "invalid_utf8", "control_character", "unknown_language", "too_long", "ragged"}
    assert reasons | {"no_known_letter"} <= set(plan.rejects)
    assert planned(job.options, job.run, Stop()) == plan
