"""Words that no lexicon holds: once each, in the order of the list, as a list that `generate` reads."""

import io
from pathlib import Path

from g2p_batch.formats.existing import ExistingLexicon
from g2p_batch.run.oov import lacking, write_words
from g2p_batch.storage.memory import Memory
from g2p_batch.words.wordlist import WordLists
from tests.cli.commandline import Ran, run, words
from tests.helpers.runs import CONTRACT

WORDS = "word\tlang\nzoo\tger\nhello\ten-US\nzoo\tger\nhello\tjpn\n\tger\n" + "x" * 300 + "\tswe\nzoo\tklingon\n"


def looked_up(folder: Path, *lexicons: ExistingLexicon) -> tuple[str, dict[str, int]]:
    (folder / "words.tsv").write_text(WORDS, encoding="utf-8")
    out = io.BytesIO()
    with lacking(WordLists((str(folder / "words.tsv"),)), lexicons, CONTRACT, "nfc", Memory.parse("100MiB")) as found:
        count = write_words(found.words, None, out)
        rejects = dict(found.rejects)
        assert found.rows_in == 7
    text = out.getvalue().decode()
    assert count == text.count("\n") - 1
    return text, rejects


def test_languages_that_the_model_does_not_have_and_words_of_any_length_are_listed(tmp_path: Path) -> None:
    (tmp_path / "old.dict").write_text("hello\tx\n", encoding="utf-8")
    text, rejects = looked_up(tmp_path, ExistingLexicon(tmp_path / "old.dict", "eng-us"))
    assert text == f"word\tlang\nzoo\tger\nhello\tjpn\n{'x' * 300}\tswe\n"
    assert rejects == {"empty": 1, "unknown_language": 1}


def test_several_lexicons_are_one(tmp_path: Path) -> None:
    (tmp_path / "old.dict").write_text("hello\tx\n", encoding="utf-8")
    (tmp_path / "new.tsv").write_text("word\tlang\tpron\nzoo\tger\ty\nhello\tjpn\tz\n", encoding="utf-8")
    text, _ = looked_up(
        tmp_path, ExistingLexicon(tmp_path / "new.tsv"), ExistingLexicon(tmp_path / "old.dict", "eng-us")
    )
    assert text == f"word\tlang\n{'x' * 300}\tswe\n"


def test_a_file_appears_whole_and_is_a_list_again(tmp_path: Path) -> None:
    (tmp_path / "words.tsv").write_text(WORDS, encoding="utf-8")
    (tmp_path / "old.dict").write_text("hello\tx\n", encoding="utf-8")
    lexicons = (ExistingLexicon(tmp_path / "old.dict", "eng-us"),)
    for source in ("words.tsv", "lacking.tsv"):
        with lacking(WordLists((str(tmp_path / source),)), lexicons, CONTRACT, "nfc", Memory.parse("100MiB")) as found:
            assert write_words(found.words, tmp_path / "lacking.tsv", io.BytesIO()) == 3


def test_oov_does_not_take_the_place_of_its_input(here: Path) -> None:
    list_ = words("hello\n")
    Path("old.dict").write_text("world\tw\n")
    assert run("oov", list_, "--lang", "eng-us", "--lexicon", "old.dict", "-o", list_) == Ran(
        2, "", f"Error: {list_} would be read as part of the input {list_}: write the list elsewhere\n"
    )


def test_words_are_found_in_other_case_and_useless_lexicons_are_named(here: Path) -> None:
    Path("words.txt").write_text("ABANDON\nabandon\nzoo\n", encoding="utf-8")
    Path("cmudict").write_text("ABANDON  AH0 B AE1 N D AH0 N\n", encoding="utf-8")
    Path("fra.dict").write_text("été\te t e\n", encoding="utf-8")
    ran = run("oov", "words.txt", "--lang", "eng-us", "--lexicon", "cmudict", "--lexicon", "fra=fra.dict")
    assert (ran.exit_code, ran.stdout) == (0, "word\tlang\nzoo\teng-us\n")
    assert ran.stderr == (
        "Note: cmudict, line 1: has more than one blank between fields\n"
        f"Note: --lexicon fra={here}/fra.dict holds none of the words: check its language, and its format\n"
        "3 rows read: 1 word in no lexicon; found: exactly 1, by case 1.\n"
    )


def test_what_is_wrong_with_a_lexicon_is_said(tmp_path: Path) -> None:
    (tmp_path / "old.tsv").write_text("word\tpron\na\tx\nb\t\n", encoding="utf-8")
    (tmp_path / "words.txt").write_text("a\nb\n", encoding="utf-8")
    ran = run("oov", tmp_path / "words.txt", "--lang", "eng-us", "--lexicon", tmp_path / "old.tsv")
    assert (ran.exit_code, ran.stdout) == (0, "word\tlang\nb\teng-us\n")
    assert f"Note: 1 line of {tmp_path}/old.tsv passed over: no_pronunciation, first on line 3\n" in ran.stderr
