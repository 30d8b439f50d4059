"""`g2p-batch validate`: entire output and exit codes."""

from dataclasses import astuple
from pathlib import Path

import click
import pytest

from g2p_batch import cli
from g2p_batch.formats.registry import FORMATS
from tests.cli.commandline import run
from tests.helpers.lexicons import lexeme, write


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def validate(*arguments: str) -> tuple[int, str, str]:
    return astuple(run("validate", *arguments))


def file(name: str, content: str) -> str:
    Path(name).write_text(content, encoding="utf-8")
    return name


def test_a_lexicon_without_problems_is_counted() -> None:
    lexicon = file("x.dict", "read\tɹ iː d\nread\tɹ ɛ d\n\nzoë\tz oʊ\n")
    assert validate(lexicon) == (0, "x.dict: 3 pronunciations of 2 words, no problem found\n", "")
    one = file("one.txt", "a b\n")
    assert validate(one, "--format", "kaldi") == (0, "one.txt: 1 pronunciation of 1 word, no problem found\n", "")


def test_words_are_counted_and_not_runs_of_them() -> None:
    lexicon = file("x.dict", "read\tɹ iː d\nzoë\tz oʊ\nread\tɹ ɛ d\n")
    assert validate(lexicon) == (0, "x.dict: 3 pronunciations of 2 words, no problem found\n", "")


def test_phones_in_several_alphabets_are_a_problem() -> None:
    assert validate(file("x.dict", "hello\th ə l oʊ\nthe\tDH AH0\n")) == (
        1,
        "x.dict, line 1: h ə l oʊ is IPA, and line 2, DH AH0, is ARPAbet: a lexicon has one alphabet of phones, so "
        "part it in two, or mend these lines\n",
        "Error: x.dict breaks the rules of mfa in 1 place: mend them, or leave these entries out\n",
    )
    assert validate(file("y.dict", "k\tK EY1\nthe\tDH AH0\ns\tS\n"))[0] == 0


def test_lexicons_of_other_tools_are_checked() -> None:
    output = file("x.txt", "read\t0\t0.75\tɹ iː d\nread\t1\t0.25\tɹ ɛ d\n")
    assert validate(output, "--format", "sequitur") == (
        0,
        "x.txt: 2 pronunciations of 1 word, no problem found\n",
        "",
    )
    assert validate(output, "--format", "phonetisaurus")[1].startswith("x.txt:1: is not a word, a cost or none")


def test_problems_are_listed_by_line_and_exit_with_1() -> None:
    assert validate(file("x.dict", "a\tb\nc\n<eps>\ta\n")) == (
        1,
        "x.dict:2: gives c no pronunciation\nx.dict:3: has the reserved word <eps>\n",
        "Error: x.dict breaks the rules of mfa in 2 places: mend them, or leave these entries out\n",
    )


def test_bytes_that_are_no_utf_8_are_a_problem_of_their_line() -> None:
    Path("x.dict").write_bytes(b"a\tb\nb\t\xe9\n")
    assert validate("x.dict")[:2] == (1, "x.dict:2: is not UTF-8\n")


def test_one_problem_is_one_place() -> None:
    assert validate(file("x.dict", "c\n"))[2].startswith("Error: x.dict breaks the rules of mfa in 1 place: ")


@pytest.mark.parametrize(("lines", "more"), [(100, ""), (101, "... and 1 more\n"), (1234, "... and 1,134 more\n")])
def test_a_hundred_problems_are_shown_and_all_are_counted(lines: int, more: str) -> None:
    code, out, err = validate(file("lexicon.txt", "".join(f"a{n}\n" for n in range(lines))))
    assert (code, out.splitlines()[99]) == (1, "lexicon.txt:100: gives a99 no pronunciation")
    assert "".join(out.splitlines(keepends=True)[100:]) == more
    assert f"in {lines:,} places" in err


def test_problems_of_a_folder_name_its_files() -> None:
    write("kaldi-dict", lexeme("a", "b"), Path("dict"))
    assert validate("dict") == (0, "dict: 1 pronunciation of 1 word, no problem found\n", "")
    Path("dict/optional_silence.txt").unlink()
    file("dict/lexicon.txt", "a b\na x\n")
    assert validate("dict")[:2] == (
        1,
        "dict/optional_silence.txt: is missing\ndict/lexicon.txt:2: has the phone x, which no list of phones has\n",
    )


def test_sherpa_is_checked_against_tokens() -> None:
    lexicon, tokens = file("lexicon.txt", "a b\nc d\n"), file("tokens.txt", "b 0\n")
    assert validate(lexicon, "--format", "sherpa", "--tokens", tokens)[:2] == (
        1,
        "lexicon.txt:2: has the token d, which tokens.txt lacks: it is skipped\n",
    )


def test_a_lexicon_is_checked_for_one_reader() -> None:
    lexicon = file("cmudict.dict", "read R IY1 D\n")
    assert validate(lexicon)[0] == 0
    assert validate(lexicon, "--reader", "pocketsphinx") == (
        1,
        "cmudict.dict:1: has IY1, and PocketSphinx drops words with stress: write the lexicon with --stress drop\n",
        "Error: cmudict.dict breaks the rules of cmudict in 1 place: mend them, or leave these entries out\n",
    )


def test_the_readers_to_choose_from_are_those_of_the_formats() -> None:
    options = {option.name: option.type for option in cli.main.commands["validate"].params}
    assert isinstance(options["reader"], click.Choice)
    assert {*options["reader"].choices} == {reader for known in FORMATS.values() for reader in known.readers}


def test_a_language_is_checked_where_a_lexicon_names_it() -> None:
    lexicon = file("x.tsv", "word\tlang\tpron\na\tfra\tb\n")
    assert validate(lexicon, "--lang", "fr")[0] == 0
    assert validate(lexicon, "--lang", "ger")[:2] == (1, "x.tsv:2: is of the language fra, not ger\n")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["x.dict", "--lang", "fra"], 2, "a lexicon of mfa names no language: leave out --lang"),
        (["x.dict", "--tokens", "t"], 2, "--tokens is for sherpa, and the format is mfa: leave one of them out"),
        (["x.dict", "--reader", "pocketsphinx"], 2, "--reader pocketsphinx is not about lexicons of mfa: choose "),
        (["x.tsv", "--reader", "pocketsphinx"], 2, "--reader pocketsphinx is not about lexicons of tsv: leave it out"),
        (["x.dict", "--format", "xls"], 2, "there is no format 'xls': choose tsv, "),
        (["x.tsv", "--lang", "xx"], 2, "no language has the tag 'xx': "),
        (["absent.pls"], 1, "absent.pls does not exist: check the path"),
        (["absent.txt"], 1, "absent.txt does not exist: check the path"),
        (["x.txt"], 1, "x.txt does not tell its format: name it, "),
        (["x.dict", "--format", "sherpa", "--tokens", "absent"], 1, "absent does not exist: check the path"),
    ],
)
def test_what_cannot_be_checked_is_an_error(arguments: list[str], code: int, message: str) -> None:
    file("x.dict", "a\tb\n")
    file("x.txt", "a b\n")
    file("x.tsv", "word\tlang\tpron\na\tfra\tb\n")
    found, out, err = validate(*arguments)
    assert (found, out) == (code, "")
    assert err.startswith(f"Error: {message}")
