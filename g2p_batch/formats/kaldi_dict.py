"""A dictionary folder of Kaldi: what `utils/prepare_lang.sh` takes and `utils/validate_dict_dir.pl` checks."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import combinations, zip_longest
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from g2p_batch.errors import InputError
from g2p_batch.formats import kaldi
from g2p_batch.formats.entries import text_lines
from g2p_batch.formats.kaldi import NOISE, OWN_LINES, SILENCE
from g2p_batch.formats.kind import Expected, Format, Problem
from g2p_batch.formats.lexicon import WriteOptions
from g2p_batch.formats.rules import BOM, any_phone, first_reason
from g2p_batch.formats.word_lines import phone_lines, relative_probabilities, write_lines

LEXICON, PROBABILITIES = "lexicon.txt", "lexiconp.txt"
SILENCES, PHONES = "silence_phones.txt", "nonsilence_phones.txt"
_OPTIONAL, _QUESTIONS = "optional_silence.txt", "extra_questions.txt"
_FILES = (LEXICON, PROBABILITIES, SILENCES, PHONES, _OPTIONAL, _QUESTIONS)


def write(batches: Iterable[pa.RecordBatch], path: Path, options: WriteOptions) -> None:
    """Write the lexicon, and what of it is silence and what is not; with scores also `lexiconp.txt`."""
    path.mkdir(exist_ok=True)
    phones: set[str] = set()
    _write_lexicon(_collected(batches, phones), path, options)
    _write_text(path / SILENCES, [SILENCE, NOISE])
    _write_text(path / _OPTIONAL, [SILENCE])
    _write_text(path / PHONES, sorted(phones))
    _write_text(path / _QUESTIONS, [f"{SILENCE} {NOISE}"])


def refuse(rows: pa.RecordBatch, options: WriteOptions) -> pa.Array:
    """Refuse what Kaldi would split or takes for a symbol of its own, or what the folder adds itself."""
    return first_reason(rows, options, _RULES)


def read(path: Path) -> Iterator[pa.RecordBatch]:
    """Read the lexicon of a folder, with probabilities where it has them, without its lines for silence.

    Raises:
        InputError: there is no lexicon, or it cannot be read.
    """
    own = pa.array([word for word, _ in OWN_LINES])
    name, reader = (PROBABILITIES, kaldi.read_probabilities)
    if not (path / PROBABILITIES).is_file():
        name, reader = (LEXICON, kaldi.read)
    if not (path / name).is_file():
        raise InputError(f"{path} holds neither {LEXICON} nor {PROBABILITIES}: give a dictionary folder of Kaldi")
    for batch in reader(path / name):
        yield batch.filter(pc.invert(pc.is_in(batch["word"], own)))


def validate(path: Path, expected: Expected) -> Iterator[Problem]:
    """Check every file of a folder, and each against the others."""
    if not path.is_dir():
        raise InputError(f"{path} is no folder: give a dictionary folder of Kaldi, or take the format kaldi")
    silences, phones = _PhoneList(path, SILENCES), _PhoneList(path, PHONES)
    for phone_list in (silences, phones):
        yield from phone_list.problems
    for phone in sorted(silences.names & phones.names):
        yield Problem(0, f"lists {phone}, which {SILENCES} lists too", PHONES)
    yield from _optional_problems(path, silences.names)
    all_phones = silences.names | phones.names
    lexicons = [lexicon for lexicon in _LEXICONS if (path / lexicon.file).is_file()]
    for lexicon in lexicons:
        problems = lexicon.check(path / lexicon.file, expected)
        yield from (replace(problem, file=lexicon.file) for problem in problems)
        yield from _unknown_phones(path, lexicon, all_phones)
    if not lexicons:
        yield Problem(0, "is missing", LEXICON)
    if len(lexicons) == len(_LEXICONS):
        yield from _pair_problems(path)
    yield from _question_problems(path, all_phones, phones)


class _LexiconFile(NamedTuple):
    file: str
    numbers: int
    check: Callable[[Path, Expected], Iterator[Problem]]


_LEXICONS = (
    _LexiconFile(LEXICON, 0, kaldi.validate),
    _LexiconFile(PROBABILITIES, 1, partial(kaldi.validate, numbers=1)),
)


class _PhoneList:
    """A list of phones, with what is wrong with it."""

    def __init__(self, folder: Path, file: str) -> None:
        self.file = file
        self.names: set[str] = set()
        self.lines: list[list[str]] = []
        """The phones of each line, which share a root of Kaldi's decision tree."""
        self.problems = [replace(problem, file=file) for problem in self._read(folder / file)]

    def _read(self, path: Path) -> Iterator[Problem]:
        if not path.is_file():
            yield Problem(0, "is missing")
            return
        for line in text_lines(path):
            yield from kaldi.line_problems(line)
            names = kaldi.fields(line.text)
            for name in names:
                if name in self.names:
                    yield Problem(line.number, f"lists {name} again")
                if kaldi.is_symbol(name):
                    yield Problem(line.number, f"has the reserved phone {name}")
                self.names.add(name)
            self.lines.append(names)
        if not self.names:
            yield Problem(0, "is empty")


