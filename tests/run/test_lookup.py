"""Existing lexicons first: what they say of a word counts, all variants of it, and the model is asked the rest."""

import json
from dataclasses import replace
from math import log
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from g2p_batch.errors import InputError, RunError
from g2p_batch.formats.existing import ExistingLexicon
from g2p_batch.formats.kind import Expected
from g2p_batch.formats.registry import FORMATS
from g2p_batch.model.contract import load_contract
from g2p_batch.model.shipped import BUNDLED
from g2p_batch.run.conform import Phonetics
from g2p_batch.run.status import status_of
from tests.helpers.runs import CONTRACT, LEXICON, Job, fake_decoding, job_in

DICT = "hello\tHH AH0 L OW1\nhello\tHH EH0 L OW1\nhello\tHH AH0 L OW1\n"


def with_lexicons(folder: Path, *lexicons: tuple[str, str, str | None]) -> Job:
    """Return the usual job with lexicons, each a name, its text and the language given for it."""
    for name, text, _ in lexicons:
        (folder / name).write_text(text, encoding="utf-8")
    return job_in(folder).planned(lexicons=tuple(ExistingLexicon(folder / name, lang) for name, _, lang in lexicons))


def lines(job: Job, word: str) -> list[str]:
    return [line for line in job.lexicon().splitlines() if line.startswith(f"{word}\t")]


def test_all_variants_of_the_first_lexicon_that_holds_a_word_are_taken_once(tmp_path: Path) -> None:
    tsv = "word\tlang\tpron\nhello\teng-us\tnever\neau\tfra\tˈo\nStraße\tfra\tnobody asks\n"
    job = with_lexicons(tmp_path, ("old.dict", DICT, "eng-us"), ("older.tsv", tsv, None))
    summary = job()
    assert lines(job, "hello") == ["hello\teng-us\thəˈɫoʊ", "hello\teng-us\thɛˈɫoʊ", "hello\tfra\thello"]
    assert lines(job, "eau") == ["eau\tfra\tˈo"]
    assert lines(job, "Straße") == ["Straße\tger\tˈʃtʁaːsə"]
    assert (summary.rows_in, summary.words, summary.looked_up, summary.duplicates, summary.rejected) == (
        13,
        10,
        2,
        1,
        2,
    )
    assert sum(summary.statuses.values()) == 8
    found = status_of(job.run)
    assert found.rows_in == found.words + found.looked_up + found.duplicates + sum(found.rejects.values())
    assert "13 rows read: 8 words, 2 in existing lexicons or runs, 1 duplicate, 2 rejected" in found.to_text()
    assert "Found in existing lexicons or runs: 2 words." in summary.to_text()


def test_looked_up_words_keep_their_place_phones_and_source(tmp_path: Path) -> None:
    job = with_lexicons(tmp_path, ("old.dict", DICT, "eng-us")).written(path=tmp_path / "lexicon.parquet")
    job()
    rows = pq.read_table(job.output.path).to_pylist()
    assert [(row["word"], row["rank"], row["input_row"]) for row in rows[:4]] == [
        ("台灣", 1, 1),
        ("hello", 1, 2),
        ("hello", 2, 2),
        ("eau", 1, 3),
    ]
    assert [row["phones"] for row in rows[1:3]] == [["h", "ə", "ˈɫ", "o", "ʊ"], ["h", "ɛ", "ˈɫ", "o", "ʊ"]]
    assert {row["source"]: (row["status"], row["logprob"] is None) for row in rows if row["word"] == "hello"} == {
        "lexicon": ("ok", True),
        "model": ("ok", False),
    }


def test_probabilities_of_lexicons_are_kept(tmp_path: Path) -> None:
    text = "hello\t0.47\tHH EH\nhello\t1.0\t0.5\t0.9\t1.1\tHH AH\nworld\t0.0\tW ER\nworld\tW OW\n"
    job = with_lexicons(tmp_path, ("old.dict", text, "eng-us"))
    (tmp_path / "words.tsv").write_text("word\tlang\nhello\teng-us\nworld\teng-us\n", encoding="utf-8")
    job = job.written(path=tmp_path / "new.dict", format_name="mfa-prob")
    job()
    assert job.lexicon() == ("hello\t1.00\th ə\nhello\t0.47\th ɛ\nworld\t1.00\tw ɝ\nworld\t1.00\tw o ʊ\n")
    job.written(path=tmp_path / "new.parquet", format_name="parquet")()
    logprobs = [row["logprob"] for row in pq.read_table(tmp_path / "new.parquet").to_pylist()]
    assert logprobs == [0.0, pytest.approx(log(0.47)), None, None]


