"""The parts of one pronunciation to phones in the style asked for: what to do is decided here once, not per word."""

import functools
from collections.abc import Callable, Sequence

from g2p_batch.phones.arpabet import ARPABET, with_digits
from g2p_batch.phones.reading import Reading, reading_of
from g2p_batch.phones.style import Style
from g2p_batch.phones.unify import unifier_of

Parts = list[str]
Step = Callable[[Parts], Parts]


@functools.lru_cache(maxsize=256)
def writer(lang: str, style: Style) -> Step:
    """Return the function that makes phones of the parts of a pronunciation of one language; X-SAMPA is left as IPA.

    Tables are read while breaks and marks stand where they are, so t and ʃ on both sides of one are no affricate. Marks
    and tones that a phone map leaves join what is written for their phones.
    """
    reading = reading_of(lang)
    steps = _arpabet_steps(reading, style) if style.alphabet == "arpabet" else _ipa_steps(lang, reading, style)

    def write(parts: Parts) -> Parts:
        for step in steps:
            parts = step(parts)
        return parts

    return write


def _ipa_steps(lang: str, reading: Reading, style: Style) -> Sequence[Step]:
    steps: list[Step] = []
    if style.stress == "attach":
        steps.append(reading.with_stress_before_nuclei)
    dropped = _dropped(reading, style)
    if style.phone_map:
        phone_map = style.phone_map.spelt(unifier_of(lang))
        steps.append(functools.partial(phone_map.apply, dropped=dropped))
    elif dropped:
        steps.append(lambda parts: parts if dropped.isdisjoint(parts) else [p for p in parts if p not in dropped])
    if style.tones == "attach":
        steps.append(reading.with_tones_on_phones)
    if style.stress in {"keep", "attach"}:
        steps.append(reading.with_stress_on_phones)
    return steps


def _arpabet_steps(reading: Reading, style: Style) -> Sequence[Step]:
    steps: list[Step] = [functools.partial(ARPABET.apply, dropped=reading.breaks | _dropped(reading, style))]
    return steps if style.stress == "drop" else [*steps, with_digits]


def _dropped(reading: Reading, style: Style) -> frozenset[str]:
    breaks = reading.breaks if style.syllables == "drop" else frozenset[str]()
    return breaks | reading.stress if style.stress == "drop" else breaks
