"""The page of a run: right figures, finished or not, in bounded memory, and safe whatever words hold."""

import os
import re
import shutil
import subprocess
import unicodedata
from collections import Counter
from dataclasses import replace
from html import escape
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from g2p_batch import cli
from g2p_batch.driver import merge_run, plan_run
from g2p_batch.errors import RunError
from g2p_batch.formats.lexicon import LEXICON, STATUSES
from g2p_batch.reporting import details, write_report
from g2p_batch.reporting.charts import Chart, Column, chart
from g2p_batch.reporting.facts import Facts, facts_of
from g2p_batch.reporting.figures import range_of
from g2p_batch.reporting.histogram import Bar, Histogram
from g2p_batch.reporting.lowest import Lowest
from g2p_batch.reporting.markup import Html, bytes_of, duration, el, joined, number
from g2p_batch.reporting.markup import given as shown
from g2p_batch.reporting.pace import pace_of
from g2p_batch.reporting.page import page
from g2p_batch.reporting.rejected import Example, examples
from g2p_batch.run.lookup import Existing
from g2p_batch.run.run_directory import REPORT, Content, Quarantine, Receipt, RunDir
from g2p_batch.run.status import busy_s
from g2p_batch.words.filter import REASONS
from tests.helpers.runs import CONTRACT, Job, fake_team, job_in

VOID = {"meta", "br", "wbr"}
HOSTILE = (
    "<script>alert(1)</script>",
    '"onload="x',
    "&lt;b&gt;",
    "\u202eabc",
    "e" + "\u0301" * 12,
    "שלום",
    "]]>",
    "x" * 1000,
    "</bdi></table>",
)


class Page(HTMLParser):
    """A page taken apart; refuses elements that are not closed in turn."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str]] = []
        self.pictures: list[dict[str, str | None]] = []
        self.isolated: list[str] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag == "svg":
            self.pictures.append(dict(attrs))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.words += data.split()
        if self._open and self._open[-1] == "bdi":
            self.isolated.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.words)


def read(run: RunDir) -> Facts:
    return facts_of(run, run.require_plan())


def page_of(run: RunDir) -> Page:
    return Page(page(read(run)))


def accounted(facts: Facts) -> int:
    plan = facts.plan
    return facts.words + facts.missing_words + plan.known + plan.duplicates + sum(plan.rejects.values())


def quiet(_text: str) -> None:
    """Say nothing."""


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Job:
    job = job_in(tmp_path_factory.mktemp("original"))
    job(fake_team(workers=1))
    return job


@pytest.fixture
def done(original: Job, tmp_path: Path) -> Job:
    """A finished run of the test's own."""
    shutil.copytree(original.planning.run_dir, tmp_path / "run")
    return original.planned(run_dir=tmp_path / "run")


def test_the_figures_of_a_run_are_those_of_its_words(done: Job) -> None:
    facts = read(done.run)
    assert (facts.plan.rows_in, facts.words, facts.missing_words, facts.missing) == (13, 10, 0, [])
    assert accounted(facts) == 13
    assert facts.statuses == {"ok": 6, "empty": 1, "invalid": 1, "invalid_utf8": 1, "truncated": 1}
    assert facts.tally.words == facts.plan.languages == facts.tally.scored
    assert facts.tally.doubtful == {"fra": 1, "ita": 1, "mri": 1, "ron": 1}
    assert facts.tally.sums.total == facts.tally.word_lengths.total == facts.tally.pron_lengths.total == 10
    lexicon = [line.split("\t") for line in done.lexicon().splitlines()[1:]]
    assert [facts.tally.pron_lengths.counts[size] for size in (0, 1, 128)] == [1, 1, 1]
    assert facts.tally.word_lengths.counts[5] == sum(len(word) == 5 for word, _, _ in lexicon) == 2
    assert facts.pace is not None
    assert (facts.pace.words, facts.pace.workers) == (10, {r.worker for r in facts.receipts.values()})
    assert facts.engine == ("fa" * 32, "fake float32")


