"""Words as people write them, and what the bundled model is asked instead."""

import pyarrow as pa
import pytest

from g2p_batch.model.contract import load_contract
from g2p_batch.model.shipped import BUNDLED
from g2p_batch.words.spelling import ACRONYM, NO_KNOWN_LETTER, SEPARATOR, UNSEEN_CHARACTER, Asked, Spelling
from g2p_batch.words.spelling.characters import described

ALPHABETS = load_contract(BUNDLED).alphabets
BUNDLED_SPELLING = Spelling(ALPHABETS)


def asked(word: str, lang: str, spelling: Spelling = BUNDLED_SPELLING) -> Asked:
    return spelling.ask(pa.array([word]), pa.array([lang]).dictionary_encode())


def shown(word: str, lang: str, spelling: Spelling = BUNDLED_SPELLING) -> tuple[str, str | None]:
    """Return the parts that are asked, parted by a bar, and the doubt."""
    one = asked(word, lang, spelling)
    return (one.text[0].as_py() or word).replace(SEPARATOR, "|"), one.doubt[0].as_py()


@pytest.mark.parametrize(
    ("lang", "word", "text"),
    [
        # capitals, by the rules of languages
        ("eng-us", "Hello", "hello"),
        ("eng-us", "HELLO", "hello"),
        ("pol", "ŁÓDŹ", "łódź"),
        ("gre", "Λόγος", "λόγοσ"),
        ("gre", "ΛΌΓΟΣ", "λόγοσ"),
        ("grc", "ΕἸΛΗΛΟΎΘΕΙ", "εἰληλούθει"),
        ("lit", "ĖJIMAS", "ėjimas"),
        ("tur", "DİYARBAKIR", "diyarbakır"),
        ("tur", "ISPARTA", "ısparta"),
        ("ger", "STRAẞE", "straße"),
        ("hbs-latn", "ǅep", "džep"),
        # apostrophes and hyphens
        ("eng-us", "it’s", "it's"),
        ("eng-us", "don´t", "don't"),
        ("ukr", "мʼяч", "м'яч"),
        ("tur", "İstanbul’da", "istanbulda"),
        ("por-po", "d’água", "dágua"),
        ("eng-us", "well–known", "well-known"),
        ("fin", "epä‐", "epä-"),
        # letters of other alphabets for the same
        ("gre", "λόγος", "λόγοσ"),
        ("gre", "ὸν", "όν"),
        ("gre", "ᾧ", "ώ"),
        ("ron", "ţară", "țară"),
        ("ron", "ŞTIINŢĂ", "știință"),
        ("tur", "șeker", "şeker"),
        ("cat", "col•legi", "col·legi"),
        ("cat", "col.legi", "col·legi"),
        ("cat", "coŀlegi", "col·legi"),
        ("dut", "ĳs", "ijs"),
        ("eng-us", "ﬁne", "fine"),
        ("eng-us", "ｈｅｌｌｏ", "hello"),
        ("eng-us", "Straße", "strasse"),
        # accents of dictionaries
        ("ukr", "за\u0301мок", "замок"),
        ("bul", "вода\u0300", "вода"),
        ("lit", "Lietuvà", "lietuva"),
        ("slv", "žȃba", "žaba"),
        # composed and decomposed
        ("fra", "e\u0301te\u0301", "été"),
        ("gre", "ΦΑΪ\u0301", "φαΐ"),
        # what shows as nothing
        ("eng-us", "so\u00adft", "soft"),
        ("eng-us", "\ufeffhello\u200b", "hello"),
        ("bul", "во\u2060да", "вода"),
        # punctuation around
        ("eng-us", "“Hello,”", "hello"),
        ("eng-us", "‘hello’", "hello"),
        ("eng-us", "''hello''", "hello"),
        ("eng-us", "hello.", "hello"),
        ("eng-us", "hello...", "hello"),
        ("eng-us", "u.s.", "u.s."),
        ("eng-us", "'tis", "'tis"),
        ("eng-us", "dogs’", "dogs'"),
        ("eng-us", "—hello—", "hello"),
        ("spa", "¿qué?", "qué"),
        ("ger", "„Haus“", "haus"),
        ("eng-us", '(\u00ad"hello")', "hello"),
        # letters whose base alone is known
        ("eng-us", "café", "cafe"),
        ("eng-us", "Łódź", "lodz"),
        ("eng-us", "œuvre", "oeuvre"),
        ("eng-us", "Ægir", "aegir"),
        # parts
        ("eng-us", "New York", "new|york"),
        ("eng-us", "New_York", "new|york"),
        ("fra", "Celui-ci", "celui|ci"),
        ("ger", "Nord-Süd", "nord|süd"),
        ("fin", "liettuan\u00a0kieli", "liettuan kieli"),
        ("dut", "’s-Gravenhage", "'s|gravenhage"),
    ],
)
def test_a_word_is_asked_as_the_model_learnt_to_read(lang: str, word: str, text: str) -> None:
    assert shown(word, lang) == (text, None)


