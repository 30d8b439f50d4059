"""The page of a run: right figures, finished or not, and safe whatever words hold."""

import os
import unicodedata
from dataclasses import replace
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import pytest

from g2p_batch.driver import merge_run
from g2p_batch.formats.lexicon import STATUSES
from g2p_batch.reporting import meanings, write_report
from g2p_batch.reporting.page import TEMPLATES, rendered
from g2p_batch.run.conform import LOW_LOGPROB
from g2p_batch.run.run_directory import REPORT, Quarantine, RunDir
from g2p_batch.words.filter import REASONS
from tests.helpers.runs import CONTRACT, Job, fake_decoding, job_in
from tests.reporting.pages import HOSTILE, Page, figures_of, looping, page_of

OUTLINE = """\
h2: Words by language
th: Language | Words | To check | Mean score
h2: Words to check first
summary: French: 3 words
th: Word | Pronunciation | Score
summary: English, American: 1 word
th: Word | Pronunciation | Score
summary: Finnish: 1 word
th: Word | Pronunciation | Score
summary: German: 1 word
th: Word | Pronunciation | Score
summary: Italian: 1 word
th: Word | Pronunciation | Score
summary: Māori: 1 word
th: Word | Pronunciation | Score
summary: Chinese, Min Nan: 1 word
th: Word | Pronunciation | Score
summary: Romanian: 1 word
th: Word | Pronunciation | Score
h3: Of all languages
th: Word | Pronunciation | Score
h2: Statuses
th: Status | Meaning | Words
h2: Rejected rows
th: Reason | Rows | Examples
h2: Scores
summary: As a table
th: Score | words
summary: As a table
th: Score a character | words
h2: Lengths
summary: As a table
th: Characters | words
summary: As a table
th: Characters | pronunciations
h2: Speed
summary: As a table
th: Time | words/s
h3: By workers at work
th: Busy at once | Time | Words | Words/s | A worker
h2: Settings and digests
h3: Inputs
th: File, and sha256 of its content | Size
h3: Lexicon
"""


def test_the_page_has_these_parts_and_tables_in_this_order(done: Job) -> None:
    texts_by_tag = groupby(page_of(done.run).outline, itemgetter(0))
    lines = [f"{tag}: {' | '.join(text for _, text in texts)}" for tag, texts in texts_by_tag]
    assert lines == OUTLINE.splitlines()


def test_answers_that_go_round_in_circles_are_listed_apart(tmp_path: Path) -> None:
    job = looping(tmp_path)
    figures = figures_of(job.run)
    assert figures.statuses == {"repeated": 3, "ok": 2}
    assert {row["word"] for row in figures.lowest} == {"eau", "hello"}
    assert [row["word"] for row in figures.lowest_by_language(9)["fra"]] == ["eau"]
    assert {row["word"] for row in figures.loops_by_language(9)["fra"]} == {"ana", "bobo", "lala"}
    text = page_of(job.run).text
    assert "3 words whose answer says a piece four times or more in a row" in text
    assert "Of all languages" in text
    figures.tally.looping["fra"] = 30
    assert "French: 30 words, 3 of them shown" in " ".join(rendered(figures).split())


def test_a_page_without_loops_does_not_mention_them(done: Job) -> None:
    assert "round in circles" not in page_of(done.run).text


def test_every_language_has_its_words_to_check(tmp_path: Path) -> None:
    text = "word\tlang\n" + "".join(f"w{i}\t{tag}\n" for tag in CONTRACT.languages for i in range(30))
    job = job_in(tmp_path, text)
    job(fake_decoding(workers=1))
    summaries = [told for tag, told in page_of(job.run).outline if tag == "summary" and "words" in told]
    assert len([told for told in summaries if told.endswith(": 20 words")]) == len(CONTRACT.languages)


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
        str(done.output.path),
    ):
        assert told in text, told
    assert "missing:" not in text