def test_the_lowest_scored_words_come_with_what_was_said_of_them(done: Job) -> None:
    facts = read(done.run)
    lowest = facts.tally.lowest.overall().to_pylist()
    assert len(lowest) == 10
    assert [row["logprob"] for row in lowest] == sorted(row["logprob"] for row in lowest)
    assert (lowest[0]["word"], lowest[0]["status"], lowest[0]["pron"]) == ("sto", "truncated", "x" * 128)
    total = sum(row["logprob"] for row in lowest)
    assert sum(facts.tally.score.values()) == pytest.approx(total)


def test_the_page_says_the_figures_and_the_settings(done: Job) -> None:
    text = page_of(done.run).text
    plan = done.run.require_plan()
    for told in (
        "Complete",
        "13 rows read became:",
        "10 pronounced by the model",
        "1 duplicate ",
        "2 rejected",
        "4 marked to check",
        "Finnish fin 1",
        "unknown_ language a language that the model does not know 1 world eng-gb , row 10",
        CONTRACT.checkpoint_sha256,
        "space",
        "fake float32",
        plan.id,
        str(plan.fingerprint.inputs[0].path),
        str(plan.fingerprint.inputs[0].sha256),
        f"{plan.fingerprint.inputs[0].size_bytes:,} bytes",
        str(done.merging.output),
    ):
        assert told in text, told
    assert "missing:" not in text


def test_words_of_existing_lexicons_are_counted_apart_and_have_no_score(tmp_path: Path) -> None:
    known = tmp_path / "known.tsv"
    known.write_text("word\tlang\tpron\nhello\teng-us\ta\nhello\teng-us\tbcd\n", encoding="utf-8")
    job = job_in(tmp_path).planned(lexicons=(Existing(known),))
    job(fake_team(workers=1))
    facts = read(job.run)
    assert (facts.words, facts.plan.known, accounted(facts)) == (9, 1, 13)
    assert (facts.tally.words["eng-us"], facts.tally.scored["eng-us"]) == (1, 0)
    assert (facts.tally.word_lengths.total, facts.tally.pron_lengths.total) == (10, 11)
    assert "1 from existing lexicons" in page_of(job.run).text


def test_words_that_a_format_cannot_hold_are_rejects_with_examples(tmp_path: Path) -> None:
    job = job_in(tmp_path, "word\tlang\nfoo bar\tfra\nhello\tfra\n").merged(
        format="kaldi", output=tmp_path / "lexicon.txt"
    )
    job(fake_team(workers=1))
    facts = read(job.run)
    ((reason, found),) = facts.examples.items()
    assert (facts.rejects, facts.plan.rejects, accounted(facts)) == ({reason: 1}, {}, 2)
    assert found == [Example("1", "fra", "foo bar")]
    assert "the format of the lexicon cannot hold 1: they are listed" in page_of(job.run).text


def test_what_the_merge_found_among_phones_is_told(tmp_path: Path) -> None:
    job = job_in(tmp_path, "word\tlang\n漢h\tfra\n").merged(format="kaldi", output=tmp_path / "lexicon.txt")
    job(fake_team(workers=1))
    assert read(job.run).summary is not None
    text = page_of(job.run).text
    assert "Symbols that are not IPA" in text
    assert "漢 1" in text


def test_a_run_that_is_only_planned_has_a_page(tmp_path: Path) -> None:
    job = job_in(tmp_path)
    plan_run(job.planning, quiet)
    facts = read(job.run)
    assert (facts.words, facts.missing_words, facts.pace, facts.engine, facts.summary) == (0, 10, None, None, None)
    text = page_of(job.run).text
    assert "Unfinished" in text
    assert "0 of 3 shards done, 10 words missing" in text
    assert "Nothing is decoded yet." in text
    assert "No word has a score." in text


