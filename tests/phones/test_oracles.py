"""Segmentation beside two public segmenters: every boundary that differs has one of the reasons written here.

segments: its IPA pattern follows the chart, and knows no rules of single dictionaries.
ipatok: the same, and it drops stress marks and breaks, so only the letters are compared.
"""

import unicodedata
from collections.abc import Callable, Iterable

import pytest

from g2p_batch.phones import Style
from g2p_batch.phones.quirks import quirks_of
from g2p_batch.phones.reading import reading_of
from g2p_batch.phones.symbols import BREAKS, MODIFIERS, STRESS, TONES
from g2p_batch.phones.writing import writer
from tests.helpers.phone_samples import SAMPLES, golden

PRONUNCIATIONS = [
    (lang, pron.replace(" ", "")) for lang, pron in [(lang, pron) for lang, pron, _ in SAMPLES] + golden()
]


def boundaries(parts: Iterable[str]) -> set[int]:
    ends, at = set(), 0
    for part in parts:
        at += len(part)
        ends.add(at)
    return ends


def reason(lang: str, text: str, at: int) -> str | None:
    """Return why a boundary at `text[at]` is set by one side only."""
    quirks, before, after = quirks_of(lang), text[:at], text[at:]
    if any(before.endswith(pair[0]) and after.startswith(pair[1]) for pair in quirks.joined):
        return "the dictionary writes this affricate or aspirate without a tie bar"
    if {before[-1:], after[:1]} & set(quirks.leads):
        return "a superscript nasal belongs to the stop after it, not to the vowel before"
    if after[:1] in set(quirks.marks) or before[-1:] in set(quirks.stress):
        return "ASCII mark of this dictionary"
    if before[-1:] in TONES and (after[:1] in TONES or after[:1] in {"ˀ", quirks.after_tone}):
        return "a contour of digits, or with creak in it, is one tone"
    if after[:1] == "ː" and unicodedata.combining(after[1:2] or " "):
        return "a tie bar or a combining mark may follow length"
    if MODIFIERS.issuperset(before):
        return "a modifier letter at the start belongs to the letter after it"
    if before[-1:] == "ˀ" and after[:1] in TONES:
        return "a contour with creak in it is one tone"
    return None


def assert_explained(lang: str, text: str, ours: list[str], theirs: list[str]) -> None:
    differing = boundaries(ours) ^ boundaries(theirs)
    assert [(lang, text, at) for at in differing if not reason(lang, text, at)] == []


def nfd(phones: Iterable[str]) -> list[str]:
    return [unicodedata.normalize("NFD", phone) for phone in phones]


@pytest.fixture(scope="module")
def segments_tokenizer() -> Callable[..., str]:
    tokenizer = pytest.importorskip("segments", reason="segments is not installed")
    return tokenizer.Tokenizer()


def test_boundaries_are_those_of_segments_but_for_reasons(segments_tokenizer):
    compared = 0
    for lang, pron in PRONUNCIATIONS:
        text = unicodedata.normalize("NFD", pron)
        ours = nfd(writer(lang, Style(syllables="keep"))(reading_of(lang).split(pron)))
        theirs = nfd(segments_tokenizer(pron, ipa=True).split(" "))
        assert "".join(theirs) == text
        assert_explained(lang, text, ours, theirs)
        compared += len(boundaries(ours) & boundaries(theirs))
    assert compared > 2000


def test_boundaries_are_those_of_ipatok_but_for_reasons():
    ipatok = pytest.importorskip("ipatok", reason="ipatok is not installed")
    compared = 0
    for lang, pron in PRONUNCIATIONS:
        dropped = (STRESS | BREAKS | set(quirks_of(lang).stress)) - set(quirks_of(lang).marks)
        ours = [
            phone.replace(".", "") for phone in nfd(writer(lang, Style(stress="drop"))(reading_of(lang).split(pron)))
        ]
        theirs = nfd(ipatok.tokenise(pron, strict=False, replace=False, tones=True, unknown=True))
        theirs = [phone for phone in theirs if phone not in dropped]
        text = "".join(ours)
        assert "".join(theirs) == text
        assert_explained(lang, text, ours, theirs)
        compared += len(boundaries(ours) & boundaries(theirs))
    assert compared > 2000
