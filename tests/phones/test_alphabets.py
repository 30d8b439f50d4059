"""X-SAMPA and ARPAbet."""

import csv
import importlib.resources
import re

import pyarrow as pa
import pytest

from g2p_batch.errors import UsageError
from g2p_batch.phones import Style, segment
from g2p_batch.phones.arpabet import SYMBOLS
from g2p_batch.phones.symbols import CONSONANTS, DIACRITICS, KNOWN, MODIFIERS, TONES, VOWELS
from g2p_batch.phones.xsampa import KNOWN_SYMBOLS, xsampa


def in_alphabet(lang, pron, **style):
    done = segment(pa.array([pron]), pa.array([lang]), Style(**style))
    return done.phones[0].as_py(), dict(done.unknown)


@pytest.mark.parametrize(
    ("lang", "pron", "phones"),
    [
        ("ger", "ˈʃtʁaːsə", '"S t R a: s @'),
        ("fra", "bɔ̃ʒuʁ", "b O~ Z u R"),
        ("pol", "t͡ʂɨˈtat͡ɕ", 'ts` 1 "t a ts\\'),
        ("eng-us", "ˈtʃɝtʃ", '"tS 3` tS'),
        ("vie-n", "mo˧ˀ˥", "m o _M_?_T"),
        ("nan", "to⁴⁴⁻²²", "t o _H_H-_L_L"),
        ("swa", "uⁿɗʒiᵑga", "u nd_<Z i Ng a"),
        ("grc", "pʰílon", "p_h i_H l o n"),
        ("isl", "hl̥aiːp", "h l_0 a i: p"),
        ("zho-s", "ʈʂʰɻ̩˥˩", r"t`s`_h r\`= _T_B"),
        ("kor", "k͈ʌ̹p̚", "k͈ V_O p_}"),
    ],
)
def test_phones_in_xsampa(lang, pron, phones):
    assert in_alphabet(lang, pron, alphabet="x-sampa")[0] == phones.split()


def test_xsampa_writes_the_whole_chart_in_ascii_and_names_what_is_beyond_it():
    assert set("ⱱˢᵊᵝᶣ˭⁰⁶⁷⁸⁹\u0348") == KNOWN - KNOWN_SYMBOLS
    assert all(xsampa(symbol).isascii() for symbol in KNOWN_SYMBOLS)
    assert in_alphabet("jpn", "kɯᵝ", alphabet="x-sampa") == (["k", "Mᵝ"], {("jpn", "ᵝ"): 1})


def test_distinct_letters_and_marks_stay_distinct_in_xsampa():
    same = {"ɡ": "g", "ʦ": None, "ʣ": None, "ʧ": None, "ʤ": None, "ʨ": None, "ʥ": None}
    letters = [letter for letter in VOWELS | CONSONANTS if letter in KNOWN_SYMBOLS and letter not in same]
    marks = [mark for mark in DIACRITICS | MODIFIERS if mark in KNOWN_SYMBOLS]
    written = {xsampa(letter): letter for letter in letters}
    assert len(written) == len(letters)
    twins = [
        {"\u0325", "\u030a"},
        {"\u0329", "\u030d"},
        {"\u032f", "\u0311"},
        {"\u0339", "\u0357"},
        {"\u031c", "\u0351"},
    ]
    by_text = {}
    for mark in marks:
        by_text.setdefault(xsampa("a" + mark), set()).add(mark)
    assert sorted(map(sorted, (group for group in by_text.values() if len(group) > 1))) == sorted(map(sorted, twins))


def test_letters_agree_with_the_table_of_panphon():
    pytest.importorskip("panphon", reason="panphon is not installed")
    with importlib.resources.files("panphon").joinpath("data/ipa-xsampa.csv").open(encoding="utf-8") as file:
        table = {row[0]: row[1] for row in csv.reader(file) if len(row) > 1}
    ours = {symbol: xsampa(symbol) for symbol in VOWELS | CONSONANTS if symbol in table and symbol in KNOWN_SYMBOLS}
    differing = {symbol: (text, table[symbol]) for symbol, text in ours.items() if text != table[symbol]}
    assert len(ours) > 90
    assert differing == DIFFERING_FROM_PANPHON


DIFFERING_FROM_PANPHON = {
    "ʋ": ("v\\", "P"),  # Wells gives both; `P` is a bilabial elsewhere
    "ǂ": ("=\\", "'=\\"),  # a stray quote in that table
}


@pytest.mark.parametrize(
    ("pron", "phones"),
    [
        ("ˈhɛɫoʊ", "HH EH1 L OW0"),
        ("ˈstɹɛŋkθ", "S T R EH1 NG K TH"),
        ("ˌeɪˌdiˌeɪtʃˈdi", "EY2 D IY2 EY2 CH D IY1"),
        ("ˈdʒʊɹi", "JH UH1 R IY0"),
        ("ˈɫaɪən", "L AY1 AH0 N"),
        ("əˈbaʊt", "AH0 B AW1 T"),
        ("ˈbɔɪ", "B OY1"),
        ("ˈmɛʒɝ", "M EH1 ZH ER0"),
        ("ˈðɪs", "DH IH1 S"),
        ("næˈivz", "N AE0 IY1 V Z"),
        ("aʊtˈʃoʊn", "AW0 T SH OW1 N"),
    ],
)
def test_american_english_in_arpabet_as_cmudict_writes_it(pron, phones):
    assert in_alphabet("eng-us", pron, alphabet="arpabet") == (phones.split(), {})


def test_arpabet_has_39_phones_and_84_symbols_with_digits():
    vowels = {symbol[:-1] for symbol in SYMBOLS if symbol[-1].isdigit()}
    assert len(vowels) == 15
    assert len({re.sub(r"\d", "", symbol) for symbol in SYMBOLS}) == 39
    assert len(SYMBOLS) - len(vowels) == 24 + 45 == 69


def test_arpabet_without_stress_has_no_digits():
    assert in_alphabet("eng-us", "ˈhɛɫoʊ", alphabet="arpabet", stress="drop") == (["HH", "EH", "L", "OW"], {})
    assert in_alphabet("eng-us", "aʊtˈʃoʊn", alphabet="arpabet", stress="drop")[0] == ["AW", "T", "SH", "OW", "N"]


def test_what_arpabet_lacks_stays_and_is_counted():
    phones, unknown = in_alphabet("eng-us", "ˈxa,b", alphabet="arpabet")
    assert phones == ["ˈ", "x", "a", ",", "B"]
    assert unknown == {("eng-us", symbol): 1 for symbol in "ˈxa,"}


def test_arpabet_is_refused_for_other_languages():
    with pytest.raises(UsageError) as error:
        segment(pa.array(["a", "a"]), pa.array(["fra", "eng-us"]), Style(alphabet="arpabet"))
    assert str(error.value) == (
        "ARPAbet writes the phones of eng-us only, not of fra: choose ipa or x-sampa, or leave those words out"
    )


def test_the_tones_of_chao_have_five_levels():
    assert [xsampa(tone) for tone in "˥˦˧˨˩"] == [xsampa(tone) for tone in "⁵⁴³²¹"]
    assert set("˥˦˧˨˩⁵⁴³²¹") <= TONES
