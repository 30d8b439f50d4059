"""`generate`: entire output, files and exit codes, on a model without a compiler."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import click
import pyarrow.parquet as pq
import pytest

from g2p_batch import cli
from g2p_batch.formats.lexicon import STATUSES
from tests.cli.commandline import LEXICON, Ran, artifact, failed, generate, run, untimed, words
from tests.helpers.fake_model import Opened


def test_a_word_list_becomes_a_lexicon_and_the_summary_goes_to_stderr(opened: list[Opened]) -> None:
    ran = generate(words(), "--lang", "en-US")
    assert replace(ran, stderr=untimed(ran.stderr)) == Ran(
        0,
        "",
        "2 rows read: 2 words, 0 duplicates, 0 rejected.\n1 language: eng-us 2.\n(times)\nLexicon: lexicon.tsv\n",
    )
    assert Path("lexicon.tsv").read_text(encoding="utf-8") == LEXICON
    assert sorted(path.name for path in Path("lexicon.tsv.run").iterdir()) == [
        *("done", "engine.json", "parts", "plan.json", "rejects.tsv", "review.tsv", "run-summary.json", "words"),
        "written",
    ]
    assert opened == [Opened("model", "cpu", "float32")]


def test_every_option_of_generate_reaches_the_run(opened: list[Opened]) -> None:
    text = "spelling;,locale,w\nx,fra,ﬁ\nx,eng-us,hello\nx,fra,été\nx,zzz,a\n"
    options = (
        "--lang-column=locale --word-column=w --format=parquet --device=cpu --dtype=float32 --workers=3 --scores "
        "--order=word --normalize=nfkc --memory=200MB --run-dir=run"
    )
    assert generate(words(text, "words.csv"), *options.split()).exit_code == 0
    table = pq.read_table("lexicon.tsv").select(["lang", "word", "pron"])
    assert [tuple(row.values()) for row in table.to_pylist()] == [
        ("eng-us", "hello", "həˈloʊ"),
        ("fra", "fi", "fi"),
        ("fra", "été", "ete"),
    ]
    record = json.loads(Path("run/run-summary.json").read_text(encoding="utf-8"))
    assert (record["rejects"], record["provenance"]["g2p-batch.normalization"]) == ({"unknown_language": 1}, "nfkc")
    assert Path("run/rejects.tsv").read_text(encoding="utf-8").splitlines()[1] == "4\tzzz\ta\tunknown_language"


def test_standard_input_is_read_once(opened: list[Opened]) -> None:
    assert generate("-", "--lang", "eng-us", stdin=b"hello\nworld\n").exit_code == 0
    assert Path("lexicon.tsv").read_text(encoding="utf-8") == LEXICON


def test_scores_add_log_probability_and_status(opened: list[Opened]) -> None:
    assert generate(words("ca\tron\nh\tfra\n", "words.tsv"), "--scores").exit_code == 0
    header, *rows = Path("lexicon.tsv").read_text(encoding="utf-8").splitlines()
    assert header == "word\tlang\tpron\tlogprob\tstatus\tasked"
    assert [(row.split("\t")[2], row.split("\t")[4]) for row in rows] == [("ka", "invalid_utf8"), ("", "empty")]


BAD = b"word\tlang\ncaf\xe9\tfra\n" + b"a" * 200 + b"\tfra\nhello\teng-us\n"


def test_bad_rows_are_rejected_and_cost_no_other_row(opened: list[Opened]) -> None:
    ran = generate(words(BAD, "words.tsv"))
    assert replace(ran, stderr=untimed(ran.stderr)) == Ran(
        0,
        "",
        "Note: 1 row rejected as no UTF-8: say --encoding, such as latin-1, of a file in another\n"
        "3 rows read: 1 word, 0 duplicates, 2 rejected.\n1 language: eng-us 1.\n"
        "Rejected: invalid_utf8 1, too_long 1; see lexicon.tsv.run/rejects.tsv.\n(times)\nLexicon: lexicon.tsv\n",
    )
    assert Path("lexicon.tsv").read_text(encoding="utf-8") == "word\tlang\tpron\nhello\teng-us\thəˈloʊ\n"
    assert Path("lexicon.tsv.run/rejects.tsv").read_text(encoding="utf-8") == (
        f"row\tlang\tword\treason\n1\tfra\tcaf\N{REPLACEMENT CHARACTER}\tinvalid_utf8\n2\tfra\t{'a' * 200}\ttoo_long\n"
    )


def test_strict_makes_any_reject_an_error(opened: list[Opened]) -> None:
    assert generate(words(BAD, "words.tsv"), "--strict") == failed(
        "2 rows of 3 rejected (invalid_utf8 1, too_long 1), listed in lexicon.tsv.run/rejects.tsv: "
        "mend the input, or run without --strict"
    )
    assert not Path("lexicon.tsv").exists()
    assert Path("lexicon.tsv.run/rejects.tsv").exists()


REFUSED: dict[str, tuple[Callable[[], list[str]], str]] = {
    "a missing input": (
        lambda: ["absent.txt", "--lang", "fra"],
        "absent.txt does not exist: check the path",
    ),
    "a missing column": (
        lambda: [words("word,tag\nhello,fra\n", "words.csv"), "--lang-column", "language"],
        "words.csv has no column 'language' but word, tag: "
        "name the column of languages with --lang-column, or give --lang TAG",
    ),
    "an output folder that is a file": (
        lambda: [words(), "--lang", "fra", "-o", "words.txt/lexicon.tsv", "--run-dir", "run"],
        "words.txt/lexicon.tsv cannot be written (Not a directory): choose a path below a folder",
    ),
    "an output folder that is absent": (
        lambda: [words(), "--lang", "fra", "-o", "absent/lexicon.tsv", "--run-dir", "run"],
        "absent/lexicon.tsv cannot be written (No such file or directory): create its folder first",
    ),
    "an artifact without a manifest": (
        lambda: [words(), "--lang", "fra", "--model", artifact("damaged", manifest=b'{"format": 1, "key": ')],
        "damaged/manifest.json cannot be read (DecodeError: Input data was truncated): "
        "compile the model again with `g2p-batch compile`",
    ),
    "a manifest of another shape": (
        lambda: [words(), "--lang", "fra", "--model", artifact("other", manifest=b'{"format": 2}')],
        "other/manifest.json cannot be read (ValidationError: Object missing required field `key`): "
        "compile the model again with `g2p-batch compile`",
    ),
    "a manifest with a wrong leaf": (
        lambda: [words(), "--lang", "fra", "--model", artifact("leaf", manifest=b'{"format": 2, "key": 7}')],
        "leaf/manifest.json cannot be read (ValidationError: Expected `str`, got `int` - at `$.key`): "
        "compile the model again with `g2p-batch compile`",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_known_to_be_wrong_is_refused_before_the_model_is_opened(opened: list[Opened], case: str) -> None:
    arguments, message = REFUSED[case]
    assert generate(*arguments()) == failed(message)
    assert not opened
    assert not Path("lexicon.tsv").exists()


LANGUAGES = {
    "cmn": "no language has the tag 'cmn': did you mean zho-s (Chinese, Mandarin, simplified), "
    "zho-t (Chinese, Mandarin, traditional)? `g2p-batch languages` lists all tags",
    "fi": "the model fake was not trained on fin (Finnish) but on eng-us, fra, grc, ron: "
    "take another model, or one of these languages",
}


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_language_that_is_none_of_the_models_is_refused_before_it_is_opened(opened: list[Opened], lang: str) -> None:
    assert generate(words(), "--lang", lang) == Ran(2, "", f"Error: {LANGUAGES[lang]}\n")
    assert not opened
    assert not Path("lexicon.tsv").exists()


@pytest.mark.parametrize("text", ["", "\n\n", "word\tlang\n"])
def test_an_empty_list_is_an_error(opened: list[Opened], text: str) -> None:
    ran = generate(words(text, "words.tsv"), "--lang", "fra")
    assert (ran.exit_code, ran.stdout) == (1, "")
    assert "words.tsv" in ran.stderr
    assert not Path("lexicon.tsv").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_output_folder_without_permission_is_refused(opened: list[Opened], here: Path) -> None:
    (here / "locked").mkdir(mode=0o500)
    assert generate(words(), "--lang", "fra", "-o", "locked/lexicon.tsv") == failed(
        "locked/lexicon.tsv.run cannot be written (Permission denied): choose a folder that you may write to"
    )


USAGE: dict[str, tuple[list[str], str]] = {
    "both languages": (
        ["--lang", "fra", "--lang-column", "tag"],
        "--lang and --lang-column exclude each other: name one language, or the column of languages",
    ),
    "an unknown format": (["--lang", "fra", "--format", "xls"], "there is no format 'xls'"),
    "no amount of memory": (["--lang", "fra", "--memory", "lots"], "'lots' is no amount of memory"),
    "no workers": (["--workers", "0"], "Invalid value for '--workers'"),
    "an unknown engine": (["--engine", "slurm"], "Invalid value for '--engine'"),
    "a cluster for processes": (["--ray-address", "auto"], "--ray-address is of no use here: add --engine ray"),
    "a Ray Client address": (["--engine", "ray", "--ray-address", "ray://head:10001"], "is for Ray Client"),
    "an unknown option": (["--lexicons", "x"], "No such option"),
    "a space that is none": (["--lang", "fra", "--space-in-word", "__"], "'__' cannot stand for a space"),
    "tokens for another format": (["--lang", "fra", "--tokens", "x"], "--tokens is for sherpa lexicons"),
    "a reader of another format": (
        ["--lang", "fra", "--format", "mfa", "--reader", "pocketsphinx"],
        "--reader pocketsphinx is not about lexicons of mfa: choose --reader phonetisaurus",
    ),
    "other phones than a format knows": (
        ["--lang", "fra", "--format", "charsiu", "--phones", "arpabet"],
        "charsiu joins phones, which ARPAbet needs apart",
    ),
    "X-SAMPA where ARPAbet is all": (
        ["--lang", "eng-us", "--format", "cmudict", "--phones", "x-sampa"],
        "cmudict knows phones in arpabet only: leave out --phones",
    ),
    "IPA where ARPAbet is all": (
        ["--lang", "eng-us", "--format", "cmudict", "--phones", "ipa"],
        "cmudict knows phones in arpabet only: leave out --phones",
    ),
    "a folder as standard output": (
        ["--lang", "fra", "-o", "-", "--format", "kaldi-dict"],
        "kaldi-dict is a folder, which standard output cannot be: name it with -o DIR",
    ),
    "a language without ARPAbet": (["--lang", "fra", "--format", "cmudict"], "ARPAbet writes the phones of eng-us"),
}


@pytest.mark.parametrize("case", USAGE)
def test_wrong_usage_exits_with_2(opened: list[Opened], case: str) -> None:
    arguments, message = USAGE[case]
    ran = generate(words(), *arguments)
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert message in ran.stderr


def test_lexicons_are_named_with_or_without_their_language(opened: list[Opened]) -> None:
    Path("a=b.dict").write_text("hello\th ə\n", encoding="utf-8")
    Path("c.dict").write_text("eau\to o\n", encoding="utf-8")
    Path("words.tsv").write_text("word\tlang\nhello\teng-us\neau\tfra\n", encoding="utf-8")
    lexicons = ("--lexicon", "en-US=a=b.dict", "--lexicon", "fra=c.dict")
    assert run("oov", "words.tsv", *lexicons) == Ran(0, "word\tlang\n", "2 rows read: 0 words in no lexicon.\n")
    assert run("oov", "words.tsv", "--lang", "fra", "--lexicon", "a=b.dict").stdout == "word\tlang\neau\tfra\n"
    assert generate("words.tsv", *lexicons).exit_code == 0
    assert Path("lexicon.tsv").read_text(encoding="utf-8") == "word\tlang\tpron\nhello\teng-us\thə\neau\tfra\too\n"


def test_an_earlier_run_is_asked_before_the_model(opened: list[Opened]) -> None:
    assert generate(words("hello\n"), "--lang", "eng-us").exit_code == 0
    later = ("generate", words("world\nhello\n", "more.txt"), "--lang", "eng-us", "--model", "model", "--scores")
    ran = run(*later, "--since-run", "lexicon.tsv.run", "-o", "more.tsv")
    assert "Found in existing lexicons or runs: 1 word." in ran.stderr
    rows = [line.split("\t") for line in Path("more.tsv").read_text(encoding="utf-8").splitlines()[1:]]
    assert [(row[0], row[2], row[3] != "", row[4]) for row in rows] == [
        ("world", "world", True, "ok"),
        ("hello", "həˈloʊ", True, "ok"),
    ]
    assert run(*later, "--since-run", "absent", "-o", "other.tsv") == failed(
        "absent holds no plan: make one with `g2p-batch plan` or `g2p-batch generate`"
    )


def test_every_status_but_ok_may_be_dropped() -> None:
    option = next(option for option in cli.main.commands["generate"].params if option.name == "drop")
    assert isinstance(option.type, click.Choice)
    assert tuple(option.type.choices) == tuple(status for status in STATUSES if status != "ok")


def test_what_is_dropped_is_a_reject(opened: list[Opened]) -> None:
    Path("list.tsv").write_text("word\tlang\nhello\teng-us\nh\tfra\n", encoding="utf-8")
    assert run("generate", "list.tsv", "-o", "all.tsv", "--drop", "empty", "--min-logprob", "-99").exit_code == 0
    assert Path("all.tsv").read_text(encoding="utf-8") == "word\tlang\tpron\nhello\teng-us\thəˈloʊ\n"
    assert Path("all.tsv.run/rejects.tsv").read_text(encoding="utf-8").splitlines()[1:] == ["2\tfra\th\tempty"]


def test_a_lexicon_goes_to_standard_output_and_leaves_nothing(opened: list[Opened], here: Path) -> None:
    ran = run("generate", str(words()), "--lang", "en-US", "-o", "-")
    assert (ran.exit_code, ran.stdout) == (0, LEXICON)
    assert [path.name for path in here.iterdir() if "lexicon" in path.name or "run" in path.name] == []


def test_rows_of_which_none_is_pronounced_are_an_error(opened: list[Opened]) -> None:
    Path("list.tsv").write_text("word\tlang\nhello\tenglich\nhi\tenglich\n\tfra\n", encoding="utf-8")
    ran = run("generate", "list.tsv", "-o", "lexicon.tsv")
    assert ran.exit_code == 1
    assert "Note: no language of the model is called 'englich': 2 rows rejected; did you mean eng-us?\n" in ran.stderr
    assert ran.stderr.endswith(
        "Error: none of 3 rows is in lexicon.tsv (unknown_language 2, empty 1): see lexicon.tsv.run/rejects.tsv, and "
        "check the column of words and the language\n"
    )
    assert Path("lexicon.tsv").read_text(encoding="utf-8") == "word\tlang\tpron\n"
    assert run("generate", "list.tsv", "-o", "lexicon.tsv").exit_code == 1


def test_empty_files_of_a_folder_are_said(opened: list[Opened]) -> None:
    Path("lists").mkdir()
    Path("lists/empty.tsv").touch()
    Path("lists/words.txt").write_text("hello\n", encoding="utf-8")
    ran = run("generate", "lists", "--lang", "eng-us", "-o", "lexicon.tsv")
    assert ran.exit_code == 0
    assert "Note: passed over, since there is nothing in it: lists/empty.tsv\n" in ran.stderr


def test_rows_in_another_encoding_are_said(opened: list[Opened]) -> None:
    Path("list.tsv").write_bytes(b"word\tlang\ncaf\xe9\tfra\nhello\teng-us\n")
    ran = run("generate", "list.tsv", "-o", "lexicon.tsv")
    assert "Note: 1 row rejected as no UTF-8: say --encoding, such as latin-1, of a file in another\n" in ran.stderr
    assert "Spelt" not in ran.stderr
    assert (
        run("generate", "list.tsv", "-o", "-", "--encoding", "latin-1").stdout.splitlines()[1].startswith("café\tfra\t")
    )