def _optional_problems(path: Path, silences: set[str]) -> Iterator[Problem]:
    file = path / _OPTIONAL
    if not file.is_file():
        yield Problem(0, "is missing", _OPTIONAL)
        return
    content = list(text_lines(file))
    names = [name for line in content for name in kaldi.fields(line.text)]
    if len(names) != 1 or len(content) != 1 or names[0] not in silences:
        yield Problem(0, f"is not one phone of {SILENCES}", _OPTIONAL)
    if any("\r" in line.text for line in content):
        yield Problem(1, "holds whitespace other than blank and tab: U+000D", _OPTIONAL)


def _unknown_phones(path: Path, lexicon: _LexiconFile, all_phones: set[str]) -> Iterator[Problem]:
    for line in text_lines(path / lexicon.file):
        for phone in kaldi.fields(line.text)[1 + lexicon.numbers :]:
            if phone not in all_phones:
                yield Problem(line.number, f"has the phone {phone}, which no list of phones has", lexicon.file)


def _pair_problems(path: Path) -> Iterator[Problem]:
    pairs = zip_longest(text_lines(path / LEXICON), text_lines(path / PROBABILITIES))
    for number, (plain, likely) in enumerate(pairs, 1):
        fields = [] if likely is None else kaldi.fields(likely.text)
        if plain is None or likely is None or kaldi.fields(plain.text) != fields[:1] + fields[2:]:
            yield Problem(number, f"is not the same entry as in {LEXICON}", PROBABILITIES)
            return


def _question_problems(path: Path, all_phones: set[str], phones: _PhoneList) -> Iterator[Problem]:
    questions: list[set[str]] = []
    for line in text_lines(path / _QUESTIONS) if (path / _QUESTIONS).is_file() else ():
        yield from (replace(problem, file=_QUESTIONS) for problem in kaldi.line_problems(line))
        question = kaldi.fields(line.text)
        for phone in question:
            if phone not in all_phones:
                yield Problem(line.number, f"has the phone {phone}, which no list of phones has", _QUESTIONS)
        questions.append(set(question))
    for number, names in enumerate(phones.lines, 1):
        for one, other in combinations(names, 2):
            if not any((one in question) != (other in question) for question in questions):
                yield Problem(number, f"has {one} and {other}, which no line of {_QUESTIONS} tells apart", PHONES)


def _collected(batches: Iterable[pa.RecordBatch], phones: set[str]) -> Iterator[pa.RecordBatch]:
    """Hand batches on, and add their phones to `phones`."""
    for batch in batches:
        phones.update(pc.unique(pc.list_flatten(batch["phones"])).to_pylist())
        yield batch


def _write_lexicon(batches: Iterable[pa.RecordBatch], path: Path, options: WriteOptions) -> None:
    likely = (path / PROBABILITIES).open("wb") if options.scores else None
    try:
        with (path / LEXICON).open("wb") as plain:
            for word, phone in OWN_LINES:
                plain.write(f"{word} {phone}\n".encode())
                if likely:
                    likely.write(f"{word} 1.00 {phone}\n".encode())
            for lines in phone_lines(batches, options):
                write_lines(plain, [lines.word, lines.pron], " ")
                if likely:
                    write_lines(likely, [lines.word, relative_probabilities(lines), lines.pron], " ")
    finally:
        if likely:
            likely.close()


def _write_text(path: Path, texts: Sequence[str]) -> None:
    path.write_bytes("".join(f"{text}\n" for text in texts).encode())


_RULES = (
    *kaldi.RULES,
    *kaldi.OWN_LINE_RULES,
    ("byte_order_mark", any_phone(lambda phone: phone.startswith(BOM))),
)

KALDI_DICT = Format("kaldi-dict", None, write, read, validate, refuse, order="word", files=_FILES)
