"""One sound is one phone, however its dictionary or a lexicon writes it."""

from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from g2p_batch.errors import UsageError
from g2p_batch.languages import LANGUAGES
from g2p_batch.phones import PhoneMap, Style, restyle, segment
from g2p_batch.phones.quirks import QUIRKS
from g2p_batch.phones.symbols import decomposed
from g2p_batch.phones.unify import unifier_of
from tests.helpers.phone_samples import golden


def said(lang, pron, **style):
    return segment(pa.array([pron]), pa.array([lang]), Style(**style)).phones[0].as_py()


def given_phones(lang, phones, **style):
    return restyle(pa.array([phones.split()]), pa.array([lang]), Style(**style)).phones[0].as_py()


@pytest.mark.parametrize(
    ("lang", "pron", "phones", "changes"),
    [
        ("por-bz", "ˈtʃidʒit͡ʃi", "ˈt͡ʃ i d͡ʒ i t͡ʃ i", {("tʃ", "t͡ʃ"): 1, ("dʒ", "d͡ʒ"): 1}),
        ("por-po", "ˈtʃit͡ʃi", "ˈtʃ i tʃ i", {("t͡ʃ", "tʃ"): 1}),
        ("eng-us", "t͡ʃʤd͜ʒgɡ", "tʃ dʒ dʒ ɡ ɡ", {("t͡ʃ", "tʃ"): 1, ("ʤ", "dʒ"): 1, ("d͜ʒ", "dʒ"): 1, ("g", "ɡ"): 1}),
        ("bul", "tsat͡sapot̪s", "t͡s a t͡s a p o t̪ s", {("ts", "t͡s"): 1}),
        ("pol", "t͡ʂtʂ", "t͡ʂ t ʂ", {}),
        ("ang", "æ͜ɑæ͡ɑ", "æ͡ɑ æ͡ɑ", {("͜", "͡"): 1}),
        ("fra", "bɔ\u0303a\u0303\u00e3", "b ɔ\u0303 \u00e3 \u00e3", {("a\u0303", "\u00e3"): 1}),
        ("ltz", "ʧǝ\u200b", "t͡ʃ ə", {("ʧ", "t͡ʃ"): 1, ("ǝ", "ə"): 1, ("\u200b", ""): 1}),
        ("fra", "ç c\u0327", "ç ç", {("c\u0327", "ç"): 1}),
    ],
)
def test_a_sound_is_written_in_one_way_and_what_changes_is_counted(lang, pron, phones, changes):
    done = segment(pa.array([pron, "", pron]), pa.array([lang] * 3), Style())
    assert done.phones.to_pylist() == [phones.split(), [], phones.split()]
    assert done.unified == Counter({(lang, *change): 2 * count for change, count in changes.items()})
    assert "".join(said(lang, pron, alphabet="raw", syllables="keep")) == pron


def test_sampa_is_left_alone_until_it_is_mended():
    assert said("swe", "gu0ldg") == ["g", "u0", "l", "d", "g"]
    assert said("swe", "gu0ldg", clean=True) == ["ɡ", "ɵ", "l", "d", "ɡ"]


@given(st.sampled_from(sorted(LANGUAGES)), st.text("tʃdʒsʂɕzgɡa\u0361\u035cʧ\u0303\u032açe\u0301ˈ", max_size=12))
def test_what_is_written_in_one_way_stays_so(lang, pron):
    unify = unifier_of(lang)
    assert unify(unify(pron)) == unify(pron)
    assert unify.of_phone(unify.of_phone(pron)) == unify.of_phone(pron)
    assert (unify(pron) == pron) == (not [*unify.changes(pron)])


@pytest.mark.parametrize("lang", sorted(QUIRKS))
def test_an_affricate_is_the_same_phone_with_a_tie_and_without(lang):
    for pair in QUIRKS[lang].joined:
        if pair[1] == "h":
            continue
        tied = f"{pair[0]}\u0361{pair[1]}"
        ways = [said(lang, pron) for pron in (pair, tied)] + [given_phones(lang, phone) for phone in (pair, tied)]
        assert ways == [[tied if pair in QUIRKS[lang].tied else pair]] * 4


