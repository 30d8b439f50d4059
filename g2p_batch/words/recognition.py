"""What a file is that is no word list of a kind that is read, told from its first bytes or lines."""

import re
from collections.abc import Sequence

_MAGIC = (
    (b"\x1f\x8b", "is gzip: let its name end in .gz"),
    (b"\x28\xb5\x2f\xfd", "is Zstandard: let its name end in .zst"),
    (b"PAR1", "is Parquet: let its name end in .parquet"),
    (b"PK\x03\x04", "is a ZIP archive, as .xlsx and .ods are: save the sheet as .tsv or .csv"),
    (b"\xd0\xcf\x11\xe0", "is of an old Microsoft Office, as .xls is: save the sheet as .tsv or .csv"),
    (b"%PDF", "is a PDF: give the text as .txt"),
    (b"{\\rtf", "is rich text: save it as plain text in UTF-8"),
    # The longer marks first: one of them begins like a shorter one.
    (b"\xff\xfe\0\0", "is UTF-32: give --encoding utf-32"),
    (b"\0\0\xfe\xff", "is UTF-32: give --encoding utf-32"),
    (b"\xff\xfe", "is UTF-16: give --encoding utf-16"),
    (b"\xfe\xff", "is UTF-16: give --encoding utf-16"),
)
"""What files begin with that are not read as they are."""

_LOOKED_AT = 1 << 12
_MANY = 0.2
"""Share of zeros from which bytes are no text in UTF-8."""
_COUNTED = re.compile(rb"[^\s\d]\S*[ \t]+\d+(?:[.,]\d+)?\s*")
_NUMBER = re.compile(rb"\d+\s*")
FEWEST_LINES = 2
"""Fewer lines tell nothing."""


def foreign(head: bytes) -> str | None:
    """Tell what bytes are the beginning of that are no text in UTF-8, and what to do; None where they may be."""
    for magic, what in _MAGIC:
        if head.startswith(magic):
            return what
    some = head[:_LOOKED_AT]
    if some.count(0) <= _MANY * len(some):
        return None
    even, odd = some[::2].count(0), some[1::2].count(0)
    if max(even, odd) > 2 * min(even, odd):
        name = "utf-16-le" if odd > even else "utf-16-be"
        return f"looks like UTF-16 without a mark: give --encoding {name}"
    return "is no text: give a word list"


def no_plain_list(lines: Sequence[bytes]) -> str | None:
    """Tell what the first lines of a file are that holds more than a word a line, and what to do; None if it does not.

    Args:
        lines: without those that are blank.
    """
    if len(lines) < FEWEST_LINES:
        return None
    if all(map(_COUNTED.fullmatch, lines)):
        shown = lines[0].decode("utf-8", "replace").strip()
        return f"has a number behind each word, such as {shown!r}: cut it off, or write .tsv and name --word-column"
    if _NUMBER.fullmatch(lines[0]) and 2 * sum(b"/" in line for line in lines) >= len(lines):
        return (
            "is a Hunspell dictionary, whose words carry flags: expand it with `unmunch`, or cut off the first line "
            "and all from / on"
        )
    return None
