"""What `clean` mends, and that it leaves IPA alone."""

import re
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from g2p_batch.languages import LANGUAGES
from g2p_batch.phones import Style, segment
from g2p_batch.phones.clean import MENDINGS, cleaner_of
from g2p_batch.phones.symbols import KNOWN
from tests.helpers.phone_samples import golden

EXAMPLES = [
    ("amh", "mˈɨsɨt`ir", "m ˈɨ s ɨ tʼ i r"),
    ("egy", "nacuːɾaw[1]", "n a c uː ɾ a w"),
    ("epo", "poŭpo", "p o u̯ p o"),
    ("est", "krˈiːs^id", "k r ˈiː sʲ i d"),
    ("fas", "xoŝ", "x o ʃ"),
    ("fin", "ˈšekki", "ˈʃ e k k i"),
    ("isl", "pouːka#utkauvan", "p o uː k a u t k a u v a n"),
    ("kur", ".be.cê.kir.di.nî", "b ɛ d͡ʒ eː k ɪ ɾ d ɪ n iː"),
    ("ltz", "lˈuXt", "l ˈu χ t"),
    ("mri", 'tˌu"ːtu"', "t ˌʉː t ʉ"),
    ("ron", "betĕalə", "b e t e̯ a l ə"),
    ("rus", "pəs⁽ʲ⁾lʲɪ", "p ə sʲ lʲ ɪ"),
    ("snd", "ɡaːɖˈʌr.", "ɡ aː ɖ ˈʌ ɽ"),
    ("swa", "Cheptoᵑgei", "tʃ e p t o ᵑɡ e i"),
    ("swe", "s'Er%j}:ls", "ɕ ɛ r ˌj ʉː l s"),
    ("swe", "f9t`rYkspUlI%ti:k", "f œ ʈ r ʏ k s p ʊ l ɪ ˌt iː k"),
    ("swe", "gu0ldgOsas`", "ɡ ɵ l d ɡ ɔ s a ʂ"),
    ("tts", "phu.ja:y", "pʰ u t͡ɕ aː j"),
    ("urd", "cˈoːr.eː", "c ˈoː ɽ eː"),
    ("uzb", "hˈet͡S", "h ˈe t͡ʃ"),
    ("yue", "tsʰɔ:ŋ˨˩", "tsʰ ɔː ŋ ˨˩"),
    ("zho-t", "2tɕʰjɑŋ˥˩", "tɕʰ j ɑ ŋ ˥˩"),
    ("fin", "gǝʦ\u200e", "ɡ ə t͡s"),
]


@pytest.mark.parametrize(("lang", "pron", "phones"), EXAMPLES)
def test_each_dictionary_is_mended_into_ipa(lang, pron, phones):
    done = segment(pa.array([pron]), pa.array([lang]), Style(clean=True))
    assert (done.phones[0].as_py(), done.unknown) == (phones.split(), {})


def test_nothing_is_mended_unless_asked_for():
    done = segment(pa.array(["lˈuXt"]), pa.array(["ltz"]), Style())
    assert (done.phones[0].as_py(), done.unknown) == (["l", "ˈu", "X", "t"], {("ltz", "X"): 1})


def test_the_table_is_of_known_languages_has_an_example_for_each_and_writes_ipa():
    assert set(MENDINGS) <= set(LANGUAGES)
    assert set(MENDINGS) == {lang for lang, _, _ in EXAMPLES}
    for mending in MENDINGS.values():
        assert KNOWN.issuperset("".join(mending.rows.values()))
        assert mending.reason


def test_the_documentation_lists_every_language_that_is_mended():
    text = (Path(__file__).parents[2] / "docs" / "phones.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| ([a-z-]+) \| .* \|$", text, re.MULTILINE)) >= set(MENDINGS)


@given(st.sampled_from(sorted(set(LANGUAGES) - {"kur", "tts"})), st.text("tʃɹaɪəːˈˌʰ\u0361\u0303˥.", max_size=12))
def test_ipa_is_left_alone_and_mending_twice_changes_nothing_more(lang, pron):
    clean = cleaner_of(lang)
    assert clean(pron) == (pron.replace("r.", "ɽ") if lang in {"urd", "snd"} else pron)
    assert clean(clean(pron)) == clean(pron)


def test_the_bundled_model_needs_mending_where_its_dictionaries_do():
    mended = {lang for lang, pron in golden() if cleaner_of(lang)(pron).replace("ɡ", "g") != pron.replace("ɡ", "g")}
    assert mended == {"amh", "est", "kur", "mri", "tts"}