def test_what_the_merge_found_among_phones_is_told(tmp_path: Path) -> None:
    job = job_in(tmp_path, "word\tlang\n漢h\tfra\n").written(format_name="kaldi", path=tmp_path / "lexicon.txt")
    job(fake_decoding(workers=1))
    assert figures_of(job.run).summary is not None
    text = page_of(job.run).text
    assert "Symbols that are not IPA" in text
    assert "漢 1" in text


def test_of_many_things_a_few_are_told_one_by_one(done: Job) -> None:
    figures = figures_of(done.run)
    plan, (one,) = figures.plan, figures.plan.fingerprint.inputs
    inputs = tuple(replace(one, path=f"/in/{number},x") for number in range(130))
    many = replace(
        figures,
        plan=replace(plan, fingerprint=replace(plan.fingerprint, inputs=inputs)),
        given_up={shard: Quarantine(shard, plan.id, ("why",)) for shard in range(9)},
        damaged=tuple(f"parts/{number}" for number in range(6)),
    )
    text = Page(rendered(many)).text
    assert (text.count("was given up"), text.count("Missing or damaged"), text.count("/in/")) == (5, 5, 100)
    assert "4 more given up." in text
    assert "1 more damaged." in text
    assert "And 30 more, which plan.json lists." in text


def test_a_lexicon_that_lacks_words_is_told_from_one_that_does_not(done: Job) -> None:
    receipt = done.options.run_dir / "done" / "000001.json"
    kept = receipt.read_bytes()
    receipt.unlink()
    merge_run(done.options.run_dir, replace(done.output, partial=True), lambda _: None)
    receipt.write_bytes(kept)
    text = page_of(done.run).text
    assert "Complete" in text
    assert "The lexicon was written while 4 words were missing." in text


def test_the_page_is_the_same_each_time_and_goes_with_a_restart(done: Job) -> None:
    path = done.options.run_dir / REPORT
    write_report(done.run, path)
    first = path.read_bytes()
    write_report(done.run, path)
    assert path.read_bytes() == first
    done.planned(restart=True).written(force=True)(fake_decoding(workers=1))
    assert not path.exists()


def test_hostile_words_are_text_and_apart_from_what_is_around_them(tmp_path: Path) -> None:
    text = "word\tlang\n" + "".join(f"{word}\tfra\n{word}\tzz<b>\n" for word in HOSTILE) + "a\x01b\tfra\n"
    job = job_in(tmp_path, text)
    job(fake_decoding(workers=1))
    assert figures_of(job.run).rejects == {"unknown_language": len(HOSTILE), "control_character": 1, "too_long": 1}
    found = page_of(job.run)
    assert not {"script", "img", "iframe", "link", "object"} & set(found.tags)
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    pronounced = {unicodedata.normalize("NFC", word) for word in HOSTILE if len(word) < 1000}
    assert pronounced <= set(found.isolated)
    assert {"zz<b>", "x" * 80 + "…", r"a\x01b"} <= set(found.isolated)
    assert "\u202e" not in found.text.replace("\u202eabc", "")


def test_the_page_loads_nothing(done: Job) -> None:
    text = rendered(figures_of(done.run))
    found = Page(text)
    assert not [value for name, value in found.attributes if name in {"src", "href", "action", "srcset", "data"}]
    assert "://" not in text
    assert "url(" not in text
    assert "@import" not in text
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in found.attributes


def test_every_status_and_reason_is_explained() -> None:
    assert set(meanings.STATUS_MEANINGS) == set(STATUSES)
    assert set(meanings.REASON_MEANINGS) == {*REASONS, *STATUSES, LOW_LOGPROB} - {"ok"}


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
    assert TEMPLATES.get_template("macros.html").module.isolated(text, lang) == wanted


def test_a_folder_whose_name_is_no_text_has_a_page(done: Job, tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    try:
        done.options.run_dir.rename(folder)
    except OSError:
        pytest.skip("this disk takes only names that are text")
    write_report(RunDir(folder), tmp_path / "page.html")
    assert "caf?" in (tmp_path / "page.html").read_text(encoding="utf-8")
