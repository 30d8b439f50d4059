"""Tables from IPA to other phones: longest match over segmented phones, and the file that holds a user's own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from g2p_batch.errors import InputError
from g2p_batch.phones.lines import numbered_lines
from g2p_batch.phones.symbols import decomposed

DELETED = "-"
"""Written instead of phones where the table deletes."""

_HEADINGS = (("ipa", ["phone"]), ("ipa", ["phones"]))


@dataclass(frozen=True, eq=False)
class PhoneMap:
    """IPA sequences and the phones written for them.

    Attributes:
        name: where the table is from, for messages.
        rows: phones by IPA sequence in NFD (`decomposed`); no phones where the sequence is deleted.
    """

    name: str
    rows: Mapping[str, tuple[str, ...]]
    _starts: frozenset[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        starts = frozenset(ipa[:end] for ipa in self.rows for end in range(1, len(ipa) + 1))
        object.__setattr__(self, "_starts", starts)

    def match(self, phones: Sequence[str], start: int) -> int:
        """Return the end of the longest run of whole phones from `start` that has a row; `start` if none has."""
        best, text = start, ""
        for end in range(start, len(phones)):
            text += decomposed(phones[end])
            if text not in self._starts:
                break
            if text in self.rows:
                best = end + 1
        return best

    def spelt(self, unify: Callable[[str], str]) -> "PhoneMap":
        """Return the same table with its IPA spelt as `unify` spells phones; a row that is spelt so already wins."""
        rows = {decomposed(unify(ipa)): phones for ipa, phones in self.rows.items()}
        return PhoneMap(self.name, rows | {ipa: self.rows[ipa] for ipa in rows if ipa in self.rows})

    def apply(self, phones: Sequence[str], dropped: frozenset[str] = frozenset()) -> list[str]:
        """Write phones by the table; of those that no row covers, leave out `dropped`, and keep the others.

        What is dropped still separates: no row is found across it, unless it is part of the row.
        """
        written: list[str] = []
        at = 0
        while at < len(phones):
            end = self.match(phones, at)
            if end > at:
                written.extend(self.rows["".join(map(decomposed, phones[at:end]))])
                at = end
                continue
            if phones[at] not in dropped:
                written.append(phones[at])
            at += 1
        return written


def read_phone_map(path: Path) -> PhoneMap:
    """Read a table of lines `ipa<TAB>phone [phone ...]`; `-` instead of phones deletes.

    Blanks between the IPA phones of a row mean nothing. Empty lines and lines that begin
    with `#` are passed over, as is a heading `ipa<TAB>phones`.

    Raises:
        InputError: the file cannot be read, or a line says nothing or contradicts an earlier one.
    """
    rows: dict[str, tuple[str, ...]] = {}
    lines: dict[str, int] = {}
    for number, line in numbered_lines(path, "phone map"):
        if not line.strip() or line.startswith("#"):
            continue
        where = f"{path}, line {number}"
        ipa, _, right = line.partition("\t")
        key, phones = decomposed("".join(ipa.split())), right.split()
        if number == 1 and (key, phones) in _HEADINGS:
            continue
        if not key or not phones:
            raise InputError(f"{where} is {line!r}: write IPA, one tab, and phones, or {DELETED} to delete")
        if key in rows:
            raise InputError(f"{where} maps {ipa!r} again, after line {lines[key]}: keep one of the two")
        rows[key] = () if phones == [DELETED] else tuple(phones)
        lines[key] = number
    if not rows:
        raise InputError(f"{path} maps nothing: write lines of IPA, one tab, and phones")
    return PhoneMap(str(path), rows)
