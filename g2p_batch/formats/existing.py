"""Lexicons that somebody gives, in any format and alphabet, in IPA; and what is to know of them."""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from g2p_batch.counts import count_of
from g2p_batch.errors import InputError
from g2p_batch.formats.alphabets import ALPHABETS, Alphabet, alphabet_of, declared
from g2p_batch.formats.entries import ENTRIES
from g2p_batch.formats.kind import Expected
from g2p_batch.formats.registry import Readable, readable_format
from g2p_batch.model.progress import Say
from g2p_batch.phones.notation import Notation, in_ipa

_VARIANT = re.compile(r"(?P<word>.+)\(\d+\)")


@dataclass(frozen=True)
class ExistingLexicon:
    """A lexicon in any format that is read here.

    Attributes:
        path: its file, or the folder of a dictionary of Kaldi.
        lang: tag of its words, where it does not name their language.
        format_name: its format, where name and beginning do not tell it.
        alphabet: what its phones are in.
    """

    path: Path
    lang: str | None = None
    format_name: str | None = None
    alphabet: Alphabet = "auto"

    @property
    def files(self) -> list[Path]:
        """Its file, or those in its folder."""
        try:
            return sorted(path for path in self.path.iterdir() if path.is_file())
        except OSError:  # a file, or what cannot be read, which whoever reads it tells
            return [self.path]

    def __str__(self) -> str:
        name = str(self.path.absolute()) if self.format_name is None else f"{self.format_name}:{self.path.absolute()}"
        return name if self.lang is None else f"{self.lang}={name}"

    def entries(self, lang: str | None, say: Say = lambda _: None) -> Iterator[pa.RecordBatch]:
        """Read all that gives a pronunciation.

        Args:
            lang: tag of the language where nothing else tells it.
            say: is told what is passed over, what breaks the rules of the format, and what was in another alphabet.

        Returns:
            Batches of schema `ENTRIES` with languages, in IPA unless the phones are the user's own.

        Raises:
            UsageError: there is no such format.
            InputError: the lexicon cannot be read, nothing tells its language, or it is in several alphabets, or in
                none that is known; names the line.
        """
        kind = readable_format(self.path, self.format_name)
        notation: Notation = "ipa"
        if self.alphabet != "own":
            notation = alphabet_of(self.path, self._read(kind, lang), asked=self.alphabet)
        passed_over, shown = _PassedOver(), set[Notation]()
        for batch in self._read(kind, lang):
            if batch["passed_over"].null_count < len(batch):
                passed_over.count(batch)
                batch = batch.filter(batch["passed_over"].is_null())
            notations = [declared(alphabet) or notation for alphabet in batch["alphabet"].to_pylist()]
            shown.update(notations)
            yield batch if {*notations} <= {"ipa"} else _in_ipa(batch, notations)
        self._tell(kind, shown - {"ipa"}, passed_over, say)

    def _read(self, kind: Readable, lang: str | None) -> Iterator[pa.RecordBatch]:
        fallback, name = self.lang or lang, ""
        for batch in kind.read(self.path):
            langs = batch["lang"]
            if langs.null_count and fallback is None:
                raise InputError(
                    f"{self.path} does not name the language of its words: give --lang TAG, or --lexicon "
                    f"TAG={self.path}"
                )
            pron = pc.if_else(batch["phones"].is_null(), _bare(batch["pron"]), batch["pron"])
            words = _unmarked(batch["word"], name)
            changed = {"word": words, "lang": pc.fill_null(langs, fallback or ""), "pron": pron}
            yield _with(batch, changed)
            name = words[-1].as_py() if len(words) else name

    def _tell(self, kind: Readable, shown: Collection[Notation], passed_over: "_PassedOver", say: Say) -> None:
        if shown:
            names = " and ".join(ALPHABETS[notation] for notation in sorted(shown))
            say(f"Note: phones of {self.path} are {names}, and are read as IPA")
        for reason, count in passed_over.counts.items():
            first_line = passed_over.lines[reason]
            say(f"Note: {count_of(count, 'line')} of {self.path} passed over: {reason}, first on line {first_line}")
        problems = kind.validate(self.path, Expected())
        if first := next(problems, None):
            more = sum(1 for _ in problems)
            file = self.path / first.file if first.file else self.path
            say(
                f"Note: {file}, line {first.line}: {first.what}"
                f"{f', and {more:,} more; `g2p-batch validate` lists them' if more else ''}"
            )


