"""Lexicons that somebody gives: in which alphabet they are, what they give, and what is said of them."""

from pathlib import Path

import pytest

from g2p_batch.errors import InputError
from g2p_batch.formats.alphabets import Alphabet
from g2p_batch.formats.existing import ExistingLexicon

IPA = "hello\th ə l oʊ\nworld\tw ɝ l d\n"


def read(
    folder: Path,
    name: str,
    text: str,
    lang: str | None = "eng-us",
    kind: str | None = None,
    alphabet: Alphabet = "auto",
) -> tuple[list[tuple[str, str, list[str] | None]], list[str]]:
    """Return word, pronunciation and phones of all entries, and what was said with `F` for the file."""
    path, said = folder / name, []
    path.write_text(text, encoding="utf-8")
    batches = list(ExistingLexicon(path, lang, None, alphabet).entries(None, said.append))
    rows = [row for batch in batches for row in batch.to_pylist()]
    return [(row["word"], row["pron"], row["phones"]) for row in rows], [line.replace(str(path), "F") for line in said]


def refusal(folder: Path, *arguments: str | None, alphabet: Alphabet = "auto") -> str:
    with pytest.raises(InputError) as caught:
        read(folder, *arguments, alphabet=alphabet)  # type: ignore[arg-type]
    return str(caught.value).replace(f"{folder}/", "")


@pytest.mark.parametrize(
    ("name", "text", "entries", "alphabet"),
    [
        ("a.dict", "the DH AH0\nthe(2) DH IY1\n", [("the", "ðə", ["ð", "ə"]), ("the", "ˈði", ["ˈð", "i"])], "ARPAbet"),
        ("a.dict", "the\tDH AH0\n<unk>\tspn\n", [("the", "ðə", ["ð", "ə"]), ("<unk>", "spn", ["spn"])], "ARPAbet"),
        (
            "a.tsv",
            "word\tpron\nthe\tDH AH0\nk\tK EY1\n",
            [("the", "ðə", ["ð", "ə"]), ("k", "ˈkeɪ", ["ˈk", "eɪ"])],
            "ARPAbet",
        ),
        ("a.dict", "the\tdh ax\nk\tk ey\n", [("the", "ðə", ["ð", "ə"]), ("k", "keɪ", ["k", "eɪ"])], "ARPAbet"),
        (
            "a.dict",
            "taco\tt a k ow\nox\to k s\n",
            [("taco", "takow", ["t", "a", "k", "ow"]), ("ox", "oks", ["o", "k", "s"])],
            None,
        ),
        ("a.dict", "the\tD @\nshoe\tS u:\n", [("the", "ðə", ["ð", "ə"]), ("shoe", "ʃuː", ["ʃ", "uː"])], "X-SAMPA"),
        ("a.tsv", "word\tpron\nthe\tD@\nshoe\tSu:\n", [("the", "ðə", None), ("shoe", "ʃuː", None)], "X-SAMPA"),
        ("a.tsv", "word\tpron\nthe\t/ðə/\nshoe\t[ʃuː]\n", [("the", "ðə", None), ("shoe", "ʃuː", None)], None),
        ("a.dict", "taco\tt a k o\n", [("taco", "tako", ["t", "a", "k", "o"])], None),
        ("a.tsv", "word\tpron\nx\tt͡S\nshoe\tʃu\n", [("x", "t͡S", None), ("shoe", "ʃu", None)], None),
        ("a.tsv", "word\tpron\nx\tS\nshoe\tʃu\n", [("x", "S", None), ("shoe", "ʃu", None)], None),
        (
            "a.jsonl",
            '{"word": "k", "pron": "x", "phones": ["K", "EY1"]}\n{"word": "s", "pron": "y", "phones": ["S"]}\n',
            [("k", "ˈkeɪ", ["ˈk", "eɪ"]), ("s", "s", ["s"])],
            "ARPAbet",
        ),
    ],
)
def test_a_lexicon_in_another_alphabet_is_read_as_ipa_and_said(
    tmp_path: Path, name: str, text: str, entries: list[tuple[str, str, list[str] | None]], alphabet: str | None
) -> None:
    expected: list[str] = [] if alphabet is None else [f"Note: phones of F are {alphabet}, and are read as IPA"]
    assert read(tmp_path, name, text) == (entries, expected)


