"""The lexicon to write: its format, its files, and how rows are fitted to it."""

from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from g2p_batch.errors import UsageError
from g2p_batch.formats import Format, format_for
from g2p_batch.formats.lexicon import WriteOptions
from g2p_batch.formats.sherpa import tokens
from g2p_batch.phones import PhoneMap, PhoneSet, Style
from g2p_batch.run.conform import Phonetics
from g2p_batch.storage.checksummed_json import sha256_of
from g2p_batch.storage.database import MEMORY, amount_of_memory
from g2p_batch.storage.locations import Location, Url, inside, located
from g2p_batch.storage.stores import store_at

Order = Literal["input", "word"]

LANG = "{lang}"
"""Stands in an output's name for the tag of a language: each language gets a lexicon of its own."""

BY_INPUT_ROW = ("input_row", "rank")
_KEYS: dict[Order, tuple[str, ...]] = {"input": BY_INPUT_ROW, "word": ("lang", "word", "rank")}
_BY_WORD = ("word", "input_row", "rank")


@dataclass(frozen=True)
class Merging:
    """What to write of a run, and where.

    Attributes:
        output: the lexicon's file, or its folder where the format is one; may hold `{lang}`.
        format: name of the lexicon's format; without it the suffix of `output` tells.
        order: the lexicon's rows by first input row, or by language and word (bytewise).
        scores: write log-probability and status where the format makes them optional.
        memory: most memory for sorting.
        partial: write what is there while shards are missing.
        strict: write nothing but the rejects if the format cannot hold a word.
        phonetics: how phones are written.
        space_in_word: one character for a blank in words, where the format cannot hold blanks.
        tokens: a sherpa-onnx `tokens.txt` that has to hold every phone.
    """

    output: Location
    format: str | None = None
    order: Order = "input"
    scores: bool = False
    memory: str = MEMORY
    partial: bool = False
    strict: bool = False
    phonetics: Phonetics = field(default_factory=Phonetics)
    space_in_word: str | None = None
    tokens: Path | None = None


@dataclass(frozen=True)
class LexiconOutput:
    """The lexicon to write, checked."""

    output: Location
    format: Format
    order: Order
    options: WriteOptions
    phonetics: Phonetics

    @property
    def by_language(self) -> bool:
        """Whether each language gets a lexicon of its own."""
        return LANG in str(self.output)

    @property
    def keys(self) -> tuple[str, ...]:
        """Columns by which rows are sorted for the writer."""
        keys = _BY_WORD if self.format.order == "word" else _KEYS[self.order]
        return ("lang", *keys) if self.by_language else keys

    def place(self, lang: str) -> Location:
        """Return where the lexicon of a language goes, in a folder that is there.

        Raises:
            OutputError: the folder cannot be made.
        """
        place = self._named(lang)
        if self.by_language:
            store_at(place.parent).make()
        return place

    def places(self, tags: Iterable[str]) -> list[Location]:
        """Return where the lexicons of languages go."""
        return [self._named(tag) for tag in tags] if self.by_language else [self.output]

    def require_apart(self, tags: Iterable[str], needed: Iterable[Location], inputs: Collection[str] = ()) -> None:
        """Check that the lexicons of languages take the place of nothing that the run needs.

        Args:
            tags: the languages.
            needed: files, and folders with all that lies in them.
            inputs: absolute paths, of any number.

        Raises:
            UsageError: they do.
        """
        for place in self.places(tags):
            names = {str(place.absolute()), str(place.resolve())}
            if not names.isdisjoint(inputs) or any(inside(place, known) for known in needed):
                raise UsageError(f"{place} would take the place of what the run needs: write the lexicon elsewhere")

    def require_languages(self, tags: Iterable[str]) -> None:
        """Check that the lexicon has a place for so many languages, and that their phones can be written.

        Raises:
            UsageError: it has not.
        """
        known = sorted(tags)
        if self.format.languages == "one" and len(known) > 1 and not self.by_language:
            example = self.output.with_name(f"{self.output.stem}.{LANG}{self.output.suffix}")
            raise UsageError(
                f"{self.format.name} has no place for languages, and there are {len(known)} ({', '.join(known[:5])}"
                f"{', ...' if len(known) > 5 else ''}): write one lexicon each with -o '{example}'"
            )
        if self.format.phones == "written" or self.phonetics.asked:
            self.phonetics.style.require(known)

    def _named(self, lang: str) -> Location:
        return located(str(self.output).replace(LANG, lang))

    def as_options(self) -> dict[str, Any]:
        """Return all that shapes the lexicon's files, as JSON holds it."""
        style = asdict(replace(self.phonetics.style, phone_map=None))
        files = (
            self.phonetics.style.phone_map,
            self.phonetics.known,
            self.options.tokens and tokens(self.options.tokens),
        )
        return {
            "path": str(self.output.absolute()),
            "format": self.format.name,
            "order": self.order,
            "scores": self.options.scores,
            "space_in_word": self.options.space_in_word,
            "phones": style | {"asked": self.phonetics.asked},
            "sha256 of --phone-map, --phone-set and --tokens": [file and sha256_of(_listed(file)) for file in files],
        }


def target_of(merging: Merging) -> LexiconOutput:
    """Find the format of a lexicon, and check that it can be written.

    Raises:
        UsageError: there is no such format, an option does not fit it, or the memory is no amount of it.
        OutputError: the lexicon cannot be written there.
    """
    amount_of_memory(merging.memory)
    if isinstance(merging.output, Url) and not merging.output.key:
        raise UsageError(f"{merging.output} is a bucket: add the name of the lexicon to write in it")
    if merging.output == Path("-"):
        raise UsageError("a lexicon appears whole or not at all, which standard output cannot: name a file")
    known = format_for(merging.output, merging.format)
    if merging.tokens is not None and not known.tokens:
        raise UsageError(f"--tokens is for sherpa lexicons, not for {known.name}: check phones with --phone-set")
    phonetics = merging.phonetics
    if known.phones == "joined" and phonetics.style.alphabet == "arpabet":
        raise UsageError(f"{known.name} joins phones, which ARPAbet needs apart: choose --phones ipa or x-sampa")
    if known.alphabet is not None:
        if phonetics.style.alphabet != known.alphabet and (
            phonetics.named or phonetics.style.alphabet != Style.alphabet
        ):
            raise UsageError(f"{known.name} knows phones in {known.alphabet} only: leave out --phones")
        phonetics = replace(phonetics, style=replace(phonetics.style, alphabet=known.alphabet))
    if LANG not in str(merging.output) or isinstance(merging.output, Url):  # folders of languages are not made yet
        store_at(merging.output.parent).require_writable(merging.output.name, known.files)
    options = WriteOptions(
        merging.scores,
        space_in_word=merging.space_in_word,
        tokens=merging.tokens,
        phones=phonetics.asked,
        alphabet=phonetics.style.alphabet,
    )
    return LexiconOutput(merging.output, known, merging.order, options, phonetics)


def _listed(phones: PhoneMap | PhoneSet | frozenset[str]) -> bytes:
    if isinstance(phones, PhoneMap):
        return repr(sorted(phones.rows.items())).encode()
    return repr(sorted(phones.phones if isinstance(phones, PhoneSet) else phones)).encode()