@dataclass
class _PassedOver:
    """Entries that say nothing that can be used, by reason, and the first line of each."""

    counts: Counter[str] = field(default_factory=Counter)
    lines: dict[str, int] = field(default_factory=dict)

    def count(self, batch: pa.RecordBatch) -> None:
        for reason, line in zip(batch["passed_over"].to_pylist(), batch["line"].to_pylist(), strict=True):
            if reason is not None:
                self.counts[reason] += 1
                self.lines.setdefault(reason, line)


def _in_ipa(batch: pa.RecordBatch, notations: Sequence[Notation]) -> pa.RecordBatch:
    """Return entries [N], each in an alphabet of `notations` [N], in IPA; with phones where they have any."""
    prons: list[str] = []
    lists: list[list[str] | None] = []
    rows = zip(batch["pron"].to_pylist(), batch["phones"].to_pylist(), notations, strict=True)
    for pron, phones, notation in rows:
        apart = phones if phones is not None else pron.split() if notation == "arpabet" else None
        written = in_ipa([pron] if apart is None else apart, notation)
        lists.append(None if apart is None else written)
        prons.append("".join(written))
    changed = {"pron": pa.array(prons, pa.string()), "phones": pa.array(lists, ENTRIES.field("phones").type)}
    return _with(batch, changed)


def plain_prons(path: Path, word: pa.Array, lang: pa.Array, pron: pa.Array) -> pa.Array:
    """Read pronunciations of a table as those of a lexicon: IPA without marks around it, and without blanks in words.

    Args:
        path: the table, for messages.
        word: string [N].
        lang: tags, string [N].
        pron: string [N], no nulls.

    Returns:
        IPA, string [N].

    Raises:
        InputError: it is in several alphabets, or in none that is known; names the row.
    """
    rows = pa.table({"word": word, "lang": lang, "pron": _bare(pron)})
    count = len(rows)
    columns = {name: rows[name] for name in rows.column_names} | {
        "rank": pa.repeat(pa.scalar(1, pa.int8()), count),
        "line": pa.array(np.arange(1, count + 1)),
    }
    nothing = {field.name: pa.nulls(count, field.type) for field in ENTRIES if field.name not in columns}
    entries = pa.table(columns | nothing).select(ENTRIES.names).cast(ENTRIES)
    notation = alphabet_of(path, entries.slice(0, _ROWS_LOOKED_AT).to_batches())
    if notation != "ipa":
        batches = [_in_ipa(batch, [notation] * len(batch)) for batch in entries.to_batches()]
        return pa.Table.from_batches(batches, ENTRIES)["pron"].combine_chunks()
    pron = rows["pron"].combine_chunks()
    alone = pc.invert(pc.match_substring(rows["word"], " "))
    apart = pc.and_(alone, pc.match_substring(pron, " "))
    many = pc.and_(alone, pc.greater(pc.utf8_length(pron), 1))
    if pc.sum(apart).as_py() and pc.sum(apart).as_py() > _MOSTLY * pc.sum(many).as_py():
        return pc.replace_substring(pron, " ", "")
    return pron


_ROWS_LOOKED_AT = 1 << 16
_MOSTLY = 0.9


def _bare(pron: pa.Array) -> pa.Array:
    """Take blanks, and slashes or square brackets, from around pronunciations [N]."""
    bare = pc.replace_substring_regex(pron, r"^\s*(?:/([^/]*)/|\[([^\[\]]*)\])\s*$", r"\1\2")
    return pc.utf8_trim_whitespace(bare)


def _unmarked(words: pa.Array, before: str) -> pa.Array:
    """Give variants the name of their word: `word(2)` behind `word`, as Sphinx has them; `before` comes before them."""
    if not pc.any(pc.match_substring_regex(words, r"\(\d+\)$")).as_py():
        return words
    names = []
    for word in words.to_pylist():
        variant = _VARIANT.fullmatch(word)
        before = before if variant and variant["word"] == before else word
        names.append(before)
    return pa.array(names, words.type)


def _with(batch: pa.RecordBatch, changed: Mapping[str, pa.Array]) -> pa.RecordBatch:
    return pa.record_batch([changed.get(name, batch[name]) for name in ENTRIES.names], schema=ENTRIES)
