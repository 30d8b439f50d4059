"""The format of the CMU Pronouncing Dictionary: American English in ARPAbet, `word P P`, variants as `word(2)`.

The rules are those of the files: `cmudict.dict` has one blank after the word and comments after ` # `; the older
`cmudict-0.7b` has two blanks, capitals, `;;;` comments, and may be Latin-1. What PocketSphinx does not take is in
`dict.c`: a variant needs its word before it, no spelling comes twice, `##` and `;;` begin comments, whatever ends in
brackets is a variant, and three words are its own. Its models have phones without stress.
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
from g2p_batch.formats.rules import PHONE_LINE_RULES, Rule, any_phone, first_reason, reserved, word
from g2p_batch.formats.word_lines import phone_lines, write_lines
from g2p_batch.phones.arpabet import LANGUAGE

_CONSONANTS = "B CH D DH F G HH JH K L M N NG P R S SH T TH V W Y Z ZH"
_VOWELS = "AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW"
SYMBOLS = frozenset((*_CONSONANTS.split(), *(f"{vowel}{stress}" for vowel in _VOWELS.split() for stress in "012")))
SYMBOLS |= frozenset(_VOWELS.split())
"""The 84 symbols of `cmudict.symbols`: 24 consonants, and 15 vowels without stress or with one of three digits."""

_VARIANT = re.compile(r"(?P<word>.+)\(\d+\)")
_BRACKETED = re.compile(r"(?P<word>.+)\(.*\)")
_COMMENT_MARKS = ("#", ";;")
_RESERVED = ("</s>", "<s>", "<sil>")
"""Words of PocketSphinx's own: it does not start with a dictionary that has one."""

_POCKETSPHINX = "pocketsphinx"


def write(batches: Iterable[pa.RecordBatch], path: Path, options: WriteOptions) -> None:
    """Write words and phones, a line each variant, the second as `word(2)`."""
    stressed = options.reader != _POCKETSPHINX
    with path.open("wb") as file:
        for lines in phone_lines(batches if stressed else map(_unstressed, batches), options):
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


def validate(path: Path, expected: Expected) -> Iterator[Problem]:
    """Check a dictionary in the form of `cmudict.dict`, and if it is for PocketSphinx that its models know the phones.

    Spellings are remembered as 64-bit numbers to find repeated ones.
    """
    seen: set[int] = set()
    for line in text_lines(path):
        yield from encoding_problems(line)
        content, comment, _ = line.text.removesuffix("\r").partition(" # ")
        spelling, *phones = content.split(" ")
        if not content.strip():
            yield Problem(line.number, "is empty")
            continue
        if spelling.startswith(_COMMENT_MARKS):
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
        if expected.reader == _POCKETSPHINX:
            yield from (Problem(line.number, what) for what in _dropped(phones, comment))
        if hash(spelling) in seen:
            yield Problem(line.number, f"has {spelling} again")
        name = _unmarked(spelling)
        if name != spelling and hash(name) not in seen:
            yield Problem(line.number, f"has {spelling} before {name}")
        if spelling in _RESERVED:
            yield Problem(line.number, f"has the reserved word {spelling}")
        if name == spelling and (bracketed := _BRACKETED.fullmatch(name)):
            yield Problem(line.number, f"has {name}, which PocketSphinx takes for a variant of {bracketed['word']}")
        seen.add(hash(spelling))


def _dropped(phones: list[str], comment: str) -> Iterator[str]:
    """Yield why PocketSphinx drops an entry."""
    if stressed := next((phone for phone in phones if phone[-1:] in ("0", "1", "2")), None):
        yield f"has {stressed}, and PocketSphinx drops words with stress: write the lexicon with --stress drop"
    if comment:
        yield "has a comment, which PocketSphinx takes for phones: it drops the word"


def _unstressed(rows: pa.RecordBatch) -> pa.RecordBatch:
    """Return rows of ARPAbet without digits."""
    joined = pc.replace_substring_regex(pc.binary_join(rows["phones"], " "), "[012]", "")
    return rows.set_column(rows.schema.get_field_index("phones"), "phones", pc.split_pattern(joined, " "))


def _unmarked(spelling: str) -> str:
    variant = _VARIANT.fullmatch(spelling)
    return variant["word"] if variant else spelling


def _entries(path: Path) -> Iterator[Entry]:
    with opened(path) as file:
        for number, data in enumerate(file, 1):
            line = _decoded(data.removeprefix(BOM_UTF8) if number == 1 else data).rstrip("\r\n")
            if line.startswith((";;", "##")) or not line.strip():
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
    ("comment_mark", word(f"^(?:{'|'.join(_COMMENT_MARKS)})")),
    ("reserved_word", reserved(_RESERVED)),
    ("variant_mark", word(f"^{_BRACKETED.pattern}$")),
)

CMUDICT = Format("cmudict", None, write, read, validate, refuse, alphabet="arpabet", readers=(_POCKETSPHINX,))