def test_an_unfinished_run_says_what_is_missing(done: Job) -> None:
    (done.planning.run_dir / "done" / "000001.json").unlink()
    reason = "worker died <now>"
    done.run.quarantine(Quarantine(1, done.run.require_plan().id, ("first", reason)))
    facts = read(done.run)
    assert (facts.missing, facts.missing_words, accounted(facts)) == ([1], 4, 13)
    assert sum(facts.tally.words.values()) == facts.words == 6
    text = page_of(done.run).text
    assert "2 of 3 shards done, 4 words missing" in text
    assert "Missing shards: 000001." in text
    assert f"Shard 000001 was given up: {reason} ." in text


def test_words_of_a_damaged_part_are_missing_and_nothing_is_changed(done: Job) -> None:
    part = done.planning.run_dir / done.run.receipts(done.run.require_plan())[0].part.file
    part.write_bytes(part.read_bytes()[:-1])
    before = {path: path.stat().st_mtime_ns for path in done.planning.run_dir.rglob("*")}
    facts = read(done.run)
    assert (facts.missing, accounted(facts)) == ([0], 13)
    assert facts.damaged == (str(part.relative_to(done.planning.run_dir)),)
    assert f"Missing or damaged: {facts.damaged[0]} ." in page_of(done.run).text
    assert {path: path.stat().st_mtime_ns for path in done.planning.run_dir.rglob("*")} == before


def test_of_many_things_a_few_are_told_one_by_one(done: Job) -> None:
    facts = read(done.run)
    plan, (one,) = facts.plan, facts.plan.fingerprint.inputs
    inputs = tuple(replace(one, path=f"/in/{number},x") for number in range(130))
    many = replace(
        facts,
        plan=replace(plan, fingerprint=replace(plan.fingerprint, inputs=inputs)),
        given_up={shard: Quarantine(shard, plan.id, ("why",)) for shard in range(9)},
        damaged=tuple(f"parts/{number}" for number in range(6)),
    )
    text = Page(page(many)).text
    assert (text.count("was given up"), text.count("Missing or damaged"), text.count("/in/")) == (5, 5, 100)
    assert "4 more given up." in text
    assert "1 more damaged." in text
    assert "And 30 more, which plan.json lists." in text


def test_a_lexicon_that_lacks_words_is_told_from_one_that_does_not(done: Job) -> None:
    receipt = done.planning.run_dir / "done" / "000001.json"
    kept = receipt.read_bytes()
    receipt.unlink()
    merge_run(done.planning.run_dir, replace(done.merging, partial=True), quiet)
    receipt.write_bytes(kept)
    text = page_of(done.run).text
    assert "Complete" in text
    assert "The lexicon was written while 4 words were missing." in text


def test_a_summary_of_another_plan_or_a_damaged_one_is_none(done: Job) -> None:
    path = done.planning.run_dir / "run-summary.json"
    whole = path.read_text(encoding="utf-8")
    for text in (whole.replace(done.run.require_plan().id, "0" * 64), whole[:-20], "[]", ""):
        path.write_text(text, encoding="utf-8")
        assert read(done.run).summary is None


def test_the_page_is_the_same_each_time_and_goes_with_a_restart(done: Job) -> None:
    path = done.planning.run_dir / REPORT
    write_report(done.run, path)
    first = path.read_bytes()
    write_report(done.run, path)
    assert path.read_bytes() == first
    done.planned(restart=True)(fake_team(workers=1))
    assert not path.exists()


