"""Rows that formats refuse whose lines are a word and phones, and why."""

from pathlib import Path

import pytest

from g2p_batch.errors import InputError, UsageError
from g2p_batch.formats.kind import Expected
from g2p_batch.formats.lexicon import WriteOptions
from g2p_batch.formats.registry import FORMATS
from g2p_batch.formats.sherpa import Repeats
from tests.helpers.lexicons import (
    PHONE_LINE_FORMATS,
    PLAIN,
    Row,
    batch,
    lexeme,
    problems,
    reasons,
    write,
)


@pytest.mark.parametrize("each", [1, 2, 100])
def test_sherpa_refuses_words_that_differ_from_an_earlier_one_in_ascii_case(each: int) -> None:
    english = lexeme("POLISH", "p", "b") + lexeme("Polish", "p oʊ") + lexeme("a", "ə") + lexeme("polish", "p ɒ", "p")
    other = lexeme("polish", "p", lang="pol") + lexeme("É", "e", lang="pol") + lexeme("é", "i", lang="pol")
    rows, repeats = batch(english + other), Repeats()
    found = [repeats(rows.slice(at, each), PLAIN) for at in range(0, len(rows), each)]
    counted = [None, None, "differs_in_case", None, "differs_in_case", "differs_in_case", None, None, None]
    assert [reason for some in found for reason in some.to_pylist()] == counted


REFUSED: tuple[tuple[str, Row, str], ...] = (
    *((name, Row("a", "", None), "no_phones") for name in (*PHONE_LINE_FORMATS, "cmudict", "kaldi-dict")),
    *((name, Row("a", "", []), "no_phones") for name in PHONE_LINE_FORMATS),
    *((name, *lexeme("a b", "a"), "space_in_word") for name in (*PHONE_LINE_FORMATS, "cmudict")),
    *((name, *lexeme("a\u00a0b", "a"), "space_in_word") for name in PHONE_LINE_FORMATS),
    *((name, *lexeme("\u3000", "a"), "space_in_word") for name in PHONE_LINE_FORMATS),
    *((name, *lexeme("a\tb", "a"), "control_character") for name in (*PHONE_LINE_FORMATS, "charsiu")),
    *((name, *lexeme("\x7f", "a"), "control_character") for name in PHONE_LINE_FORMATS),
    *((name, *lexeme("\ufeffa", "a"), "byte_order_mark") for name in (*PHONE_LINE_FORMATS, "charsiu")),
    *((name, Row("a", "a b", ["a b"]), "whitespace_in_phone") for name in PHONE_LINE_FORMATS),
    *((name, Row("a", "a", ["a", ""]), "whitespace_in_phone") for name in PHONE_LINE_FORMATS),
    *((name, *lexeme("<eps>", "a"), "reserved_word") for name in PHONE_LINE_FORMATS[:5]),
    *((name, *lexeme("#0", "a"), "reserved_word") for name in PHONE_LINE_FORMATS[:5]),
    *((name, *lexeme("a", "a #1"), "reserved_phone") for name in (*PHONE_LINE_FORMATS[:5], "kaldi-dict")),
    *((name, *lexeme("a", "a b_E"), "reserved_phone") for name in ("mfa", "kaldi", "kaldi-dict")),
    ("mfa", lexeme("a", "1 a")[0], "number_as_first_phone"),
    ("mfa-prob", lexeme("a", "1: a")[0], "number_as_first_phone"),
    ("mfa", lexeme("a", "0.5 a")[0], "number_as_first_phone"),
    ("mfa", lexeme("a", "a spn")[0], "reserved_phone"),
    ("mfa", lexeme("´", "a")[0], "space_in_word"),
    *(
        ("mfa", lexeme(word, "a")[0], "reserved_word")
        for word in ("<unk>", "<cutoff>", "<UNK>", "[LAUGHTER]", "[Bracketed]", "<S>", "<EPS>", "\uff1cunk\uff1e")
    ),
    *((name, lexeme("!SIL", "a")[0], "reserved_word") for name in ("kaldi-dict", "icefall")),
    *((name, lexeme("<UNK>", "a")[0], "reserved_word") for name in ("kaldi-dict", "icefall")),
    *((name, lexeme("a", "SIL a")[0], "reserved_phone") for name in ("kaldi-dict", "icefall")),
    *(
        ("sherpa", lexeme(word, "a")[0], "never_said")
        for word in (
            *("ελλάδα", "привет", "gęś", "são", "œuf", "l’eau", "ﬁn", "e\u0301"),
            *("x-ray", "a_b", "(x)", '"a"', "-", "?"),
            *("안녕", "สวัสดี", "東京は", "ab中", "中" * 11),
        )
    ),
    ("cmudict", lexeme("a", "AA1 tʃ")[0], "not_arpabet"),
    ("cmudict", lexeme("été", "EY0")[0], "not_ascii"),
    ("cmudict", lexeme("a", "AA1", lang="fra")[0], "not_eng_us"),
    *(("cmudict", lexeme(word, "AA1")[0], "variant_mark") for word in ("a(2)", "a(b)", "a()", "(a)(b)", "a(b)c)")),
    *(("cmudict", lexeme(word, "AA1")[0], "comment_mark") for word in (";;;", ";;a", "#1", "##")),
    *(("cmudict", lexeme(word, "AA1")[0], "reserved_word") for word in ("<s>", "</s>", "<sil>")),
    ("charsiu", Row("a", "a b", None), "space_in_pronunciation"),
    ("charsiu", Row("a", "a,b", None), "comma_in_pronunciation"),
    ("charsiu", Row("a", "", None), "no_pronunciation"),
)