@pytest.mark.parametrize(
    ("name", "text", "lang", "message"),
    [
        (
            "a.dict",
            f"{IPA}the\tDH AH0\n",
            "eng-us",
            "a.dict, line 1: h ə l oʊ is IPA, and line 3, DH AH0, is ARPAbet: a lexicon has one alphabet of phones, so "
            "part it in two, or mend these lines",
        ),
        (
            "a.dict",
            "the\tDH AH0\nhello\tHH AH0 LL OW1\n",
            "eng-us",
            "a.dict, line 2: HH AH0 LL OW1 is not ARPAbet, and line 1, DH AH0, is ARPAbet",
        ),
        (
            "a.dict",
            "a\tS @\nb\tZ @\nc\tʃ ə\n",
            "eng-us",
            "a.dict, line 3: ʃ ə is IPA, and line 1, S @, is X-SAMPA",
        ),
        (
            "a.dict",
            "der\tD EH1 R\n",
            "ger",
            "a.dict, line 1: D EH1 R is ARPAbet, which writes eng-us only, and the word is of ger: check the language, "
            "or give a lexicon in IPA",
        ),
        (
            "a.dict",
            "中国\tzh ong1 g uo2\n",
            "zho-s",
            "a.dict, line 1: zh ong1 g uo2 is neither IPA, X-SAMPA nor ARPAbet: give a lexicon in one of them, or "
            "--lexicon-phones own with the --phone-map whose phones these are",
        ),
        (
            "a.pls",
            '<lexicon version="1.0" xmlns="http://www.w3.org/2005/01/pronunciation-lexicon" alphabet="x-microsoft-ups" '
            'xml:lang="en-US">\n<lexeme><grapheme>the</grapheme>\n<phoneme>DH AX</phoneme></lexeme></lexicon>',
            None,
            "a.pls, line 3: the alphabet x-microsoft-ups is not known here: write it in ipa or x-sampa",
        ),
    ],
)
def test_alphabets_are_never_mixed(tmp_path: Path, name: str, text: str, lang: str | None, message: str) -> None:
    assert refusal(tmp_path, name, text, lang).startswith(message)


def test_the_alphabet_may_be_named(tmp_path: Path) -> None:
    assert read(tmp_path, "a.dict", "a\tK\n", alphabet="x-sampa")[0] == [("a", "ɬ", ["ɬ"])]
    assert read(tmp_path, "a.dict", "a\tK\n", alphabet="arpabet")[0] == [("a", "k", ["k"])]
    assert read(tmp_path, "a.dict", "a\tzh ong1\n", "zho-s", alphabet="own") == ([("a", "zhong1", ["zh", "ong1"])], [])
    wrong = refusal(tmp_path, "a.dict", "a\tʃ\n", "eng-us", alphabet="arpabet")
    assert wrong.startswith("a.dict, line 1: ʃ is IPA, not ARPAbet: ")


def test_pls_is_read_with_the_alphabet_of_each_phoneme(tmp_path: Path) -> None:
    lexeme = (
        '<lexeme><grapheme>shoe</grapheme><grapheme>Shoe</grapheme>\n<phoneme alphabet="x-sampa">Su:</phoneme>\n'
        "<alias>boot</alias></lexeme>\n<lexeme><grapheme>taco</grapheme><phoneme>\n  ta\n ko\n</phoneme></lexeme>"
    )
    head = (
        '<lexicon version="1.0" xmlns="http://www.w3.org/2005/01/pronunciation-lexicon" alphabet="ipa" '
        'xml:lang="en-US">'
    )
    entries, said = read(tmp_path, "a.pls", f"{head}\n{lexeme}</lexicon>", None)
    assert entries == [("shoe", "ʃuː", None), ("Shoe", "ʃuː", None), ("taco", "ta ko", None)]
    assert said == [
        "Note: phones of F are X-SAMPA, and are read as IPA",
        "Note: 2 lines of F passed over: alias, first on line 4",
    ]


