"""American English in ARPAbet, as the CMU Pronouncing Dictionary writes it: 39 phones, a stress digit on vowels.

The model's eng-us learned a dictionary that was made from that one, in the IPA of ipa-dict: ʌ and ə are both AH, ɝ is
ER, l is ɫ, r is ɹ. The table reads back what that dictionary wrote, and the usual other spellings of the same phones.
"""

from collections.abc import Sequence

from g2p_batch.phones.phonemap import PhoneMap
from g2p_batch.phones.symbols import STRESS, decomposed

VOWELS = frozenset(["AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW"])

_TABLE = """
aɪ=AY aʊ=AW eɪ=EY oʊ=OW ɔɪ=OY ɑ=AA æ=AE ə=AH ʌ=AH ɔ=AO ɛ=EH ɝ=ER ɚ=ER ɪ=IH i=IY ʊ=UH u=UW ɑː=AA ɔː=AO ɜː=ER iː=IY uː=UW
b=B tʃ=CH t͡ʃ=CH d=D ð=DH f=F ɡ=G g=G h=HH dʒ=JH d͡ʒ=JH k=K ɫ=L l=L m=M n=N ŋ=NG p=P ɹ=R r=R s=S ʃ=SH t=T θ=TH v=V w=W
j=Y z=Z ʒ=ZH
"""

_ROWS = dict(pair.split("=") for pair in _TABLE.split())
ARPABET = PhoneMap("ARPAbet", {decomposed(ipa): (phone,) for ipa, phone in _ROWS.items()})

SYMBOLS = frozenset(_ROWS.values()) | {vowel + digit for vowel in VOWELS for digit in "012"}
"""Every phone that is ARPAbet, with and without a digit."""

_DIGITS = {"": "0", "ˈ": "1", "ˌ": "2"}


def with_digits(phones: Sequence[str]) -> list[str]:
    """Turn stress marks into digits after the next vowel, 0 after others; a mark that no vowel follows stays."""
    digits: list[str] = []
    mark, origin = "", 0
    for phone in phones:
        if phone in VOWELS:
            digits.append(phone + _DIGITS[mark])
            mark = ""
            continue
        if phone in STRESS:
            digits[origin:origin] = [mark] if mark else []
            mark, origin = phone, len(digits)
            continue
        digits.append(phone)
    digits[origin:origin] = [mark] if mark else []
    return digits