def test_words_of_a_lexicon_are_prepared_as_those_of_the_list(tmp_path: Path) -> None:
    job = with_lexicons(tmp_path, ("old.tsv", "word\tlang\tpron\n Strae\u0301 \tger\tx\n", None))
    (tmp_path / "words.tsv").write_text("word\tlang\nStra\u00e9\tde\n", encoding="utf-8")
    job()
    assert job.lexicon() == "word\tlang\tpron\nStra\u00e9\tger\tx\n"


def test_a_word_that_is_too_long_for_the_model_comes_from_a_lexicon(tmp_path: Path) -> None:
    long, other = "x" * 400, "y" * 400
    job = with_lexicons(tmp_path, ("old.dict", f"{long}\tk s\n", "eng-us"))
    (tmp_path / "words.tsv").write_text(
        f"word\tlang\n{long}\teng-us\n{other}\teng-us\nhello\teng-us\n", encoding="utf-8"
    )
    summary = job()
    assert job.lexicon() == f"word\tlang\tpron\n{long}\teng-us\tks\nhello\teng-us\thəˈloʊ\n"
    assert (summary.looked_up, summary.rejects) == (1, {"too_long": 1})


def test_a_folder_of_kaldi_is_a_lexicon(tmp_path: Path) -> None:
    first = with_lexicons(tmp_path, ("old.dict", DICT, "eng-us"))
    (tmp_path / "words.tsv").write_text("word\tlang\nhello\teng-us\n", encoding="utf-8")
    first.written(path=tmp_path / "kaldi", format_name="kaldi-dict")()
    job = first.planned(lexicons=(ExistingLexicon(tmp_path / "kaldi", "eng-us"),), run_dir=tmp_path / "again")
    job = job.written(path=tmp_path / "again.tsv")
    job()
    assert lines(job, "hello") == ["hello\teng-us\thəˈɫoʊ", "hello\teng-us\thɛˈɫoʊ"]
    (tmp_path / "kaldi" / "lexicon.txt").write_text("hello HH\n", encoding="utf-8")
    with pytest.raises(RunError, match=r"lexicon\.txt, which had"):
        job()


@pytest.mark.parametrize("name", [name for name, known in FORMATS.items() if name not in ("parquet", "cmudict")])
def test_control_characters_of_lexicons_are_refused(tmp_path: Path, name: str) -> None:
    entries = ({"pron": "a\nb"}, {"pron": "a\x00b"}, {"pron": "ab", "phones": ["a", "b\t"]}, {"pron": "ab"})
    told = [{"word": f"{'wxyz'[i]}", "lang": "eng-us", **entry} for i, entry in enumerate(entries)]
    job = with_lexicons(tmp_path, ("old.jsonl", "".join(f"{json.dumps(one)}\n" for one in told), None))
    (tmp_path / "words.tsv").write_text("word\tlang\n" + "".join(f"{c}\teng-us\n" for c in "wxyz"), encoding="utf-8")
    place = tmp_path / f"out.{name}"
    summary = job.written(path=place, format_name=name, phones=Phonetics(asked=True))()
    # Where phones are written, a line break in a pronunciation is a break like any other.
    expected = 3 if name in ("tsv", "jsonl") else 2
    assert (summary.words, summary.rejects) == (4 - expected, {"control_character": expected})
    assert [problem.what for problem in FORMATS[name].validate(place, Expected())] == []


def test_a_lexicon_of_another_time_makes_another_run(tmp_path: Path) -> None:
    job = with_lexicons(tmp_path, ("old.dict", DICT, "eng-us"))
    job()
    (tmp_path / "old.dict").write_text("hello\tHH\n", encoding="utf-8")
    with pytest.raises(RunError, match=r"old\.dict, which had"):
        job()
    with pytest.raises(RunError, match="input files, now there are"):
        job.planned(lexicons=())()
    job.planned(restart=True)()
    assert lines(job, "hello") == ["hello\teng-us\th", "hello\tfra\thello"]


def test_a_lexicon_may_hold_all_words_or_none(tmp_path: Path) -> None:
    job = with_lexicons(tmp_path, ("none.dict", "else\tx\n", "fra"))
    job()
    assert job.lexicon() == LEXICON
    (tmp_path / "second").mkdir()
    full = with_lexicons(tmp_path / "second", ("all.tsv", LEXICON.replace("\t\n", "\t-\n"), None))
    summary = full()
    assert (summary.looked_up, summary.statuses) == (10, {})
    assert full.lexicon() == LEXICON.replace("\t\n", "\t-\n")