def test_hostile_words_are_text_and_apart_from_what_is_around_them(tmp_path: Path) -> None:
    text = "word\tlang\n" + "".join(f"{word}\tfra\n{word}\tzz<b>\n" for word in HOSTILE) + "a\x01b\tfra\n"
    job = job_in(tmp_path, text)
    job(fake_team(workers=1))
    assert read(job.run).rejects == {"unknown_language": len(HOSTILE), "control_character": 1, "too_long": 1}
    found = page_of(job.run)
    assert not {"script", "img", "iframe", "link", "object"} & set(found.tags)
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    pronounced = {unicodedata.normalize("NFC", word) for word in HOSTILE if len(word) < 1000}
    assert pronounced <= set(found.isolated)
    assert {"zz<b>", "x" * 80 + "…", r"a\x01b"} <= set(found.isolated)
    assert "\u202e" not in found.text.replace("\u202eabc", "")


def test_the_page_loads_nothing(done: Job) -> None:
    text = page(read(done.run))
    found = Page(text)
    assert not [value for name, value in found.attributes if name in {"src", "href", "action", "srcset", "data"}]
    assert "://" not in text
    assert "url(" not in text
    assert "@import" not in text
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in found.attributes


def test_every_chart_has_a_text_and_its_numbers_as_a_table(done: Job) -> None:
    found = page_of(done.run)
    ids = [value for name, value in found.attributes if name == "id"]
    named = [one for name, value in found.attributes if name == "aria-labelledby" for one in value.split()]
    assert len(set(ids)) == len(ids)
    assert set(named) == set(ids)
    assert len(found.pictures) > 10
    for picture in found.pictures:
        assert ("aria-hidden" in picture) != ("aria-labelledby" in picture or "aria-label" in picture)
        assert ("aria-hidden" in picture) != (picture.get("role") == "img")
    assert found.tags["figure"] == found.text.count("As a table") == 5


def test_a_chart_draws_columns_by_their_share_of_the_top() -> None:
    drawn = Chart("c", "T", "N", (Column("a", 600), Column("b", 0), Column("<c>", 1, "x")), "kind", "words")
    text = chart(drawn)
    assert [part.split('"')[0] for part in text.split('height="')[1:] if 'class="c"' in part.split(">")[0]] == [
        *("100.00", "0.00", "0.80")
    ]
    for part in ("<td>&lt;c&gt;</td>", '<td class="n">600</td>', '<span style="left:66.67%">x</span>'):
        assert part in text


def rows_of(words: list[tuple[str, str, float | None]]) -> pa.Table:
    """Return rows of schema `LEXICON`: language, word and score."""
    langs, spelt, scores = zip(*words, strict=True) if words else ((), (), ())
    count = len(words)
    columns = {
        "word": spelt,
        "lang": langs,
        "rank": [1] * count,
        "pron": spelt,
        "phones": [None] * count,
        "logprob": scores,
        "source": ["model"] * count,
        "status": ["ok"] * count,
        "input_row": range(count),
    }
    return pa.table({name: pa.array(columns[name], LEXICON.field(name).type) for name in LEXICON.names}, LEXICON)


WORDS = st.lists(
    st.tuples(
        st.sampled_from(["fra", "ger", "zz"]),
        st.text("abc", min_size=1, max_size=3),
        st.one_of(st.none(), st.sampled_from([0.0, -0.5, -1.0, -2.5, float("nan")])),
    ),
    max_size=40,
)


@given(st.lists(WORDS, max_size=5), st.integers(1, 6))
def test_the_lowest_are_the_same_in_whatever_parts_words_come(
    parts: list[list[tuple[str, str, float | None]]], most: int
) -> None:
    lowest = Lowest(most)
    for part in parts:
        lowest.add(rows_of(part))
    scored = [(score, lang, word) for part in parts for lang, word, score in part if score is not None and score <= 0]
    by_language = {tag: sorted(one for one in scored if one[1] == tag)[:most] for tag in ("fra", "ger", "zz")}

    def listed(rows: pa.Table) -> list[tuple[float, str, str]]:
        return [(row["logprob"], row["lang"], row["word"]) for row in rows.to_pylist()]

    assert {tag: listed(lowest.of(tag)) for tag in by_language} == by_language
    assert listed(lowest.overall()) == sorted(scored)[:most]