def test_what_breaks_the_rules_of_the_format_is_said_with_its_line(tmp_path: Path) -> None:
    entries, said = read(tmp_path, "lexicon.txt", "a ə\n<s> ə\na ə\n")
    assert [word for word, _, _ in entries] == ["a", "<s>", "a"]
    assert said == [
        "Note: F, line 2: has the reserved word <s>, and 1 more; `g2p-batch validate` lists them",
    ]


def test_lines_without_a_pronunciation_are_passed_over_and_said(tmp_path: Path) -> None:
    entries, said = read(tmp_path, "a.tsv", "word\tpron\na\tə\nb\t\nc\t\n")
    assert [word for word, _, _ in entries] == ["a"]
    assert said == ["Note: 2 lines of F passed over: no_pronunciation, first on line 3"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.dict", "été\te t e\nété(2)\te t ɛ\n"),
        ("lexicon.txt", "été e t e\nété(2) e t ɛ\n"),
        ("lexicon.txt", "мир m i r\nмир(2) m i r\n"),
    ],
)
def test_numbered_words_are_variants_in_any_script(tmp_path: Path, name: str, text: str) -> None:
    entries, _ = read(tmp_path, name, text, "fra")
    assert len({word for word, _, _ in entries}) == 1
    assert len(entries) == 2


def test_a_number_behind_another_word_stays(tmp_path: Path) -> None:
    entries, _ = read(tmp_path, "a.dict", "a\tə\nb(2)\tb\n")
    assert [word for word, _, _ in entries] == ["a", "b(2)"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.dict", "a\t10.5\tə\n", "line 1: 10.5 is no probability: name the format of costs, phonetisaurus"),
        ("a.dict", "a\tə\n" * 30 + "xin chào\ts i n\n", "line 31: has a blank before the tab, which MFA splits at"),
        (
            "a.tsv",
            "a\tb\n" * 30 + "a\tb c\n",
            "line 31: has blanks in the pronunciation: name its format, such as",
        ),
    ],
)
def test_what_would_be_misread_is_an_error_with_its_line(tmp_path: Path, name: str, text: str, message: str) -> None:
    assert message in refusal(tmp_path, name, text)


def test_nltks_numbers_are_no_phones(tmp_path: Path) -> None:
    assert read(tmp_path, "cmudict.txt", "A 1 AH0\nA 2 EY1\n")[0] == [("A", "ə", ["ə"]), ("A", "ˈeɪ", ["ˈeɪ"])]


def test_a_folder_with_folders_in_it_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "dict"
    (folder / "tmp").mkdir(parents=True)
    (folder / "lexicon.txt").write_text("a ə\n")
    lexicon = ExistingLexicon(folder, "eng-us")
    assert lexicon.files == [folder / "lexicon.txt"]
    assert [row["word"] for batch in lexicon.entries(None) for row in batch.to_pylist()] == ["a"]
    with pytest.raises(InputError, match=r"holds neither lexicon\.txt nor lexiconp\.txt"):
        list(ExistingLexicon(folder / "tmp", "eng-us").entries(None))


def test_a_lexicon_of_no_language_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not name the language of its words: give --lang TAG"):
        read(tmp_path, "a.dict", IPA, None)


def test_a_folder_that_lists_silence_alone_gives_nothing(tmp_path: Path) -> None:
    (tmp_path / "lexicon.txt").write_text("!SIL SIL\n<UNK> SPN\n")
    assert sum(len(batch) for batch in ExistingLexicon(tmp_path, "eng-us").entries(None)) == 0
