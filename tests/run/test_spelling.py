"""Runs over words as people write them: what is asked, what is rejected, what is listed to be looked at."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from g2p_batch.formats.existing import ExistingLexicon
from g2p_batch.model.contract import load_contract
from g2p_batch.model.shipped import BUNDLED
from g2p_batch.run.conform import Unwanted
from g2p_batch.run.lookup import EarlierRun
from g2p_batch.run.plan import planned
from g2p_batch.signals import Stop
from g2p_batch.storage.tables import decoded
from tests.helpers.fake_engine import Echo
from tests.helpers.fake_model import FakeEngines
from tests.helpers.runs import CONTRACT, Job, fake_decoding, job_in

SPELT = replace(CONTRACT, alphabets=load_contract(BUNDLED).alphabets)
ENGLISH = """\
It’s
the
The
THE
New York
new-york
1984
hello🙂
NBC
cafés
the
“The”
слово
"""


def spelling_job(folder: Path, text: str = ENGLISH, **planning: Any) -> Job:
    job = job_in(folder, text, "words.txt", "eng-us").planned(contract=SPELT, shard_words=3, **planning)
    return job.written(scores=True)


def run(job: Job, answers: Echo | None = None) -> Any:
    return job(fake_decoding(engines=FakeEngines(answers) if answers else None, contract=SPELT))


def rows(job: Job) -> list[list[str]]:
    """Return word, pronunciation, status and what was asked, without scores."""
    lines = [line.split("\t") for line in job.lexicon().splitlines()[1:]]
    return [[word, pron, status, asked] for word, _, pron, _, status, asked in lines]


def test_words_are_asked_as_the_model_learnt_and_written_as_they_were(tmp_path: Path) -> None:
    job = spelling_job(tmp_path)
    summary = run(job)
    assert rows(job) == [
        ["It’s", "it's", "ok", "it's"],
        ["the", "the", "ok", ""],
        ["The", "the", "ok", "the"],
        ["THE", "the", "ok", "the"],
        ["New York", "newyork", "ok", "new york"],
        ["new-york", "new-york", "ok", ""],
        ["hello🙂", "həˈloʊ", "unseen_character", "hello"],
        ["NBC", "nbc", "acronym", "nbc"],
        ["cafés", "cafes", "ok", "cafes"],
        ["“The”", "the", "ok", "the"],
    ]
    assert summary.rejects == {"no_known_letter": 2}
    assert summary.rows_in == 13 == summary.words + summary.duplicates + summary.rejected
    assert summary.spelling == {
        "lower_case": 6,
        "apostrophe": 1,
        "base_letter": 1,
        "left_out": 1,
        "parts": 1,
        "punctuation": 1,
    }
    assert "Spelt as the model learnt, rows: lower_case 6, apostrophe 1, " in summary.to_text()
    assert f"To check: acronym 1, unseen_character 1; see {summary.review_file}." in summary.to_text()
    assert job.rejects() == (
        "row\tlang\tword\treason\n7\teng-us\t1984\tno_known_letter\n13\teng-us\tслово\tno_known_letter\n"
    )


def test_words_to_look_at_are_listed(tmp_path: Path) -> None:
    job = spelling_job(tmp_path)
    run(job)
    lines = (job.options.run_dir / "review.tsv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "row\tlang\tword\tpron\tlogprob\tstatus\tasked"
    assert [(line.split("\t")[0], *line.split("\t")[5:]) for line in lines[1:]] == [
        ("8", "unseen_character", "hello"),
        ("9", "acronym", "nbc"),
    ]


def test_words_that_are_asked_the_same_lie_together_and_are_decoded_once(tmp_path: Path) -> None:
    job = spelling_job(tmp_path, "".join(f"{word}\n" for word in ("The", "zoo", "THE", "and", "the", "tHe", "And")))
    plan = planned(job.options, job.run, Stop())
    shards = [decoded(job.run.whole(shard.data) or b"").to_pylist() for shard in plan.shards]
    asked = [(row.get("asked") or row["word"], row["word"]) for shard in shards for row in shard]
    assert asked == [
        *(("and", "and"), ("and", "And")),
        *(("the", "the"), ("the", "THE"), ("the", "The"), ("the", "tHe")),
        ("zoo", "zoo"),
    ]
    run(job)
    scores = {line.split("\t")[0]: line.split("\t")[3] for line in job.lexicon().splitlines()[1:]}
    assert len({scores[word] for word in ("The", "THE", "the", "tHe")}) == 1


def test_a_word_of_parts_has_the_sum_of_their_scores(tmp_path: Path) -> None:
    job = spelling_job(tmp_path, "new\nyork\nNew York\n").written(path=tmp_path / "lexicon.parquet")
    run(job)
    table = pq.read_table(job.output.path).to_pylist()
    scores = {row["word"]: row["logprob"] for row in table}
    assert scores["New York"] == pytest.approx(scores["new"] + scores["york"])
    assert [row["asked"] for row in table] == [None, None, "new york"]


def test_spelling_off_asks_for_words_as_they_are(tmp_path: Path) -> None:
    job = spelling_job(tmp_path, "The\nNew York\nhello🙂\n1984\n", spelling="off")
    summary = run(job)
    assert rows(job) == [
        ["The", "The", "ok", ""],
        ["New York", "New York", "ok", ""],
        ["hello🙂", "hello🙂", "unseen_character", ""],
    ]
    assert (summary.rejects, summary.spelling) == ({"no_known_letter": 1}, {})


def test_words_with_unseen_characters_are_rejected_if_that_is_wanted(tmp_path: Path) -> None:
    job = spelling_job(tmp_path, "the\nhello🙂\nNBC\n", unseen="reject")
    assert run(job).rejects == {"unseen_character": 1}
    assert [row[0] for row in rows(job)] == ["the", "NBC"]


@pytest.mark.parametrize("unseen", ["keep", "reject"])
def test_a_lexicon_answers_what_the_model_cannot(tmp_path: Path, unseen: Any) -> None:
    (tmp_path / "old.dict").write_text("1984\tn aɪ n\nhello🙂\th ə\nThe\tð ə\n", encoding="utf-8")
    known = (ExistingLexicon(tmp_path / "old.dict", "eng-us"),)
    job = spelling_job(tmp_path, "1984\nhello🙂\n1985\nThe\nthe\n1984\n", lexicons=known, unseen=unseen)
    summary = run(job)
    assert [row[:2] for row in rows(job)] == [["1984", "naɪn"], ["hello🙂", "hə"], ["The", "ðə"], ["the", "ðə"]]
    assert (summary.looked_up, summary.duplicates, summary.rejects) == (4, 1, {"no_known_letter": 1})


def test_an_earlier_run_hands_on_what_was_asked(tmp_path: Path) -> None:
    first = spelling_job(tmp_path)
    run(first)
    second = first.planned(run_dir=tmp_path / "second", since=EarlierRun(first.options.run_dir))
    second = second.written(path=tmp_path / "second.tsv")
    assert run(second).looked_up == 10
    assert second.lexicon() == first.lexicon()


LOOPING = Echo({"<eng-us>: the": "ðəðəðəðəðə", "<eng-us>: hahahaha": "hahahahaha", "<eng-us>: zoo": "zuː"})


@pytest.mark.parametrize(
    ("unwanted", "words", "rejects"),
    [
        (Unwanted(), ["The", "hahahaha", "zoo", "NBC"], {}),
        (Unwanted(("repeated",)), ["hahahaha", "zoo", "NBC"], {"repeated": 1}),
        (Unwanted(("acronym", "repeated")), ["hahahaha", "zoo"], {"acronym": 1, "repeated": 1}),
        (Unwanted(min_logprob=-1e-9), [], {"low_logprob": 4}),
        (Unwanted(("acronym",), min_logprob=-1e9), ["The", "hahahaha", "zoo"], {"acronym": 1}),
    ],
)
def test_what_is_not_wanted_is_rejected_with_its_reason(
    tmp_path: Path, unwanted: Unwanted, words: list[str], rejects: dict[str, int]
) -> None:
    job = spelling_job(tmp_path, "The\nhahahaha\nzoo\nNBC\n").written(unwanted=unwanted)
    summary = run(job, LOOPING)
    assert [row[0] for row in rows(job)] == words
    assert summary.rejects == rejects
    assert summary.rows_in == 4 == summary.words + summary.duplicates + summary.rejected
    assert (sum(summary.statuses.values()), summary.decoded_words) == (len(words), 4)
    again = job.written(unwanted=Unwanted())
    assert run(again).words == 4


def test_lexicons_of_others_are_not_judged_by_scores(tmp_path: Path) -> None:
    (tmp_path / "old.jsonl").write_text('{"word": "zoo", "lang": "eng-us", "pron": "zu"}\n', encoding="utf-8")
    job = spelling_job(tmp_path, "zoo\nthe\n", lexicons=(ExistingLexicon(tmp_path / "old.jsonl"),))
    summary = run(job.written(unwanted=Unwanted(min_logprob=0.0)))
    assert (summary.words, summary.rejects) == (1, {"low_logprob": 1})


def test_letters_of_another_script_are_named(tmp_path: Path) -> None:
    said: list[str] = []
    job = job_in(tmp_path, "cлово\nслово\n", "words.txt", "ukr")
    contract = replace(SPELT, languages=("ukr",))
    summary = job.planned(contract=contract)(fake_decoding(contract=contract), said.append)
    assert summary.look_alikes == {"ukr c (U+0063, Latin)": 1}
    assert (
        "Note: letters of another script in words, taken for those that they look like: ukr c (U+0063, Latin) 1" in said
    )
    assert json.loads((tmp_path / "run/run-summary.json").read_text(encoding="utf-8"))["look_alikes"]
