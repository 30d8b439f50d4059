"""The format of the CMU Pronouncing Dictionary: American English in ARPAbet, `word P P`, variants as `word(2)`.

The rules are those of the files: `cmudict.dict` has one blank after the word and comments after ` # `; the older
`cmudict-0.7b` has two blanks, capitals, `;;;` comments, and may be Latin-1. A variant needs its word before it, and no
spelling comes twice: PocketSphinx refuses both.
"""

import re
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from g2p_batch.formats.entries import Entry, batched, encoding_problems, opened, text_lines, wrong
from g2p_batch.formats.kind import Expected, Format, Problem
from g2p_batch.formats.lexicon import WriteOptions
from g2p_batch.formats.rules import PHONE_LINE_RULES, Rule, any_phone, first_reason, word
from g2p_batch.formats.word_lines import phone_lines, write_lines

LANGUAGE = "eng-us"

_CONSONANTS = "B CH D DH F G HH JH K L M N NG P R S SH T TH V W Y Z ZH"
_VOWELS = "AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW"
SYMBOLS = frozenset((*_CONSONANTS.split(), *(f"{vowel}{stress}" for vowel in _VOWELS.split() for stress in "012")))
SYMBOLS |= frozenset(_VOWELS.split())
"""The 84 symbols of `cmudict.symbols`: 24 consonants, and 15 vowels without stress or with one of three digits."""

_VARIANT = re.compile(r"(?P<word>.+)\(\d+\)")


def write(batches: Iterable[pa.RecordBatch], path: Path, options: WriteOptions) -> None:
    """Write words and phones, a line each variant, the second as `word(2)`."""
    with path.open("wb") as file:
        for lines in phone_lines(batches, options):
            number = pa.array(lines.number)
            marked = pc.binary_join_element_wise(lines.word, "(", number.cast(pa.string()), ")", "")
            write_lines(file, [pc.if_else(pc.equal(number, 1), lines.word, marked), lines.pron], " ")


def refuse(rows: pa.RecordBatch, options: WriteOptions) -> pa.Array:
    """Refuse other languages, other phones than ARPAbet, words beyond ASCII, and those that look like marks."""
    return first_reason(rows, options, _RULES)


def read(path: Path) -> Iterator[pa.RecordBatch]:
    """Read either form of the dictionary; words of the older form become lower case.

    Raises:
        InputError: the file cannot be read, or a line has no pronunciation.
    """
    return batched(_entries(path))


def validate(path: Path, _expected: Expected) -> Iterator[Problem]:
    """Check a dictionary in the form of `cmudict.dict`.

    Spellings are remembered as 64-bit numbers to find repeated ones.
    """
    seen: set[int] = set()
    for line in text_lines(path):
        yield from encoding_problems(line)
        content = line.text.removesuffix("\r").partition(" # ")[0]
        spelling, *phones = content.split(" ")
        if not content.strip():
            yield Problem(line.number, "is empty")
            continue
        if spelling.startswith((";;;", "#")):
            yield Problem(line.number, "begins with a comment mark")
        if not spelling.isascii():
            yield Problem(line.number, f"has {spelling}, which is not ASCII")
        if not phones:
            yield Problem(line.number, f"gives {spelling} no pronunciation")
        if "" in phones or "\t" in content:
            yield Problem(line.number, "has more than one blank between fields")
        for phone in phones:
            if phone not in SYMBOLS and phone:
                yield Problem(line.number, f"has {phone}, which is no symbol of ARPAbet")
        if hash(spelling) in seen:
            yield Problem(line.number, f"has {spelling} again")
        name = _unmarked(spelling)
        if name != spelling and hash(name) not in seen:
            yield Problem(line.number, f"has {spelling} before {name}")
        seen.add(hash(spelling))


def _unmarked(spelling: str) -> str:
    variant = _VARIANT.fullmatch(spelling)
    return variant["word"] if variant else spelling


def _entries(path: Path) -> Iterator[Entry]:
    with opened(path) as file:
        for number, data in enumerate(file, 1):
            line = _decoded(data.removeprefix(BOM_UTF8) if number == 1 else data).rstrip("\r\n")
            if line.startswith(";;;") or not line.strip():
                continue
            content = line.partition(" # ")[0]
            spelling, *phones = content.split()
            if phones and phones[0].isdecimal():  # NLTK numbers the variants of a word
                phones = phones[1:]
            if not phones:
                raise wrong(path, number, f"{spelling} has no pronunciation: add one, or delete the line")
            name = _unmarked(spelling)
            old = content[len(spelling) :].startswith("  ")
            yield Entry(name.lower() if old else name, "".join(phones), phones, line=number)


def _decoded(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


_RULES: tuple[Rule, ...] = (
    ("not_eng_us", lambda rows, _: pc.not_equal(rows["lang"], LANGUAGE)),
    *PHONE_LINE_RULES,
    ("not_arpabet", any_phone(lambda phone: phone not in SYMBOLS)),
    ("not_ascii", word(r"[^\x00-\x7f]")),
    ("comment_mark", word("^(?:;;;|#)")),
    ("variant_mark", word(r".\(\d+\)$")),
)

CMUDICT = Format("cmudict", None, write, read, validate, refuse, alphabet="arpabet")
