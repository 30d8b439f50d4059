"""`evaluate` on the command line: entire output, files and exit codes, on a model without a compiler."""

import importlib.util
import json
from dataclasses import astuple, replace
from pathlib import Path

import pyarrow as pa
import pytest

from g2p_batch.cli.evaluate import to_text
from g2p_batch.evaluation import evaluate
from g2p_batch.model import cpu_families
from g2p_batch.model.contract import save_json
from tests.cli.commandline import run
from tests.helpers.fake_model import CONTRACT, Opened, install

REF = (
    "word\tlang\tpron\n"
    "hello\teng-us\thɛˈloʊ,həˈloʊ\n"  # the model says the second variant
    "world\ten-US\tworlds\n"
    "été\tfra\tete\n"
    "h\tfra\ta\n"  # the model says nothing
    f"{'x' * 200}\tfra\tx\n"
    "eins\tger\tains\n"
    "b\tfra\t\n"
)

OF_MODEL = """model (float32) beside ref.tsv: 4 of 6 words scored.
Rows without a word and its pronunciation: no_pronunciation 1.
Words without a hypothesis: too_long 1, unknown_language 1.
Languages without any: ger 1.

language           words  CER     WER     any CER  any WER  PER     any PER
eng-us             2      0.1667  1.0000  0.0833   0.5000   0.1818  0.0909
fra                2      0.2500  0.5000  0.2500   0.5000   0.2500  0.2500
mean of languages         0.2083  0.7500  0.1667   0.5000   0.2159  0.1705
all words          4      0.1875  0.7500  0.1250   0.5000   0.2000  0.1333

"""

ERRORS_OF_MODEL = """
Commonest phone errors, wanted > got:
  all words: a > (none) 1, s > (none) 1
  eng-us: s > (none) 1
  fra: a > (none) 1
"""

OF_LEXICON = """lexicon.tsv beside ref.tsv: 2 of 6 words scored.
Rows without a word and its pronunciation: no_pronunciation 1.
Words without a hypothesis: missing 4.
Languages without any: fra 3.

language           words  CER     WER     any CER  any WER  PER     any PER
eng-us             1      0.0000  0.0000  0.0000   0.0000   0.0000  0.0000
ger                1      0.2500  1.0000  0.2500   1.0000   0.2500  0.2500
mean of languages         0.1250  0.5000  0.1250   0.5000   0.1250  0.1250
all words          2      0.1000  0.5000  0.1000   0.5000   0.1000  0.1000

Commonest phone errors, wanted > got:
  all words: s > s̩ 1
  eng-us: none
  ger: s > s̩ 1
"""


