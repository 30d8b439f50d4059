"""Many words at once are spelt as each by itself, and every word that was learnt as it was learnt."""

from string import ascii_lowercase

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from g2p_batch.languages import normalization
from g2p_batch.model.alphabet import read_alphabets
from g2p_batch.model.contract import load_contract
from g2p_batch.model.shipped import BUNDLED, shipped
from g2p_batch.words.filter import normalized
from g2p_batch.words.spelling import ACRONYM, NO_KNOWN_LETTER, SEPARATOR, UNSEEN_CHARACTER, Spelling
from g2p_batch.words.spelling.steps import Language
from g2p_batch.words.spelling.word import Respelt, is_acronym, respell
from tests.helpers.respellings import RESPELLINGS

CHARSIU = read_alphabets(shipped("configs/models/charsiu_alphabet.json"))
LANGUAGES = {
    tag: Language(tag, CHARSIU[tag]) for tag in ("eng-us", "gre", "tur", "est", "ukr", "ron", "fas", "vie-n", "lit")
}
ODD = "’‘'ʼ-–—\u00ad\u200b\u200c\u0301\u0300.,;!?\"“”() _/&%12日аhцсеІıİIÉéßşŞțΣσςΆὁ🙂ﬁÆøĳx·•"


@st.composite
def written(draw: st.DrawFn) -> tuple[str, str]:
    """Return a language and a text of its letters, with others among them, in any case."""
    tag = draw(st.sampled_from(sorted(LANGUAGES)))
    letters = st.sampled_from([*list(CHARSIU[tag])[:40], *ODD])
    word = "".join(draw(st.lists(letters, min_size=1, max_size=8)))
    return tag, draw(st.sampled_from([word, word.upper(), word.title()]))


def told(word: str, language: Language) -> tuple[str | None, str | None, Respelt]:
    """Return text and doubt of a word that is spelt by itself."""
    respelt = respell(word, language)
    text = SEPARATOR.join(respelt.parts)
    doubt = UNSEEN_CHARACTER if respelt.is_unseen else ACRONYM if is_acronym(word) else None
    return (None if text in ("", word) else text), doubt if text else NO_KNOWN_LETTER, respelt


@settings(max_examples=300)
@given(st.lists(written(), min_size=1, max_size=30))
def test_words_do_not_depend_on_those_beside_them(pairs: list[tuple[str, str]]) -> None:
    langs, words = zip(*pairs, strict=True)
    asked = Spelling(CHARSIU).ask(pa.array(words), pa.array(langs).dictionary_encode())
    alone = [told(word, LANGUAGES[tag]) for tag, word in pairs]
    assert list(zip(asked.text.to_pylist(), asked.doubt.to_pylist(), strict=True)) == [one[:2] for one in alone]
    for (tag, _), (_, doubt, respelt) in zip(pairs, alone, strict=True):
        strange = {character for part in respelt.parts for character in part if character not in LANGUAGES[tag]}
        assert not strange or doubt == UNSEEN_CHARACTER


BUNDLED_ALPHABETS = load_contract(BUNDLED).alphabets


@pytest.mark.parametrize("tag", sorted(BUNDLED_ALPHABETS))
def test_every_word_is_asked_as_it_was_learnt_however_it_is_written(tag: str) -> None:
    alphabet = BUNDLED_ALPHABETS[tag]
    # What few training words hold may be a slip, and is then taken for what it looks like.
    common = {character for character, count in alphabet.items() if 2000 * count > max(alphabet.values())}
    words_of = pq.read_table(shipped("golden/held-out.parquet"), filters=[("lang", "=", tag)])["word"].to_pylist()
    if Language(tag, alphabet).script != "LATIN":
        common -= set(ascii_lowercase)
    learnt = [word for word in words_of[::10] if not set(word) - common]
    assert len(learnt) > 40
    pairs = [
        (word, text)
        for word in learnt
        for name, respelling in RESPELLINGS.items()
        for text in respelling(word, tag, alphabet)
        if (tag, name) != ("grc", "decomposed")  # its lexicon has letters both ways
    ]
    exact = pa.array([normalization(tag) is None] * len(pairs))
    words, texts = (pa.array(side) for side in zip(*pairs, strict=True))
    texts = normalized(texts, exact, "nfc")
    asked = Spelling(BUNDLED_ALPHABETS).ask(texts, pa.array([tag] * len(pairs)).dictionary_encode())
    got = [text or word for text, word in zip(asked.text.to_pylist(), texts.to_pylist(), strict=True)]
    assert [pair for pair, text in zip(pairs, got, strict=True) if text != pair[0]] == []
    assert set(asked.doubt.to_pylist()) <= {None, ACRONYM}
    as_they_are = Spelling(BUNDLED_ALPHABETS).ask(words, pa.array([tag] * len(pairs)).dictionary_encode())
    assert as_they_are.text.null_count == len(pairs)