def test_many_words_leave_few_in_memory() -> None:
    lowest, before = Lowest(50), pa.total_allocated_bytes()
    for start in range(0, 200_000, 20_000):
        words = [(("fra", "ger")[i % 2], f"w{i}", float(-i)) for i in range(start, start + 20_000)]
        lowest.add(rows_of(words))
    assert lowest.kept == 100
    assert pa.total_allocated_bytes() - before < 100_000


VALUES = st.lists(st.floats(-30, 5), min_size=1, max_size=60)


@given(VALUES, st.integers(2, 40))
def test_bars_hold_every_value_once_side_by_side(values: list[float], most: int) -> None:
    counts = Histogram(-20.0, 0.01, 2000)
    counts.add(np.array([*values, np.nan]))
    bars = [*counts.bars(most)]
    assert len(bars) <= most
    assert sum(bar.count for bar in bars) == counts.total == len(values)
    assert all(left.high == right.low for left, right in pairwise(bars))
    for bar in bars[1:-1]:
        assert bar.count == sum(bar.low - 1e-8 <= value < bar.high - 1e-8 for value in values)


@given(VALUES, st.sampled_from([0.01, 0.05, 0.5, 1.0]))
def test_a_quantile_is_right_to_the_width_of_a_bin(values: list[float], share: float) -> None:
    counts = Histogram(-20.0, 0.01, 2000)
    counts.add(np.array(values))
    true = sorted(min(max(value, -20.0), -0.01) for value in values)[max(1, int(np.ceil(share * len(values)))) - 1]
    assert true - 1e-5 <= counts.quantile(share) <= true + 0.01 + 1e-5


def test_far_values_do_not_flatten_the_rest() -> None:
    counts = Histogram(-200.0, 0.01, 20_000)
    counts.add(np.concatenate([np.linspace(-1, 0, 10_000), [-190.0, -150.0]]))
    first, *rest = counts.bars(30)
    assert (first.low, first.high) == (float("-inf"), rest[0].low)
    assert -1.1 < first.high < -0.9
    assert len(rest) >= 10


@pytest.mark.parametrize(
    ("bar", "digits", "wanted"),
    [
        (Bar(3, 4, 1), 0, "3"),
        (Bar(5, 10, 1), 0, "5 to 9"),
        (Bar(20, float("inf"), 1), 0, "20 and more"),
        (Bar(float("-inf"), 3, 1), 0, "below 3"),
        (Bar(-3, -2, 1), 2, "−3.00 to −2.00"),
        (Bar(float("-inf"), -3.5, 1), 2, "below −3.50"),
    ],
)
def test_a_bar_is_named_by_what_it_holds(bar: Bar, digits: int, wanted: str) -> None:
    assert range_of(bar, digits) == wanted


def receipt(number: int, start_s: float, seconds: float, words: int, worker: str = "a:1") -> Receipt:
    nothing = Content("parts/none", 0, "")
    return Receipt(number, "plan", "engine", words, nothing, {"ok": words}, worker, seconds, start_s + seconds)


def test_speed_is_by_time_and_by_workers_at_work_without_breaks() -> None:
    pace = pace_of([receipt(0, 1000, 10, 100), receipt(1, 1005, 10, 300, "b:2"), receipt(2, 9000, 5, 50)])
    assert (pace.first_s, pace.last_s, pace.busy_s, pace.words, pace.words_per_s) == (1000, 9005, 20, 450, 22.5)
    assert (pace.breaks, pace.breaks_s, pace.workers) == (1, 9000 - 1015, {"a:1", "b:2"})
    assert [(one.least, one.most, one.seconds, one.worker_seconds) for one in pace.together] == [
        (1, 1, 15, 15),
        (2, 2, 5, 10),
    ]
    assert [(one.words_per_s, one.words_per_worker_s) for one in pace.together] == [(250 / 15, 250 / 15), (40, 20)]
    edge = 20 / 3
    assert [span.start_s for span in pace.spans] == pytest.approx([0, edge, 2 * edge])
    assert [span.words for span in pace.spans] == pytest.approx([50 + 40 * 5 / 3, (40 + 30) * 10 / 3, 30 * 5 / 3 + 50])
    assert [span.workers for span in pace.spans] == pytest.approx([(5 + 2 * 5 / 3) / edge, (2 + 1) * 10 / 3 / edge, 1])