def ran(*arguments: str) -> tuple[int, str, str]:
    return astuple(run(*arguments))


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Opened]:
    """A working folder with the fake model, a reference and a lexicon."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cpu_families, "usable_cores", lambda: 2)
    Path("ref.tsv").write_text(REF, encoding="utf-8")
    Path("lexicon.tsv").write_text("word\tlang\tpron\neins\tde\tains̩\nworld\teng-us\tworlds\n", encoding="utf-8")
    return install(monkeypatch, tmp_path / "model")


def test_a_model_is_scored_and_every_row_is_accounted_for(opened: list[Opened]) -> None:
    code, out, err = ran("evaluate", "ref.tsv", "--model", "model", "--json", "figures.json")
    assert (code, err) == (0, "Pronouncing 6 words\n")
    assert out.startswith(OF_MODEL)
    assert out.endswith(ERRORS_OF_MODEL)
    tenths, signs = out.removeprefix(OF_MODEL).removesuffix(ERRORS_OF_MODEL).strip().split("\n\n")
    assert [line.partition(" holds")[0] for line in tenths.splitlines()] == [
        "The tenth with the lowest logprob (1 word)",
        "The tenth with the lowest logprob per token (1 word)",
        "The tenth with the lowest logprob per phone (1 word)",
    ]
    assert signs.splitlines() == [
        "language   wrong  empty   lowest-scored tenth",
        "eng-us     1      -       0.0%",
        "fra        1      1 of 1  0.0%",
        "all words  2      1 of 1  0.0%",
    ]
    record = json.loads(Path("figures.json").read_text(encoding="utf-8"))
    assert (record["model"], record["dtype"], record["rows"]) == ("model", "float32", 7)
    assert record["rows"] == sum(record["rejects"].values()) + record["all words"]["words"]
    assert record["statuses"]["fra"] == {"empty": {"words": 1, "wrong": 1}, "ok": {"words": 1, "wrong": 0}}
    assert record["all words"]["words"] == record["all words"]["scored"] + sum(record["unscored"].values())
    assert opened == [Opened(str(Path("model").absolute()), "cpu", "float32")]


def test_a_lexicon_is_scored_without_a_model(opened: list[Opened]) -> None:
    assert ran("evaluate", "ref.tsv", "--hypotheses", "lexicon.tsv") == (0, OF_LEXICON, "")
    assert not opened


def test_one_language_may_be_said_by_option(opened: list[Opened]) -> None:
    Path("ref.tsv").write_text("word\tpron\nhello\thəˈloʊ\n", encoding="utf-8")
    Path("lexicon.tsv").write_text("word\tpron\nhello\thəˈloʊ\n", encoding="utf-8")
    for source in (["--model", "model"], ["--hypotheses", "lexicon.tsv"]):
        code, out, _ = ran("evaluate", "ref.tsv", "--lang", "en-US", *source)
        assert (code, out.splitlines()[3].split()[:4]) == (0, ["eng-us", "1", "0.0000", "0.0000"])


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ("ref.tsv --hypotheses lexicon.tsv --model model", 2, "--hypotheses and --model exclude each other"),
        ("ref.tsv --hypotheses lexicon.tsv --dtype int8", 2, "--hypotheses and --dtype exclude each other"),
        ("ref.tsv --hypotheses absent.tsv", 1, "absent.tsv does not exist: check the path"),
        ("absent.tsv --model model", 1, "absent.tsv does not exist: check the path"),
        (
            "ref.tsv --model model --json absent/f.json",
            1,
            "absent/f.json cannot be written (No such file or directory)",
        ),
        ("ref.tsv --model model --lang de", 2, "the model fake was not trained on ger (German)"),
        ("ref.tsv --hypotheses lexicon.tsv --lang klingon", 2, "no language has the tag 'klingon'"),
    ],
)
def test_what_is_wrong_is_said_before_the_model_is_opened(
    opened: list[Opened], arguments: str, code: int, message: str
) -> None:
    exit_code, out, err = ran("evaluate", *arguments.split())
    assert (exit_code, out) == (code, "")
    assert err.startswith(f"Error: {message}")
    assert not opened


def test_without_rapidfuzz_nothing_is_pronounced(opened: list[Opened], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert ran("evaluate", "ref.tsv", "--model", "model") == (
        1,
        "",
        "Error: comparing pronunciations needs rapidfuzz: `pip install 'g2p-batch[eval]'`\n",
    )
    assert not opened


def test_phone_errors_are_told_for_all_words_and_by_language() -> None:
    words = pa.table(
        {
            "lang": ["eng-us", "fra", "fra", "ger"],
            "prons": [["abc"], ["ab"], ["a"], ["a"]],
            "pron": ["axc", "b", "ax", "a"],
            "logprob": pa.nulls(4, pa.float32()),
            "status": pa.nulls(4, pa.string()),
        }
    )

    def letters(prons: pa.Array, langs: pa.Array) -> pa.Array:
        return pa.array([list(pron) for pron in prons.to_pylist()], pa.list_(pa.string()))

    text = to_text(evaluate(words, letters), {"reference": "ref.tsv", "rejects": {}, "hypotheses": "lexicon.tsv"})
    head, rates, found = text.split("\n\n")
    assert head == "lexicon.tsv beside ref.tsv: 4 of 4 words scored."
    assert rates.splitlines()[-1].split()[-2:] == ["0.4286", "0.4286"]
    assert found == (
        "Commonest phone errors, wanted > got:\n"
        "  all words: (none) > x 1, a > (none) 1, b > x 1\n"
        "  eng-us: b > x 1\n"
        "  fra: (none) > x 1, a > (none) 1\n"
        "  ger: none"
    )


NOTES = (
    "Note: uzb: the dictionary is known to be wrong upstream: check every pronunciation\n"
    "Note: zho-s: words must be segmented first: this script does not separate them\n"
)


@pytest.fixture
def warned(opened: list[Opened]) -> None:
    """The fake model with languages that have something to be known."""
    save_json(
        Path("model/contract.json"), replace(CONTRACT, languages=("eng-us", "grc", "own", "uzb", "zho-s", "zho-t"))
    )
    Path("words.tsv").write_text("word\tlang\na\tzh-CN\nb\tuzb\nc\tuzb\nd\teng-us\ne\town\nf\tgrc\n", encoding="utf-8")


def test_generate_says_once_what_to_know_of_the_languages_that_it_meets(warned: None) -> None:
    command = ("generate", "words.tsv", "--model", "model", "-o", "pronounced.tsv")
    code, out, err = ran(*command)
    assert (code, out) == (0, "")
    assert err.startswith(NOTES)
    assert err.count("Note: ") == 2
    assert "Note: " not in ran(*command)[2], "said again of a run that was complete"


def test_plan_says_what_to_know_of_its_languages(warned: None) -> None:
    code, _, err = ran("plan", "words.tsv", "--model", "model", "--run-dir", "run")
    assert (code, err.partition("\n")[2]) == (0, NOTES)


def test_several_pronunciations_of_a_word_are_scored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = "read\tɹid\nread\tɹɛd\nlive\tˈɫɪv\n1\tx\n"
    Path("ref.tsv").write_text(f"word\tpron\n{rows}", encoding="utf-8")
    code, out, err = ran("evaluate", "ref.tsv", "--lang", "eng-us", "--variants", "2", "--json", "figures.json")
    assert (code, err) == (0, "Pronouncing 3 words\n")
    assert "Of up to 2 pronunciations of a word the nearest:\n\nlanguage   words  any CER  any WER\n" in out
    assert "eng-us     2      0.1429   0.5000\n" in out  # ˈɹid and ˈɹɛd have a stress mark, ˈɫɪv is right
    assert "Expected calibration error of their probabilities: " in out
    figures = json.loads(Path("figures.json").read_text(encoding="utf-8"))["variants"]
    assert (figures["variants"], figures["all words"]["scored"], figures["all words"]["wrong"]) == (2, 2, 1)
    code, _, err = ran("evaluate", "ref.tsv", "--hypotheses", "x.tsv", "--variants", "2")
    assert (code, "--hypotheses and --variants exclude each other" in err) == (2, True)
