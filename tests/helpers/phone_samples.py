"""Pronunciations as the dictionaries write them, with their phones in the default style; shared by tests of phones."""

import csv
from pathlib import Path

SAMPLES = [
    ("eng-us", "ˈhɛɫoʊ", "ˈh ɛ ɫ o ʊ"),
    ("eng-us", "ˌeɪˌdiˌeɪtʃˈdi", "ˌe ɪ ˌd i ˌe ɪ tʃ ˈd i"),
    ("eng-us", "ˈkætsdʒ", "ˈk æ t s dʒ"),
    ("eng-uk", "sˈændwɪtʃ", "s ˈæ n d w ɪ tʃ"),
    ("amh", "mˈɨsɨt`ir", "m ˈɨ s ɨ t` i r"),
    ("amh", "bˈənətsa", "b ˈə n ə ts a"),
    ("aze", "d͡ʒeçsonˈu", "d͡ʒ e ç s o n ˈu"),
    ("bel", "d͡z̻ʲdzʲedʐ", "d͡z̻ʲ dzʲ e dʐ"),
    ("bul", "pot̪sɫuʃvətsa", "p o t̪ s ɫ u ʃ v ə ts a"),
    ("cze", "r̝̊iːtsɛ", "r̝̊ iː t s ɛ"),
    ("dan", "tˢɛnˀd̥", "tˢ ɛ nˀ d̥"),
    ("est", "krˈiːs^id", "k r ˈiː s^ i d"),
    ("fra", "d‿epɔk", "d e p ɔ k"),
    ("grc", "xe͜orte", "x e͜o r t e"),
    ("hbs-latn", "osudʑěniːtʃkiː", "o s u dʑ ě n iː tʃ k iː"),
    ("hin", "əkʃə̃mjᵊ", "ə k ʃ ə̃ m jᵊ"),
    ("jpn", "kɯ̟ᵝt͡ɕimo̞to̞", "k ɯ̟ᵝ t͡ɕ i m o̞ t o̞"),
    ("kor", "sʰa̠bʌ̹p̚k͈je̞", "sʰ a̠ b ʌ̹ p̚ k͈ j e̞"),
    ("ltz", "tˈæː͡ʊXən", "t ˈæː͡ʊ X ə n"),
    ("mlt", "tsatʃa", "ts a t ʃ a"),
    ("mri", 'tˌu"ːtu"', 't ˌu"ː t u"'),
    ("msa", "pəŋaneka-ragamandʒ", "p ə ŋ a n e k a r a g a m a n dʒ"),
    ("nan", "kʰuan²¹⁻⁵³to²²", "kʰ u a n ²¹⁻⁵³ t o ²²"),
    ("pol", "tʂɨd͡ʑɛstɨmʲi", "t ʂ ɨ d͡ʑ ɛ s t ɨ mʲ i"),
    ("ron", "bricĕatsa", "b r i c ĕ a ts a"),
    ("rus", "pəs⁽ʲ⁾lʲɪ", "p ə s⁽ʲ⁾ lʲ ɪ"),
    ("san", "t̪ŕ̩ʂjɐt̪i", "t̪ ŕ̩ ʂ j ɐ t̪ i"),
    ("swa", "utʃiⁿɗʒokiᵑgo", "u tʃ i ⁿɗʒ o k i ᵑg o"),
    ("swe", "s'Er%j}:lgu0s`", "s' E r %j }: l g u0 s`"),
    ("tam", "ʷombʌd̪ɯ", "ʷo m b ʌ d̪ ɯ"),
    ("tha", "hua̯˩˩˦.dap̚˨˩.pʰlɤːŋ˧", "h u a̯ ˩˩˦ d a p̚ ˨˩ pʰ l ɤː ŋ ˧"),
    ("tts", "naŋ.phi:a", "n a ŋ ph i: a"),
    ("urd", "pˈʌr.hət̪e", "p ˈʌ r. h ə t̪ e"),
    ("vie-n", "hat˨ˀ˩ʔmoŋ͡m˧ˀ˥", "h a t ˨ˀ˩ʔ m o ŋ͡m ˧ˀ˥"),
    ("vie-s", "ʔoŋ͡m˧˧ an", "ʔ o ŋ͡m ˧˧ a n"),
    ("yue", "tsʰɔ:ŋ˨˩", "tsʰ ɔ: ŋ ˨˩"),
    ("zho-s", "ʈʂʰwɑŋ˥˥", "ʈʂʰ w ɑ ŋ ˥˥"),
]
"""Tag, pronunciation, phones joined by blanks."""

_WORDS = Path(__file__).parents[2] / "golden" / "bundled" / "words.tsv"


def golden() -> list[tuple[str, str]]:
    """Return tag and pronunciation of every golden word: what the bundled model says."""
    with _WORDS.open(encoding="utf-8", newline="") as file:
        return [(row["lang"], row["pron"]) for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)]