def test_what_is_wrong_with_a_lexicon_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"old\.dict does not name the language of its words: give --lang TAG"):
        with_lexicons(tmp_path, ("old.dict", DICT, None))()
    with pytest.raises(InputError, match=r"absent\.dict cannot be read"):
        job_in(tmp_path).planned(lexicons=(ExistingLexicon(tmp_path / "absent.dict", "fra"),))()
    with pytest.raises(InputError, match=r"old\.tsv, line 2"):
        with_lexicons(tmp_path, ("old.tsv", "word\tlang\tpron\nhello\teng-us\n", None))()
    assert not (tmp_path / "run" / "plan.json").exists()


def test_lost_data_of_a_lexicon_is_named(tmp_path: Path) -> None:
    job = with_lexicons(tmp_path, ("old.dict", DICT, "eng-us"))
    job()
    (piece,) = job.run.require_plan().looked_up
    (job.run.root / piece.file).unlink()
    job.output.path.unlink()
    with pytest.raises(RunError, match="missing or damaged: restore it, or plan again with --restart"):
        job()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("icefall", "read ɹ iː d\n"),
        ("mfa-prob", "read\t1.00\tɹ iː d\nread\t0.50\tɹ ɪ d\nread\t0.20\tɹ ɛ d\n"),
        ("tsv", "word\tlang\tpron\nread\teng-us\tɹiːd\nread\teng-us\tɹɪd\nread\teng-us\tɹɛd\n"),
    ],
)
def test_variants_are_ranked_by_their_probability(tmp_path: Path, name: str, text: str) -> None:
    known = "read\t0.2\tɹ ɛ d\nread\t1.0\tɹ iː d\nread\t0.5\tɹ ɪ d\n"
    job = with_lexicons(tmp_path, ("old.dict", known, "eng-us"))
    (tmp_path / "words.tsv").write_text("word\tlang\nread\teng-us\n", encoding="utf-8")
    job = job.written(path=tmp_path / "new", format_name=name)
    job()
    assert job.lexicon() == text


SPELT = replace(CONTRACT, alphabets=load_contract(BUNDLED).alphabets)


def found(job: Job, words: str) -> tuple[dict[str, str], list[str]]:
    """Return the pronunciations that lexicons give to some words, and what is said."""
    (job.options.run_dir.parent / "words.tsv").write_text(
        "word\tlang\n" + "".join(f"{word}\teng-us\n" for word in words.split()), encoding="utf-8"
    )
    said: list[str] = []
    job = job.planned(contract=SPELT).written(path=job.options.run_dir.parent / "new.parquet")
    job(fake_decoding(contract=SPELT), said.append)
    rows = pq.read_table(job.output.path).to_pylist()
    return {row["word"]: row["pron"] for row in rows if row["source"] == "lexicon"}, said


def test_words_are_looked_up_as_they_are_then_by_case_then_as_they_are_asked(tmp_path: Path) -> None:
    known = "Polish\tp oʊ\npolish\tp ɑ\nIt's\tɪ t s\ncafe\tk æ\n"
    job = with_lexicons(tmp_path, ("old.dict", known, "eng-us"))
    prons, said = found(job, "Polish polish POLISH it's IT’S café zoo")
    assert prons.pop("POLISH") in ("poʊ", "pɑ")
    assert prons == {"Polish": "poʊ", "polish": "pɑ", "it's": "ɪts", "IT’S": "ɪts", "café": "kæ"}
    assert "Words found in lexicons: exactly 2, by case 2, as asked 2" in said


def test_capitals_of_the_older_cmudict_are_found(tmp_path: Path) -> None:
    job = with_lexicons(tmp_path, ("cmudict", "ABANDON  AH0 B AE1 N D AH0 N\n", "eng-us"))
    assert set(found(job, "ABANDON abandon Abandon")[0]) == {"ABANDON", "abandon", "Abandon"}


def test_a_lexicon_that_gives_no_word_is_named(tmp_path: Path) -> None:
    job = with_lexicons(tmp_path, ("old.dict", "zoo\tz u\n", "eng-us"), ("other.dict", "été\te t e\n", "fra"))
    prons, said = found(job, "zoo the")
    assert prons == {"zoo": "zu"}
    assert [text for text in said if "holds none" in text] == [
        f"Note: --lexicon fra={tmp_path}/other.dict holds none of the words: check its language, and its format"
    ]
