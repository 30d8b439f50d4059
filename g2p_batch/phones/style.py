"""How phones are to be written."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from g2p_batch.errors import UsageError
from g2p_batch.phones.phonemap import PhoneMap

Stress = Literal["keep", "attach", "separate", "drop"]
Tones = Literal["attach", "separate"]
Syllables = Literal["keep", "drop"]
Alphabet = Literal["ipa", "x-sampa", "arpabet", "raw"]

ARPABET_TAG = "eng-us"
"""The language whose phones ARPAbet writes."""

_CHOICES = {"stress": Stress, "tones": Tones, "syllables": Syllables, "alphabet": Alphabet}


@dataclass(frozen=True)
class Style:
    """How pronunciations become phones.

    Attributes:
        stress: keep the mark with the phone that follows it, attach it to the vowel of its syllable, make it a phone of
            its own, or drop it. In ARPAbet vowels carry digits unless it is dropped.
        tones: attach a tone to the phone before it, or make it a phone of its own.
        syllables: keep dots, hyphens, blanks and other breaks as phones, or drop them. ARPAbet has none.
        clean: mend what the dictionary of a language is known to write that is not IPA.
        alphabet: write phones in IPA, X-SAMPA or, for American English, ARPAbet; or `raw`, in IPA where the same sound
            is written in as many ways as the model writes it.
        phone_map: a user's own phones; only with IPA.

    Raises:
        UsageError: a value is none of these, a phone map meets another alphabet than IPA, or `raw` is to be mended.
    """

    stress: Stress = "keep"
    tones: Tones = "separate"
    syllables: Syllables = "drop"
    clean: bool = False
    alphabet: Alphabet = "ipa"
    phone_map: PhoneMap | None = None

    def __post_init__(self) -> None:
        for name, choice in _CHOICES.items():
            value, allowed = getattr(self, name), get_args(choice)
            if value not in allowed:
                raise UsageError(f"{name} cannot be {value!r}: choose {' or '.join(allowed)}")
        if self.phone_map and self.alphabet != "ipa":
            raise UsageError(
                f"the phone map {self.phone_map.name} reads IPA, and the phones are to be {self.alphabet}: "
                "leave one of the two out"
            )
        if self.clean and self.alphabet == "raw":
            raise UsageError("raw phones are as the model writes them, and --clean mends: leave one of the two out")

    @property
    def notation(self) -> Literal["ipa", "x-sampa", "arpabet"]:
        """The alphabet in which phones are then."""
        return "ipa" if self.alphabet == "raw" else self.alphabet

    def require(self, langs: Iterable[str]) -> None:
        """Check that the phones of some languages can be written.

        Raises:
            UsageError: ARPAbet is asked for other languages than American English.
        """
        others = sorted(set(langs) - {ARPABET_TAG})
        if self.alphabet == "arpabet" and others:
            raise UsageError(
                f"ARPAbet writes the phones of {ARPABET_TAG} only, not of {', '.join(others[:5])}: "
                "choose ipa or x-sampa, or leave those words out"
            )
