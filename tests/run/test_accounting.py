"""Every row of any input is in the lexicon, a duplicate of one that is, or a reject: none is lost or counted twice."""

import random
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from g2p_batch.model.alphabet import read_alphabets
from g2p_batch.model.shipped import shipped
from g2p_batch.run.plan import planned
from g2p_batch.run.run_directory import Plan, RunDir
from g2p_batch.signals import Stop
from g2p_batch.storage.tables import decoded
from g2p_batch.words.filter import REASONS, SpellingMode, Unseen
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