def test_many_workers_are_summed_up_by_doublings() -> None:
    pace = pace_of([receipt(number, 0.0, 10.0 + number, 100, f"a:{number}") for number in range(40)])
    ranges = [(one.least, one.most) for one in pace.together]
    assert ranges == [*((n, n) for n in range(1, 9)), (9, 16), (17, 32), (33, 64)]
    assert [one.seconds for one in pace.together] == pytest.approx([1] * 8 + [8, 16, 7 + 10])


RECEIPTS = st.lists(
    st.tuples(st.floats(1.7e9, 1.7e9 + 500), st.floats(0, 80), st.integers(1, 70_000)), min_size=1, max_size=70
)


@given(RECEIPTS)
def test_no_word_and_no_second_is_lost_between_spans(shards: list[tuple[float, float, int]]) -> None:
    receipts = [receipt(number, *shard) for number, shard in enumerate(shards)]
    pace = pace_of(receipts)
    words = sum(shard[2] for shard in shards)
    assert pace.words == words
    assert sum(span.words for span in pace.spans) == pytest.approx(words, rel=1e-4)
    assert sum(one.words for one in pace.together) == pytest.approx(words, rel=1e-4)
    assert sum(one.seconds for one in pace.together) == pytest.approx(pace.busy_s)
    assert pace.busy_s == pytest.approx(busy_s(receipts), abs=0.002 * len(receipts))


REJECTS = "row\tlang\tword\treason\n1\tfra\t\tempty\n2\t\ta\tunknown\nbroken\n" + "3\tfra\tb\tunknown\n" * 9


def test_examples_are_the_first_rows_of_each_reason(tmp_path: Path) -> None:
    path = tmp_path / "rejects.tsv"
    path.write_text(REJECTS, encoding="utf-8")
    assert examples(path, {"empty": 1, "unknown": 10, "absent": 3}) == {
        "empty": [Example("1", "fra", "")],
        "unknown": [Example("2", "", "a"), *[Example("3", "fra", "b")] * 3],
        "absent": [],
    }
    assert examples(tmp_path / "absent.tsv", {"empty": 1}) == {"empty": []}


def test_every_status_and_reason_is_explained() -> None:
    assert set(details.STATUS_MEANINGS) == set(STATUSES)
    assert set(details.REASON_MEANINGS) == set(REASONS)


def test_only_what_is_made_as_markup_is_markup() -> None:
    made = el("p", "<&", el("b", "x>"), title='"<', class_="c", aria_label=None)
    assert made == '<p title="&quot;&lt;" class="c">&lt;&amp;<b>x&gt;</b></p>'
    assert joined(f"{el('b')}") == "&lt;b&gt;&lt;/b&gt;"
    assert isinstance(joined("a"), Html)


@pytest.mark.parametrize(
    ("text", "lang", "wanted"),
    [
        ("a\tb", None, r"<bdi>a\tb</bdi>"),
        ("a\x85\u2028", "fra", r'<bdi lang="fr">a\x85\u2028</bdi>'),
        ("é" * 80, "no such", f"<bdi>{'é' * 80}</bdi>"),
        ("é" * 81, "zho-t", f'<bdi lang="zh-Hant">{"é" * 80}…</bdi><small> (81 characters)</small>'),
    ],
)
def test_text_from_elsewhere_is_shown_in_one_line_of_its_own_direction(
    text: str, lang: str | None, wanted: str
) -> None:
    assert shown(text, lang) == wanted


