"""References and hypotheses: files of words with pronunciations, once per word with all its variants."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from g2p_batch import languages
from g2p_batch.errors import InputError
from g2p_batch.formats.entries import NO_PRONUNCIATION
from g2p_batch.formats.existing import ExistingLexicon, plain_prons
from g2p_batch.formats.registry import PACKED, readable_format
from g2p_batch.formats.tsv import TSV
from g2p_batch.model.progress import Say
from g2p_batch.words.filter import EMPTY, UNKNOWN_LANGUAGE, Indices, distinct, normalized
from g2p_batch.words.wordlist import LANG_COLUMNS, ROWS, Further, WordLists, read

MISSING = "missing"
"""Status of a word of the reference that the hypotheses do not have."""

PRON = Further(("pron", "pronunciation", "ipa"))
LOGPROB = Further(("logprob",), required=False)
OWN_LANG = Further(("own_lang", *LANG_COLUMNS), required=False)
"""The language as the file has it, whatever `WordLists.lang` says."""

_TABLES = (".tsv", ".csv", ".parquet")
"""Suffixes of lexicons that are tables with a header; others are of the formats of `formats`."""

REFERENCE = pa.schema([("lang", pa.string()), ("word", pa.string()), ("prons", pa.list_(pa.string()))])
"""`prons` are the variants of a word, at least one, each once, in the order of the file."""


@dataclass(frozen=True)
class Reference:
    """What is taken for the truth.

    Attributes:
        words: N distinct words of schema `REFERENCE`.
        rows: data rows read.
        rejects: rows that say nothing, by reason.
    """

    words: pa.Table
    rows: int
    rejects: Mapping[str, int]


def read_reference(source: WordLists, tags: Collection[str] = (), stdin: BinaryIO | None = None) -> Reference:
    """Read words with their pronunciations, all into memory.

    Rows of the same language and word hold variants of that word, and so do the parts between commas in languages of
    `languages.COMMA_JOINED`. Pronunciations are read as those of lexicons are: without slashes or square brackets
    around them, ARPAbet and X-SAMPA as IPA, and without blanks where these part phones, which they do if nearly all
    words without a blank have them. Nothing else of them is changed.

    Args:
        source: the files, without `further` columns.
        tags: tags that a model has, taken as they are; other languages are looked up, and unknown ones kept.
        stdin: what the input `-` reads; standard input by default.

    Raises:
        InputError: the file cannot be read, holds no word with a pronunciation, or is in several alphabets of phones.
    """
    table, rows, rejects = _readable(read(replace(source, further=(PRON,)), stdin=stdin), tags)
    prons = _variants(table["pron"], table["lang"])
    parent = pc.list_parent_indices(prons).to_numpy()
    words = table.select(["word", "lang"]).take(parent)
    variant = plain_prons(Path(", ".join(source.inputs)), words["word"], words["lang"], prons.flatten())
    full = pc.greater(pc.binary_length(variant), 0)
    parent, variant = parent[full.to_numpy(zero_copy_only=False)], variant.filter(full)
    has_pron = np.zeros(len(table), np.bool_)
    has_pron[parent] = True
    rejects[NO_PRONUNCIATION] = len(has_pron) - int(has_pron.sum())
    if not has_pron.any():
        raise InputError(f"{', '.join(source.inputs)} holds no word with a pronunciation: fill the column pron")
    kept_row = np.cumsum(has_pron) - 1
    words = _grouped(table.filter(pa.array(has_pron)), kept_row[parent], variant)
    return Reference(words, rows, {reason: count for reason, count in rejects.items() if count})


def readable_words(source: WordLists) -> pa.Table:
    """Read words with their languages, all into memory; columns `lang` and `word`.

    Raises:
        InputError: the file cannot be read.
    """
    return _readable(read(source), ())[0]


def read_hypotheses(
    path: str, lang: str | None, reference: Reference, format_name: str | None = None, say: Say = lambda _: None
) -> pa.Table:
    """Look the words of a reference up in a lexicon, and return the first pronunciation that it gives to each.

    Args:
        path: the lexicon: a table with a header, whose scores are read if it has them, or one of the formats that
            `formats.readable_format` tells by the name.
        lang: the language of words whose language the lexicon does not say.
        reference: N words.
        format_name: the format of the lexicon, where its name does not tell it.
        say: is told what is to know of the lexicon.

    Returns:
        N rows: those of the reference with `pron` string, null where the lexicon lacks the word, `logprob` float32,
        null where it is not known, and `status` string, which is null or `MISSING`.

    Raises:
        InputError: the file cannot be read, its scores are no numbers, or nothing says the language.
        UsageError: there is no such format.
    """
    source = WordLists((path,), lang=lang, further=(PRON, LOGPROB, OWN_LANG))
    is_table = _is_table(path, format_name)
    table, _, _ = _readable(read(source) if is_table else _entries(path, lang, format_name, say), ())
    try:
        text = pc.if_else(pc.equal(table["logprob"], ""), None, table["logprob"])
        logprob = text.cast(pa.float32())
    except pa.ArrowInvalid as cause:
        raise InputError(f"{path} has a logprob that is no number ({cause}): correct it") from None
    asked = reference.words.select(["lang", "word"])
    first, which = distinct(pa.concat_tables([table.select(["lang", "word"]), asked]).combine_chunks())
    first_row = first[which[len(table) :]]
    rows = pa.array(first_row, mask=first_row >= len(table))
    pron = plain_prons(Path(path), table["word"], table["lang"], pc.fill_null(table["pron"], ""))
    status = pc.if_else(pc.is_null(rows), MISSING, pa.scalar(None, pa.string()))
    answers = {"pron": pron.take(rows), "logprob": logprob.take(rows), "status": status}
    words = reference.words
    for name, column in answers.items():
        words = words.append_column(name, column)
    return words


def _is_table(path: str, format_name: str | None) -> bool:
    """Tell whether hypotheses are read by their header, as word lists are."""
    if format_name is not None:
        return False
    name = path.lower()
    for suffix in PACKED:
        name = name.removesuffix(suffix)
    is_headless = name.endswith(".tsv") and Path(path).is_file() and readable_format(Path(path)) is not TSV
    return name.endswith(_TABLES) and not is_headless


def _entries(path: str, lang: str | None, format_name: str | None, say: Say) -> Iterator[pa.RecordBatch]:
    """Read a lexicon as rows of `wordlist.ROWS` with the columns of hypotheses; it has at least one."""
    row = 1
    for batch in ExistingLexicon(Path(path), None, format_name).entries(lang, say):
        unknown = pa.nulls(len(batch), pa.string())
        columns = {
            "row": np.arange(row, row + len(batch)),
            "word": batch["word"],
            "lang": pa.repeat(pa.scalar(lang, pa.string()), len(batch)),
            "reason": unknown,
            PRON.names[0]: batch["pron"],
            LOGPROB.names[0]: unknown,
            OWN_LANG.names[0]: batch["lang"],
        }
        yield pa.record_batch(columns)
        row += len(batch)
    if row == 1:
        raise InputError(f"{path} holds no words: fill it, or leave it out")


def _readable(batches: Iterable[pa.RecordBatch], tags: Collection[str]) -> tuple[pa.Table, int, Counter[str]]:
    """Return the rows that have a word and a language, how many there were, and the others by reason.

    The batches are rows of `wordlist.ROWS` and further columns.
    """
    table = pa.Table.from_batches(batches).combine_chunks()
    asked = [table[name] for name in (OWN_LANG.names[0], "lang") if name in table.column_names]
    lang, exact = _tags(pc.coalesce(*asked), tags)
    word = normalized(_flat(table["word"]), exact, "nfc")
    verdicts = {
        EMPTY: pc.equal(pc.coalesce(pc.binary_length(word), 0), 0),
        UNKNOWN_LANGUAGE: pc.is_null(lang),
    }
    checks = pa.StructArray.from_arrays([_flat(pc.coalesce(check, False)) for check in verdicts.values()], [*verdicts])
    reason = pc.coalesce(table["reason"], pc.case_when(checks, *verdicts))
    good = pa.table({"lang": lang, "word": word} | {name: table[name] for name in table.column_names[len(ROWS) :]})
    rejects = Counter({row["values"]: row["counts"] for row in pc.value_counts(reason.drop_null()).to_pylist()})
    return good.filter(pc.is_null(reason)).combine_chunks(), len(table), rejects


def _tags(asked: pa.ChunkedArray, tags: Collection[str]) -> tuple[pa.Array, pa.Array]:
    """Return the tag of each language [N], and whether its words keep their Unicode form [N]."""
    codes = _flat(asked).dictionary_encode()
    resolved = [_tag(query, tags) for query in codes.dictionary.to_pylist()]
    exact = pa.array([languages.normalization(tag) is None for tag in resolved], pa.bool_())
    return pa.array(resolved, pa.string()).take(codes.indices), exact.take(codes.indices)


def _tag(query: str, tags: Collection[str]) -> str:
    language = None if query in tags else languages.lookup(query)
    return language.tag if language else query


def _variants(pron: pa.ChunkedArray, lang: pa.ChunkedArray) -> pa.Array:
    """Cut pronunciations [N] into lists of variants [N], at commas where the language joins variants so."""
    whole = _flat(pc.fill_null(pron, ""))
    joins = pc.is_in(_flat(lang), pa.array(sorted(languages.COMMA_JOINED)))
    alone = pa.ListArray.from_arrays(np.arange(len(whole) + 1, dtype=np.int32), whole)
    return pc.if_else(joins, pc.split_pattern(whole, ","), alone)


def _grouped(table: pa.Table, parent: Indices, variant: pa.Array) -> pa.Table:
    """Gather the variants [V] of rows, whose number is `parent` [V], into distinct words."""
    first, which = distinct(table)
    group = which[parent]
    codes = variant.dictionary_encode()
    pairs = group * len(codes.dictionary) + codes.indices.to_numpy()
    kept = np.unique(pairs, return_index=True)[1]
    kept = kept[np.lexsort((kept, group[kept]))]
    starts = np.searchsorted(group[kept], np.arange(len(first) + 1)).astype(np.int32)
    prons = pa.ListArray.from_arrays(starts, variant.take(kept))
    words = table.select(["lang", "word"]).take(first)
    return words.append_column("prons", prons).cast(REFERENCE)


def _flat(column: Any) -> pa.Array:
    """Return a column in one piece."""
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