@pytest.mark.parametrize(("name", "row", "reason"), REFUSED)
def test_a_row_that_readers_would_misread_is_refused_and_its_neighbours_are_not(
    name: str, row: Row, reason: str
) -> None:
    good = lexeme("ok", "AA1" if name == "cmudict" else "ɔ kː")
    assert reasons(name, [*good, row, *good]) == [None, reason, None]


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("mfa", lexeme("1", "a 1 0.5")[0]),
        ("mfa", lexeme("(x)", "a1 1b")[0]),
        ("mfa", lexeme("a", "11 a")[0]),
        ("mfa", lexeme("[cutoff]", "a")[0]),
        ("kaldi", lexeme("1", "1 0.5")[0]),
        ("kaldi", lexeme("#1", "a")[0]),
        ("icefall", lexeme("a", "#x a_B")[0]),
        *(
            ("sherpa", lexeme(word, "#0 <eps>")[0])
            for word in (
                "don't",
                "'tis",
                "Straße",
                "ÉTÉ",
                "niño",
                "œ",
                "я",
                "&",
                "2nd",
                "中",
                "中国",
                "時々",
                "中" * 10,
            )
        ),
        *(("cmudict", lexeme(word, "AA")[0]) for word in ("(a)", "()", "a(b", "a)", "(a)b", ";a", "<SIL>", "[NOISE]")),
        ("charsiu", Row("a b,c", "a", None)),
    ],
)
def test_what_only_looks_strange_is_accepted(name: str, row: Row) -> None:
    assert reasons(name, [row]) == [None]


@pytest.mark.parametrize("name", ["mfa", "mfa-prob"])
@pytest.mark.parametrize(
    ("row", "reason"),
    [
        *((lexeme(word, "a")[0], "separator") for word in ("a|b", "a_b", "a}b", "a;b", "_", "a\uff5cb", "a\uff3fb")),
        *((lexeme("a", f"a {phone}")[0], "separator") for phone in ("|", "a_x", "a}", ";")),
        (lexeme("a(2)", "a")[0], "variant_mark"),
        *((lexeme(word, "a")[0], None) for word in ("a{b", "(2)", "a(b)", "a:b", "'tis", "a(b)(2)")),
        (lexeme("<unk>", "a")[0], "reserved_word"),
    ],
)
def test_what_would_spoil_training_is_refused_if_the_lexicon_is_for_it(name: str, row: Row, reason: str | None) -> None:
    assert reasons(name, [row], WriteOptions(reader="phonetisaurus")) == [reason]
    assert reasons(name, [row]) == [reason if reason == "reserved_word" else None]


def test_what_stands_for_spaces_may_not_spoil_training() -> None:
    options = WriteOptions(reader="phonetisaurus", space_in_word="_")
    assert reasons("mfa", lexeme("a b", "a"), options) == ["separator"]


def test_reasons_of_a_slice_are_those_of_its_rows() -> None:
    rows = batch(
        [
            *lexeme("a b", "a"),
            *lexeme("b", "1 a"),
            Row("c", "", None),
            *lexeme("d", "d"),
            *lexeme("e", "1 e", "f #1"),
        ]
    )
    whole = FORMATS["mfa"].refuse(rows, PLAIN).to_pylist()
    assert whole == ["space_in_word", "number_as_first_phone", "no_phones", None, *whole[4:]]
    assert whole[4:] == ["number_as_first_phone", "reserved_phone"]
    for at in range(len(rows)):
        assert FORMATS["mfa"].refuse(rows.slice(at), PLAIN).to_pylist() == whole[at:]


def test_a_character_stands_for_spaces_and_no_two_words_become_one(tmp_path: Path) -> None:
    options = WriteOptions(space_in_word="_")
    rows = lexeme("việt nam", "v") + lexeme("a_b", "a") + lexeme(" ", "s")
    assert reasons("mfa", rows, options) == [None, "replacement_in_word", None]
    assert write("mfa", [rows[0], rows[2]], tmp_path / "x.dict", options).read_text() == "việt_nam\tv\n_\ts\n"
    assert reasons("kaldi", lexeme(" 0", "a"), WriteOptions(space_in_word="#")) == ["reserved_word"]


@pytest.mark.parametrize("mark", ["", "ab", " ", "\t", "\u00a0", "\x00"])
def test_only_one_visible_character_can_stand_for_a_space(mark: str) -> None:
    with pytest.raises(UsageError, match="cannot stand for a space in words: give one visible character"):
        WriteOptions(space_in_word=mark)


def tokens_file(folder: Path, content: str = "  0\na\t1\ntʃ 2\n") -> Path:
    path = folder / "tokens.txt"
    path.write_text(content, encoding="utf-8")
    return path


def test_sherpa_refuses_tokens_that_the_voice_lacks(tmp_path: Path) -> None:
    options = WriteOptions(tokens=tokens_file(tmp_path))
    rows = lexeme("a", "a tʃ") + lexeme("b", "a b")
    assert reasons("sherpa", rows, options) == [None, "token_not_in_set"]
    path = write("sherpa", rows, tmp_path / "lexicon.txt")
    assert [(found.line, found.what) for found in problems("sherpa", path, Expected(options.tokens))] == [
        (2, f"has the token b, which {options.tokens} lacks: it is skipped")
    ]


@pytest.mark.parametrize("content", ["a\n", "a 1\nb x\n", "a 1 2 x\n"])
def test_a_list_of_tokens_that_is_none_is_an_error(tmp_path: Path, content: str) -> None:
    path = tokens_file(tmp_path, content)
    with pytest.raises(InputError, match=r"tokens\.txt, line \d: is not a token and its number"):
        reasons("sherpa", lexeme("a", "a"), WriteOptions(tokens=path))