@pytest.mark.parametrize(
    ("lang", "phones", "style", "expected"),
    [
        ("pol", "tʂ ʂ t͡ɕ tɕ", {}, "t͡ʂ ʂ t͡ɕ t͡ɕ"),
        ("eng-us", "t͡ʃ aɪ ˈg", {}, "tʃ a ɪ ˈɡ"),
        ("eng-us", "t͡ʃ aɪ ˈg", {"alphabet": "raw"}, "t͡ʃ aɪ ˈg"),
        ("eng-us", "ˈaɪ", {"alphabet": "raw", "stress": "drop"}, "aɪ"),
        ("eng-us", "t ʃ a ɪ", {}, "t ʃ a ɪ"),
        ("eng-us", "h ə ˈl oʊ", {"stress": "drop"}, "h ə l o ʊ"),
        ("eng-us", "h ə ˈl oʊ", {"stress": "attach"}, "h ə l ˈo ʊ"),
        ("eng-us", "h ə ˈ l oʊ", {}, "h ə ˈl o ʊ"),
        ("zho-s", "m a˨˩˦", {}, "m a ˨˩˦"),
        ("zho-s", "m a ˨˩˦", {"tones": "attach"}, "m a˨˩˦"),
        ("eng-us", "h ə ˈl oʊ", {"alphabet": "x-sampa"}, 'h @ "l o U'),
        ("eng-us", "tʃ ɛ ˈɹ oʊ", {"alphabet": "arpabet"}, "CH EH0 R OW1"),
        ("tha", "ʔ . tʰ", {}, "ʔ tʰ"),
    ],
)
def test_phones_of_a_lexicon_are_written_in_the_same_style_and_what_is_apart_stays_apart(lang, phones, style, expected):
    assert given_phones(lang, phones, **style) == expected.split()


def test_phones_of_several_languages_keep_their_rows():
    rows, langs = [["tʃ"], [], ["tʃ"], ["g", "S"]], ["por-bz", "eng-us", "eng-us", "por-bz"]
    done = restyle(pa.array(rows, pa.list_(pa.string())), pa.array(langs), Style())
    assert done.phones.to_pylist() == [["t͡ʃ"], [], ["tʃ"], ["ɡ", "S"]]
    assert (done.unknown, done.unified) == ({("por-bz", "S"): 1}, {("por-bz", "tʃ", "t͡ʃ"): 1, ("por-bz", "g", "ɡ"): 1})


def test_a_map_of_phones_is_read_however_it_writes_affricates():
    rows = {decomposed(ipa): (phone,) for ipa, phone in (("tʃ", "ch"), ("dʒ", "j"), ("d͡ʒ", "jj"), ("g", "gg"))}
    style = {"phone_map": PhoneMap("mine", rows)}
    assert said("por-bz", "tʃit͡ʃidʒigaɡ", **style) == ["ch", "i", "ch", "i", "jj", "i", "gg", "a", "gg"]
    assert said("eng-us", "t͡ʃdʒ", **style) == ["ch", "j"]


def test_raw_phones_are_not_mended():
    with pytest.raises(UsageError, match="raw phones are as the model writes them, and --clean mends"):
        Style(alphabet="raw", clean=True)


def test_the_bundled_model_writes_few_affricates_in_two_ways():
    langs, prons = zip(*golden(), strict=True)
    changes = segment(pa.array(prons), pa.array(langs), Style()).unified
    assert {change for change in changes if change[1] != "g"} == {
        *(("ger", "t͡s", "ts"), ("ger", "p͡f", "pf"), ("ara", "d͡ʒ", "dʒ"), ("jpn", "t͡ɕ", "tɕ")),
        *(("ang", "͜", "͡"), ("ltz", "ʦ", "t͡s")),
    }
    assert {change[2] for change in changes if change[1] == "g"} == {"ɡ"}