def test_numbers_are_said_for_people() -> None:
    assert [number(-0.126, 2), number(1234567), number(-1234.5, 1)] == ["−0.13", "1,234,567", "−1,234.5"]
    assert [*map(duration, (0.04, 59.94, 60, 3599.6, 90_061))] == [
        "0.04 s",
        "59.9 s",
        "1 min 0 s",
        "1 h 0 min",
        "25 h 1 min",
    ]
    assert [*map(bytes_of, (0, 1023, 1024, 5 << 20, 3 << 40))] == [
        *("0 bytes", "1,023 bytes", "1.0 KiB", "5.0 MiB", "3,072.0 GiB")
    ]


def run_cli(*arguments: str | Path) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli.main, ["report", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def test_the_command_writes_the_page_and_says_where(done: Job, tmp_path: Path) -> None:
    folder = done.planning.run_dir
    assert run_cli(folder) == (0, "", f"Report: {folder / 'report.html'}\n")
    assert run_cli(folder, "-o", tmp_path / "page.html") == (0, "", f"Report: {tmp_path / 'page.html'}\n")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert text == (folder / "report.html").read_text(encoding="utf-8") == page(read(done.run))


def test_what_cannot_be_reported_is_said(done: Job, tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    assert run_cli(absent) == (
        1,
        "",
        f"Error: {absent} holds no plan: make one with `g2p-batch plan` or `g2p-batch generate`\n",
    )
    output = absent / "page.html"
    told = f"Error: {output} cannot be written (No such file or directory): create its folder first\n"
    assert run_cli(done.planning.run_dir, "-o", output) == (1, "", told)
    (done.planning.run_dir / "plan.json").write_text("{", encoding="utf-8")
    with pytest.raises(RunError, match="is damaged"):
        write_report(done.run, tmp_path / "page.html")


def test_a_folder_whose_name_is_no_text_has_a_page(done: Job, tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    try:
        done.planning.run_dir.rename(folder)
    except OSError:
        pytest.skip("this disk takes only names that are text")
    write_report(RunDir(folder), tmp_path / "page.html")
    assert "caf?" in (tmp_path / "page.html").read_text(encoding="utf-8")


BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FRAME = """<!doctype html><iframe style="width:390px;height:844px" frameborder="0" srcdoc="{page}"></iframe><script>
onload = () => {{
  const page = frames[0].document
  for (const part of page.querySelectorAll("details")) part.open = true
  const root = page.documentElement
  document.title = `${{frames[0].innerWidth}} px, ${{root.scrollWidth - root.clientWidth}} too wide`
}}
</script>"""
"""Shows a page as wide as a phone, which a browser's own window cannot always be, and measures it."""


@pytest.mark.skipif(BROWSER is None, reason="neither chromium nor google-chrome is installed")
def test_a_browser_shows_the_page_without_complaint_and_as_wide_as_a_phone(tmp_path: Path) -> None:
    text = "word\tlang\n" + "".join(f"{word}\tfra\n{word}\tzz<b>\n" for word in HOSTILE)
    job = job_in(tmp_path, text + "x" * 60 + "\teng-us\n" + "".join(f"w{n}\tger\n" for n in range(30)))
    job(fake_team(workers=1))
    (job.planning.run_dir / "done" / "000001.json").unlink()
    path = tmp_path / "page.html"
    write_report(job.run, path)
    frame = tmp_path / "frame.html"
    frame.write_text(FRAME.format(page=escape(path.read_text(encoding="utf-8"))), encoding="utf-8")
    command = [str(BROWSER), "--headless=new", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--dump-dom"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", frame.as_uri()]
    shown = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=True, timeout=100)
    assert re.findall("<title>(.* wide)</title>", shown.stdout) == ["390 px, 0 too wide"]
    assert [line for line in shown.stderr.splitlines() if ":CONSOLE" in line] == []
