"""The lexicon to write: its format, its files, and how rows are conformed to it."""

from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from g2p_batch.errors import UsageError
from g2p_batch.formats.kind import Format, require_reader
from g2p_batch.formats.lexicon import WriteOptions
from g2p_batch.formats.registry import format_for
from g2p_batch.formats.sherpa import tokens
from g2p_batch.phones import PhoneMap, PhoneSet, Style
from g2p_batch.run.conform import Phonetics, Unwanted
from g2p_batch.run.fingerprint import has_own_phones
from g2p_batch.run.run_directory import Plan
from g2p_batch.storage import store_at
from g2p_batch.storage.checksummed_json import sha256_of
from g2p_batch.storage.locations import Location, Url, inside, located
from g2p_batch.storage.memory import DEFAULT_MEMORY, Memory
from g2p_batch.storage.store import Stamp

Order = Literal["input", "word"]

LANG = "{lang}"
"""Stands in an output's name for the tag of a language: each language gets a lexicon of its own."""

_SORT_COLUMNS: dict[Order, tuple[str, ...]] = {"input": ("input_row", "rank"), "word": ("lang", "word", "rank")}
_BY_WORD = ("word", "input_row", "rank")


@dataclass(frozen=True)
class LexiconOutput:
    """The lexicon to write, and how; checked when it is made.

    Attributes:
        path: the lexicon's file, or its folder where the format is one; may hold `{lang}`.
        format_name: name of the lexicon's format; without it the suffix of `path` tells.
        order: the lexicon's rows by first input row, or by language and word (bytewise).
        scores: write log-probability and status where the format makes them optional.
        memory: most memory for sorting.
        partial: write what is there while shards are missing.
        strict: write nothing but the rejects if a word is not wanted, or the format cannot hold it.
        phones: how phones are written.
        unwanted: which answers are rejected.
        space_in_word: one character for a blank in words, where the format cannot hold blanks.
        tokens: a sherpa-onnx `tokens.txt` that has to hold every phone.
        reader: one of the format's `readers`, for which the lexicon is.
        force: replace what is there, whoever wrote it.

    Raises:
        UsageError: there is no such format, or an option does not fit it.
        OutputError: the lexicon cannot be written there.
    """

    path: Location
    format_name: str | None = None
    order: Order = "input"
    scores: bool = False
    memory: Memory = DEFAULT_MEMORY
    partial: bool = False
    strict: bool = False
    phones: Phonetics = field(default_factory=Phonetics)
    unwanted: Unwanted = field(default_factory=Unwanted)
    space_in_word: str | None = None
    tokens: Path | None = None
    reader: str | None = None
    force: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.path, Url) and not self.path.key:
            raise UsageError(f"{self.path} is a bucket: add the name of the lexicon to write in it")
        if self.path == Path("-"):
            raise UsageError("a lexicon appears whole or not at all, which standard output cannot: name a file")
        if self.tokens is not None and not self.format.tokens:
            raise UsageError(
                f"--tokens is for sherpa lexicons, not for {self.format.name}: check phones with --phone-set"
            )
        require_reader(self.format, self.reader)
        if self.format.phones == "joined" and self.phones.style.notation == "arpabet":
            raise UsageError(
                f"{self.format.name} joins phones, which ARPAbet needs apart: choose --phones ipa or x-sampa"
            )
        own, asked = self.format.alphabet, self.phones.style.notation
        if own is not None and asked != own and ("alphabet" in self.phones.named or asked != Style.alphabet):
            raise UsageError(f"{self.format.name} knows phones in {own} only: leave out --phones")
        if not self.by_language or isinstance(self.path, Url):  # folders of languages are not made yet
            store_at(self.path.parent).require_writable(self.path.name, self.format.files)

    @cached_property
    def format(self) -> Format:
        """The lexicon's format."""
        return format_for(self.path, self.format_name)

    @property
    def by_language(self) -> bool:
        """Whether each language gets a lexicon of its own."""
        return LANG in str(self.path)

    @property
    def sort_columns(self) -> tuple[str, ...]:
        """Columns by which rows are sorted for the writer."""
        columns = _BY_WORD if self.format.order == "word" else _SORT_COLUMNS[self.order]
        return ("lang", *columns) if self.by_language else columns

    @property
    def phonetics(self) -> Phonetics:
        """How phones are written: in the format's own alphabet if it has one, as its readers know them by default."""
        style, known = self.phones.style, self.format
        if known.alphabet is not None:
            style = replace(style, alphabet=known.alphabet)
        if known.unstressed and style.notation == "ipa" and not {"stress", "phone_map"} & self.phones.named:
            style = replace(style, stress="drop")
        checked = self.phones.phone_set
        if checked is None and self.tokens is not None:
            checked = PhoneSet(self.tokens, tokens(self.tokens))
        return replace(self.phones, style=style, phone_set=checked)

    @property
    def write_options(self) -> WriteOptions:
        """What the writer is told."""
        return WriteOptions(
            self.scores,
            space_in_word=self.space_in_word,
            tokens=self.tokens,
            phones=self.phonetics.asked,
            alphabet=self.phonetics.style.notation,
            reader=self.reader,
        )

    def path_of(self, lang: str) -> Location:
        """Return where the lexicon of a language goes, in a folder that is there.

        Raises:
            OutputError: the folder cannot be made.
        """
        path = self._named(lang)
        if self.by_language:
            store_at(path.parent).make()
        return path

    def paths(self, tags: Iterable[str]) -> list[Location]:
        """Return where the lexicons of languages go."""
        return [self._named(tag) for tag in tags] if self.by_language else [self.path]

    def require_apart(self, tags: Iterable[str], needed: Iterable[Location], inputs: Collection[str] = ()) -> None:
        """Check that the lexicons of languages take the place of nothing that the run needs.

        Args:
            tags: the languages.
            needed: files, and folders with all that lies in them.
            inputs: absolute paths, of any number.

        Raises:
            UsageError: they do.
        """
        for path in self.paths(tags):
            names = {str(path.absolute()), str(path.resolve())}
            if not names.isdisjoint(inputs) or any(inside(path, other) for other in needed):
                raise UsageError(f"{path} would take the place of what the run needs: write the lexicon elsewhere")

    def require_room(self, plan: Plan) -> None:
        """Check that the lexicon has a place for all languages of a plan, and that their phones can be written.

        Raises:
            UsageError: it has not, or words are in phones of the user's own and others would be in IPA.
        """
        tags = plan.languages
        writes_phones = self.format.phones == "written" or self.phonetics.asked
        langs = sorted(tags)
        if self.format.languages == "one" and len(langs) > 1 and not self.by_language:
            example = self.path.with_name(f"{self.path.stem}.{LANG}{self.path.suffix}")
            raise UsageError(
                f"{self.format.name} has no place for languages, and there are {len(langs)} ({', '.join(langs[:5])}"
                f"{', ...' if len(langs) > 5 else ''}): write one lexicon each with -o '{example}'"
            )
        if writes_phones:
            self.phonetics.style.require(langs)
        if writes_phones and has_own_phones(plan.fingerprint) and self.phonetics.style.phone_map is None:
            raise UsageError(
                "--lexicon-phones own are the phones of a --phone-map, and there is none: give the map that writes the "
                "model's words in them"
            )

    def _named(self, lang: str) -> Location:
        return located(str(self.path).replace(LANG, lang))

    def as_record(self) -> dict[str, Any]:
        """Return all that shapes the lexicon's files, as JSON holds it."""
        style = asdict(replace(self.phonetics.style, phone_map=None))
        lists = (self.phonetics.style.phone_map, self.phonetics.phone_set, self.tokens and tokens(self.tokens))
        return {
            "path": str(self.path.absolute()),
            "format": self.format.name,
            "order": self.order,
            "scores": self.scores,
            "space_in_word": self.space_in_word,
            "reader": self.reader,
            "unwanted": {"drop": [*self.unwanted.statuses], "min_logprob": self.unwanted.min_logprob},
            "phones": style | {"asked": self.phonetics.asked},
            "sha256 of --phone-map, --phone-set and --tokens": [phones and _digest(phones) for phones in lists],
        }


def _digest(phones: PhoneMap | PhoneSet | frozenset[str]) -> str:
    if isinstance(phones, PhoneMap):
        return sha256_of(repr(sorted(phones.rows.items())).encode())
    return sha256_of(repr(sorted(phones.phones if isinstance(phones, PhoneSet) else phones)).encode())


def stamp(path: Location) -> Stamp | None:
    """Return what changes whenever a lexicon is written again, or None where there is none."""
    return store_at(path.parent).stamp(path.name)