@pytest.mark.parametrize(
    ("lang", "word", "text", "doubt"),
    [
        ("ger", "STRAẞE", "Straße", None),
        ("ger", "Haus", "Haus", None),
        ("ger", "HAUS", "Haus", None),
        ("ger", "DonauDampf", "Donaudampf", None),
        ("ger", "Nord-Süd", "Nord|Süd", None),
        ("fra", "D’Artagnan", "D'Artagnan", None),
        ("fra", "QU’IL", "qu'il", None),
        ("fra", "Celui-ci", "Celui|ci", None),
        ("fra", "U.S.A.", "U|S|A", UNSEEN_CHARACTER),
        ("est", "TALLINN", "tallinn", None),
        ("est", "Tallinn", "Tallinn", None),
        ("tur", "İstanbul’da", "İstanbulda", None),
        ("bel", "Мiнск", "Мінск", UNSEEN_CHARACTER),
    ],
)
def test_capitals_that_an_alphabet_has_stay_where_words_begin(
    lang: str, word: str, text: str, doubt: str | None
) -> None:
    begin_words = 2 if lang == "ger" else 50
    capitals = {
        "İ" if letter == "i" and lang == "tur" else letter.upper(): 1 + count // begin_words
        for letter, count in ALPHABETS[lang].items()
        if letter.isalpha() and len(letter.upper()) == 1
    }
    assert shown(word, lang, Spelling({lang: ALPHABETS[lang] | capitals})) == (text, doubt)


@pytest.mark.parametrize(
    ("lang", "word", "text"),
    [
        ("eng-us", "hello🙂", "hello"),
        ("eng-us", "and/or", "and|or"),
        ("eng-us", "b2b", "b|b"),
        ("eng-us", "C#", "c"),
        ("eng-us", "iPhone 15", "iphone"),
        ("eng-us", "東京 tower", "tower"),
        ("eng-us", "rock&roll", "rock|roll"),
        ("slv", "taxi", "taxi"),
        ("ukr", "cлово", "слово"),
        ("bel", "Мiнск", "мінск"),
        ("bel", "аб’ява", "абява"),
        ("fra", "U.S.A.", "u|s|a"),
    ],
)
def test_a_word_with_a_character_that_the_model_never_saw_is_doubtful(lang: str, word: str, text: str) -> None:
    assert shown(word, lang) == (text, UNSEEN_CHARACTER)


@pytest.mark.parametrize(
    ("lang", "word"),
    [
        *(("eng-us", word) for word in ("1984", "...", "日本語", "50%", "-", "'", "\u00ad", "🙂", "привет", "---")),
        ("ukr", "hello"),
        ("ukr", "i"),
        ("slv", "x"),
    ],
)
def test_a_word_without_a_letter_that_the_model_knows_is_none(lang: str, word: str) -> None:
    assert shown(word, lang) == (word, NO_KNOWN_LETTER)


@pytest.mark.parametrize(("lang", "word"), [("eng-us", "NBC"), ("ukr", "ВВП"), ("est", "HTML"), ("ger", "GmbHS")])
def test_capitals_without_a_vowel_may_be_said_letter_by_letter(lang: str, word: str) -> None:
    assert shown(word, lang)[1] == (ACRONYM if word.isupper() else None)


def test_letters_that_look_like_others_are_named() -> None:
    looks = asked("cлoво", "ukr").look_alikes
    assert looks == {("ukr", "c"): 1, ("ukr", "o"): 1}
    assert described("c") == "c (U+0063, Latin)"


def test_steps_are_counted_once_a_word() -> None:
    words, langs = ["It’s", "“IT’S”", "soft", "New-York", "1984"], ["eng-us"] * 5
    steps = BUNDLED_SPELLING.ask(pa.array(words), pa.array(langs).dictionary_encode()).steps
    assert steps == {"apostrophe": 2, "lower_case": 3, "punctuation": 1}


def test_joiners_stay_where_the_alphabet_has_them() -> None:
    spelling = Spelling({"fas": {"م": 9, "ی": 9, "\u200c": 3}, "urd": {"م": 9, "ی": 9}})
    assert shown("می\u200cم", "fas", spelling) == ("می\u200cم", None)
    assert shown("می\u200cم", "urd", spelling) == ("میم", None)
    assert shown("مي\u200f", "fas", spelling) == ("می", None)


def test_an_apostrophe_becomes_the_one_that_the_alphabet_has() -> None:
    spelling = Spelling({"uzb": {"o": 9, "z": 9, "ʻ": 5}, "ady": {"к": 9, "ӏ": 5, "э": 9}, "tha": {"ท": 5, "ำ": 5}})
    assert shown("o'z", "uzb", spelling) == ("oʻz", None)
    assert shown("кIэ", "ady", spelling) == ("кӏэ", None)
    assert shown("ท\u0e4d\u0e32", "tha", spelling) == ("ทำ", None)


def test_a_greek_sigma_is_final_at_the_end_where_the_alphabet_has_both() -> None:
    spelling = Spelling({"gre": dict.fromkeys("λόγοσς", 5)})
    assert shown("ΛΌΓΟΣ", "gre", spelling) == ("λόγος", None)
    assert shown("λόγος", "gre", spelling) == ("λόγος", None)


def test_words_of_a_language_without_an_alphabet_are_asked_as_they_are() -> None:
    spelling = Spelling({"fra": {"a": 1}})
    for word in ("“HELLO”", "1984", "New York", "日本語"):
        assert shown(word, "eng-us", spelling) == (word, None)
