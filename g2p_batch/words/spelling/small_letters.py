"""Words in small letters, as a model learns them whose alphabet is to have no capitals."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from g2p_batch.words.spelling.characters import DOTLESS


def small_letters(words: pa.Array, langs: pa.Array) -> pa.Array:
    """Return words [N] in lower case, by the rules of their languages [N]."""
    at = np.flatnonzero(pc.not_equal(words, pc.utf8_lower(words)))
    if not len(at):
        return words
    places = pa.array(at)
    pairs = zip(words.take(places).to_pylist(), langs.take(places).to_pylist(), strict=True)
    small = pa.array([_small(word, lang) for word, lang in pairs], words.type)
    source = np.arange(len(words))
    source[at] = len(words) + np.arange(len(at))
    return pa.concat_arrays([words, small]).take(pa.array(source))


def _small(word: str, lang: str) -> str:
    if lang in DOTLESS:
        word = word.replace("I", "\u0131")
    return word.replace("\u0130", "i").lower()
