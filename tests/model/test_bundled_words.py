"""The commonest words of the bundled model, which are the oddest, come as their dictionary has them."""

import pytest

from g2p_batch.api import G2P

# CMUdict in IPA, as ipa-dict has it: the first variant of each word.
ENGLISH = {
    "the": "ðə",
    "of": "ˈəv",
    "to": "ˈtu",
    "is": "ˈɪz",
    "one": "ˈwən",
    "was": "ˈwɑz",
    "said": "ˈsɛd",
    "don't": "ˈdoʊnt",
    "through": "ˈθɹu",
}


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_common_english_words_are_said_as_the_dictionary_says_them(dtype: str) -> None:
    words = [*ENGLISH]
    expected = [*ENGLISH.values()]
    g2p = G2P(dtype=dtype)
    assert g2p(words, lang="eng-us") == expected
    assert g2p([word.capitalize() for word in words], lang="eng-us") == expected
    alone = G2P(dtype=dtype, dictionary=False)(words, lang="eng-us")
    assert sum(one != other for one, other in zip(alone, expected, strict=True)) >= 3
