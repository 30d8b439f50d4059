r"""IPA to X-SAMPA, phone by phone.

Source: J. C. Wells, "Computer-coding the IPA" (1995), for the whole chart; `ⱱ` is younger and has no
symbol. Two symbols are from its extension CXS: `_?` for ˀ and `_h\` for ʱ. Choices where X-SAMPA leaves one:

- No tie bar is written: it would be `_`, and `N_m` (ŋ͡m) would read as a laminal N. A phone `tS` is one phone.
- `=` for syllabic, `~` for nasal, `'` for palatalised: the short forms.
- `5` for ɫ; `v\` for ʋ, not `P`.
- Tone letters and superscript digits are both Chao's levels, 5 the highest (`_T _H _M _L _B`); ⁻ is `-`.
- A superscript nasal before its stop is the nasal's letter: ᵐɓ is `mb_<`, one phone.
"""

import functools
import re

from g2p_batch.phones.symbols import BREAKS, KNOWN, TIES, decomposed

_OTHER_LETTERS = r"""
    ʈ=t` ɖ=d` ɟ=J\ ɡ=g ɢ=G\ ʔ=? ʡ=>\ ɱ=F ɳ=n` ɲ=J ŋ=N ɴ=N\ ʙ=B\ ʀ=R\ ɾ=4 ɽ=r` ɸ=p\ β=B θ=T ð=D ʃ=S ʒ=Z ʂ=s` ʐ=z`
    ç=C ʝ=j\ ɣ=G χ=X ʁ=R ħ=X\ ʕ=?\ ɦ=h\ ɬ=K ɮ=K\ ʋ=v\ ɹ=r\ ɻ=r\` ɰ=M\ ɭ=l` ʎ=L ʟ=L\ ɫ=5 ʘ=O\ ǀ=|\ ǃ=!\ ǂ==\ ǁ=|\|\
    ɓ=b_< ɗ=d_< ᶑ=d`_< ʄ=J\_< ɠ=g_< ʛ=G\_< ʍ=W ɥ=H ʜ=H\ ʢ=<\ ɕ=s\ ʑ=z\ ɺ=l\ ɧ=x\ ʦ=ts ʣ=dz ʧ=tS ʤ=dZ ʨ=ts\ ʥ=dz\
    ɨ=1 ʉ=} ɯ=M ɪ=I ʏ=Y ʊ=U ø=2 ɘ=@\ ɵ=8 ɤ=7 ə=@ ɛ=E œ=9 ɜ=3 ɞ=3\ ʌ=V ɔ=O æ={ ɐ=6 ɶ=& ɑ=A ɒ=Q ɚ=@` ɝ=3`
"""

_LETTERS = {letter: letter for letter in "pbtdckgqmnrfvszxhljwiyueoa"}
_LETTERS |= dict(pair.split("=", 1) for pair in _OTHER_LETTERS.split())

_MARKS = {
    "\u0325": "_0", "\u030a": "_0", "\u032c": "_v", "ʰ": "_h", "ʱ": "_h\\", "\u0339": "_O", "\u0357": "_O",
    "\u031c": "_c", "\u0351": "_c", "\u031f": "_+", "\u0320": "_-", "\u0308": '_"', "\u033d": "_x", "\u0329": "=",
    "\u030d": "=", "\u032f": "_^", "\u0311": "_^", "˞": "`", "\u0324": "_t", "\u0330": "_k", "\u033c": "_N",
    "ʷ": "_w", "ʲ": "'", "ˠ": "_G", "ˤ": "_?\\", "\u0334": "_e", "\u032a": "_d", "\u033a": "_a", "\u033b": "_m",
    "\u0303": "~", "ⁿ": "_n", "ˡ": "_l", "\u031a": "_}", "\u031d": "_r", "\u031e": "_o", "\u0318": "_A",
    "\u0319": "_q", "ʼ": "_>", "ː": ":", "ˑ": ":\\", "ˀ": "_?", "\u0306": "_X",
    "\u030b": "_T", "\u0301": "_H", "\u0304": "_M", "\u0300": "_L", "\u030f": "_B", "\u030c": "_R", "\u0302": "_F",
    "\u1dc4": "_H_T", "\u1dc5": "_B_L", "\u1dc8": "_R_F",
}  # fmt: skip

_PROSODY = {
    "ˈ": '"', "ˌ": "%", "‖": "||", "‿": "-\\", "ꜜ": "!", "ꜛ": "^", "↗": "<R>", "↘": "<F>", "⁻": "-",
    "˥": "_T", "˦": "_H", "˧": "_M", "˨": "_L", "˩": "_B", "⁵": "_T", "⁴": "_H", "³": "_M", "²": "_L", "¹": "_B",
} | {symbol: symbol for symbol in BREAKS - {"‖", "‿"}}  # fmt: skip

_NASALS = {"ᵐ": "m", "ᵑ": "N"}
_LEADING = re.compile("^[ˈˌ]*[ᵐᵑⁿ]+")
"""Before its stop ⁿ is an n; after one it is a nasal release."""

_SYMBOLS = _LETTERS | _MARKS | _PROSODY | dict.fromkeys(TIES, "") | _NASALS
_TRANSLATION = {ord(symbol): written for symbol, written in _SYMBOLS.items()}

KNOWN_SYMBOLS = frozenset(symbol for symbol in KNOWN if _SYMBOLS.keys() >= set(decomposed(symbol)))
"""Every code point that X-SAMPA can write; others stay as they are, and are counted."""


@functools.lru_cache(maxsize=1 << 14)
def xsampa(phone: str) -> str:
    """Return a phone, a tone or a mark in X-SAMPA."""
    return decomposed(_LEADING.sub(lambda nasals: nasals[0].replace("ⁿ", "n"), phone)).translate(_TRANSLATION)


_FURTHER = {"P": "ʋ", "_=": "\u0329", "_~": "\u0303", "_j": "ʲ", ";": "ʲ", '""': "ˈ", "`": "˞", "_": "\u0361"}
"""What X-SAMPA and CXS write beside the symbols that are written here; `_` alone is the tie bar."""
_USUAL = {"g": "ɡ", "_0": "\u0325", "_O": "\u0339", "_c": "\u031c", "=": "\u0329", "_^": "\u032f", "-": "-"}
"""Of several letters for which one symbol stands, the usual one; for tones it is the mark, not the tone letter."""
_LIGATURES = frozenset("ʦʣʧʤʨʥ")
_READ = {written: ipa for ipa, written in {**_PROSODY, **_LETTERS, **_MARKS}.items() if ipa not in _LIGATURES}
_READ |= _FURTHER | _USUAL
_TOKEN = re.compile("|".join(re.escape(symbol) for symbol in sorted(_READ, key=len, reverse=True)))
_OWN = re.compile(r'[A-Z0-9@{}&\\_"%~<>=?`]')
"""What is a symbol of X-SAMPA and no letter of the IPA."""


def is_xsampa(text: str) -> bool:
    """Tell whether a phone or a pronunciation is X-SAMPA, and could not be IPA."""
    return text.isascii() and _OWN.search(text) is not None and not _TOKEN.sub("", text)


def ipa_of(text: str) -> str:
    """Return a phone or a pronunciation of X-SAMPA in IPA; what is no symbol of it stays."""
    return _TOKEN.sub(lambda symbol: _READ[symbol[0]], text)
