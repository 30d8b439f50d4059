"""ARPAbet and X-SAMPA of others: told, and read as IPA."""

import pytest

from g2p_batch.phones import arpabet, xsampa
from g2p_batch.phones.arpabet import ARPABET, with_digits
from g2p_batch.phones.notation import in_ipa, told_by
from g2p_batch.phones.reading import reading_of
from g2p_batch.phones.xsampa import KNOWN_SYMBOLS


@pytest.mark.parametrize(
    ("phones", "lang", "told"),
    [
        ("HH AH0 L OW1", "eng-us", "arpabet"),
        ("HH AH L OW", "eng-us", "arpabet"),
        ("hh ah0 l ow1", "eng-us", "arpabet"),
        ("SH", "eng-us", "arpabet"),
        ("aa", "eng-us", None),
        ("K AA", "ger", "arpabet"),
        ("AX0 DX AXR", "eng-us", "arpabet"),
        ("h ə l oʊ", "eng-us", "ipa"),
        ("ɲ", "spa", "ipa"),
        ("t ʃ", "spa", "ipa"),
        ("p a t o", "spa", None),
        ("K", "eng-us", "x-sampa"),
        ("tS 3` tS", "eng-us", "x-sampa"),
        ('"S t R a: s @', "ger", "x-sampa"),
        ("t_S i", "spa", "x-sampa"),
        ("zh ong1 g uo2", "zho-s", "unknown"),
        ("か な", "jpn", "unknown"),
        ("spn", "eng-us", None),
        ("SIL", "eng-us", None),
        ("S", "uzb", None),
        ("a b\t", "eng-us", None),
    ],
)
def test_phones_show_their_alphabet(phones, lang, told):
    assert told_by(phones.split(" "), lang, apart=True) == told


def test_a_pronunciation_that_is_not_cut_into_phones_shows_its_alphabet():
    assert told_by(['"StRa:s@'], "ger", apart=False) == "x-sampa"
    assert told_by(["ˈʃtʁaːsə"], "ger", apart=False) == "ipa"
    assert told_by(["patata"], "spa", apart=False) is None


@pytest.mark.parametrize(
    ("phones", "ipa"),
    [
        ("HH AH0 L OW1", "h ə ˈɫ oʊ"),
        ("AO1 R IH0 NG K", "ˈɔ ɹ ɪ ŋ k"),
        ("S T R EH1 NG TH", "ˈs t ɹ ɛ ŋ θ"),
        ("EH2 K S T R AH0", "ˌɛ k s t ɹ ə"),
        ("IH0 K S T R IY1 M", "ɪ k ˈs t ɹ i m"),
        ("K AH0 M P Y UW1 T ER0", "k ə m ˈp j u t ɝ"),
        ("P AH0 T EY1 T OW2", "p ə ˈt eɪ ˌt oʊ"),
        ("M AA1 K OW2 W AO0 L", "ˈm ɑ ˌk oʊ w ɔ ɫ"),
        ("b ah1 t", "ˈb ə t"),
        ("B AH1 DX AXR", "ˈb ə ɾ ɚ"),
        ("HH AH L OW", "h ə ɫ oʊ"),
        ("K L AO1 IH0 NG", "ˈk ɫ ɔ . ɪ ŋ"),
        ("HH AA1 T SH AA2 T", "ˈh ɑ t ˌʃ ɑ t"),
        ("N AH1 T SH EH0 L", "ˈn ə t . ʃ ɛ ɫ"),
        ("SPN", "SPN"),
    ],
)
def test_arpabet_is_read_as_the_dictionary_of_eng_us_writes_it(phones, ipa):
    assert in_ipa(phones.split(), "arpabet") == ipa.split()


def test_arpabet_comes_back_from_ipa():
    for phones in ("HH AH0 L OW1", "IH0 K S T R IY1 M", "P AH0 T EY1 T OW2", "Y UW1 N AH0 V ER2 S", "N AH1 T SH EH0 L"):
        split = reading_of("eng-us").split
        parts = [part for phone in arpabet.ipa_of(phones.split()) for part in split(phone)]
        assert with_digits(ARPABET.apply(parts, frozenset("."))) == phones.split()


@pytest.mark.parametrize(
    ("text", "ipa"),
    [
        ('"StRa:s@', "ˈʃtʁaːsə"),
        ("t_S", "t͡ʃ"),
        ("t_d", "t̪"),
        ("r\\`=", "ɻ̩"),
        ("N_m", "ŋ̻"),
        ("p_h_w", "pʰʷ"),
        ("J\\_<", "ʄ"),
        ("e_^", "e̯"),
        ("P", "ʋ"),
        ("t;", "tʲ"),
    ],
)
def test_xsampa_is_read_as_ipa(text, ipa):
    assert xsampa.ipa_of(text) == ipa
    assert in_ipa([text], "x-sampa") == [ipa]


def test_every_symbol_of_xsampa_comes_back():
    lost = {
        symbol
        for symbol in KNOWN_SYMBOLS
        if xsampa.xsampa(xsampa.ipa_of(xsampa.xsampa(symbol))) != xsampa.xsampa(symbol)
    }
    assert lost == set()
