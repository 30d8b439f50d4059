"""One pronunciation to its smallest parts: phones, stress marks, tones and breaks, which joined give it back."""

import functools
import re
from dataclasses import dataclass

from g2p_batch.phones.quirks import quirks_of
from g2p_batch.phones.symbols import BREAKS, MODIFIERS, STRESS, TIES, TONES, attaches, class_of, is_nucleus


@functools.cache
def _marks() -> frozenset[str]:
    """Return all marks of the Basic Multilingual Plane, asked of Unicode the first time a pronunciation is read."""
    return frozenset(symbol for symbol in map(chr, range(0x80, 0x10000)) if attaches(symbol))


@functools.cache
def _blanks() -> frozenset[str]:
    return frozenset(symbol for symbol in map(chr, range(0x10000)) if symbol.isspace())


@dataclass(frozen=True)
class Reading:
    """How pronunciations of one language are read.

    Attributes:
        parts: matches the parts one after the other; nothing lies between them.
        phone: matches a phone as its stress marks, itself and its tones.
        stress: symbols that are stress marks.
        breaks: symbols that separate syllables or words.
    """

    parts: re.Pattern[str]
    phone: re.Pattern[str]
    stress: frozenset[str]
    breaks: frozenset[str]

    def split(self, pron: str) -> list[str]:
        """Return the parts of a pronunciation, in order.

        A phone is a letter with all marks that belong to it, and letters that a tie bar or the language joins to it; a
        run of tones is one part; a stress mark or a break is one. Marks without a letter stand alone.
        """
        return self.parts.findall(pron)

    def sounds(self, phone: str) -> list[str]:
        """Return the parts of what somebody else takes for one phone; a break inside it does not part it."""
        parts = self.split(phone)
        return parts if len(parts) == 1 or self.breaks.isdisjoint(parts) else self.edges(phone)

    def edges(self, phone: str) -> list[str]:
        """Return the stress marks of one phone, itself and its tones, in order."""
        marks, core, tones = self.phone.findall(phone)[0]
        return [*marks, *filter(None, (core, tones))]

    def with_stress_before_nuclei(self, parts: list[str]) -> list[str]:
        """Move stress marks to the nucleus of their syllable: the next phone that can be one, before another mark.

        Marks that no nucleus follows stay where they are.
        """
        if self.stress.isdisjoint(parts):
            return parts
        moved: list[str] = []
        held: list[str] = []
        origin = 0
        for part in parts:
            if part in self.stress:
                if held and len(moved) > origin:
                    moved[origin:origin] = held
                    held = []
                if not held:
                    origin = len(moved)
                held.append(part)
                continue
            if held and is_nucleus(part):
                moved += held
                held = []
            moved.append(part)
        moved[origin:origin] = held
        return moved

    def with_stress_on_phones(self, parts: list[str]) -> list[str]:
        """Join stress marks to the phone after them, where there is one."""
        if self.stress.isdisjoint(parts):
            return parts
        joined = list(parts)
        for at in reversed([at for at, part in enumerate(parts[:-1]) if part in self.stress]):
            after = joined[at + 1]
            if after[0] not in TONES and after not in self.breaks:
                joined[at : at + 2] = [joined[at] + after]
        return joined

    def with_tones_on_phones(self, parts: list[str]) -> list[str]:
        """Join tones to the phone before them, where there is one."""
        joined = list(parts)
        for at in reversed([at for at, part in enumerate(parts) if at and part[0] in TONES]):
            before = parts[at - 1]
            if before[0] not in TONES and before not in self.breaks and not self.stress.issuperset(before):
                joined[at - 1 : at + 1] = [before + parts[at]]
        return joined


@functools.lru_cache(maxsize=256)
def reading_of(lang: str) -> Reading:
    """Return how pronunciations of the language with the tag `lang` are read."""
    quirks = quirks_of(lang)
    leads = frozenset(quirks.leads)
    stress = STRESS | frozenset(quirks.stress)
    marks = (_marks() | MODIFIERS | frozenset(quirks.marks)) - leads - STRESS
    breaks = (BREAKS | _blanks()) - frozenset(quirks.marks)
    mark, tie, tone = class_of(marks), class_of(TIES), class_of(TONES)
    special = class_of(marks | leads | TIES | stress | TONES | breaks)
    letter = "|".join([*map(re.escape, quirks.joined), f"[^{special}]"])
    phone = f"[{class_of(marks | leads | TIES)}]*(?:{letter})[{mark}]*(?:[{tie}][{mark}]*(?:(?:{letter})[{mark}]*)?)*"
    run_of_tones = f"[{tone}][{tone}{mark}]*" + (f"{quirks.after_tone}?" if quirks.after_tone else "")
    alone = f"[{class_of(stress | breaks)}]|[{class_of(marks | leads | TIES)}]+"
    parts = re.compile(f"{phone}|{run_of_tones}|{alone}")
    whole = re.compile(f"^([{class_of(stress)}]*)(.*?)((?:{run_of_tones})?)$", re.DOTALL)
    return Reading(parts, whole, stress, breaks)
