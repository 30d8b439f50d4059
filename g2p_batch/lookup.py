"""Existing lexicons: what they say of a word comes before what a model would."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from g2p_batch.contract import Contract
from g2p_batch.database import Database
from g2p_batch.errors import UsageError
from g2p_batch.formats import read_lexicon
from g2p_batch.keys import Keys
from g2p_batch.publish import writing
from g2p_batch.screen import Normalize, screen
from g2p_batch.wordlist import ROWS

_ENTRIES = pa.schema(
    [
        ("place", pa.int64()),
        ("lexicon", pa.int16()),
        ("key", pa.int64()),
        ("word", pa.string()),
        ("pron", pa.string()),
        ("phones", pa.list_(pa.string())),
    ]
)


@dataclass(frozen=True)
class Existing:
    """A lexicon in any format that is read here, and the language of its words where it does not name them."""

    path: Path
    lang: str | None = None

    def __str__(self) -> str:
        return str(self.path.absolute()) if self.lang is None else f"{self.lang}={self.path.absolute()}"


def stage_entries(
    lexicons: Sequence[Existing],
    lang: str | None,
    contract: Contract,
    normalize: Normalize,
    database: Database,
    scratch: Path,
) -> Path:
    """Write the entries of lexicons to a file, prepared as words are, so that they can be looked up.

    Args:
        lexicons: at least one; the first that holds a word is the one that counts.
        lang: language of lexicons that neither name languages nor were given one.
        contract: says which languages and lengths the model takes; other entries are of no use and left out.
        normalize: how words are prepared.
        database: finds the first lexicon that holds a word.
        scratch: a folder for files.

    Returns:
        The file, for `Database.found`.

    Raises:
        UsageError: nothing tells the language of a lexicon.
        InputError: a lexicon cannot be read.
        OutputError: the disk does not hold the entries.
    """
    keys, into, first = Keys(contract), scratch / "entries", scratch / "first-entries"
    place = 0
    with writing(into), pq.ParquetWriter(into, _ENTRIES, compression="lz4", use_dictionary=False) as file:
        for number, known in enumerate(lexicons):
            for batch in _told(known, lang):
                rows = np.arange(len(batch))
                unread = pa.nulls(len(batch), pa.string())
                good, _ = screen(
                    pa.record_batch([rows, batch["word"], batch["lang"], unread], schema=ROWS), contract, normalize
                )
                key = keys.of(good["lang"], good["src_bytes"])
                pron, phones = (batch[name].take(good["row"]) for name in ("pron", "phones"))
                places = pc.add(good["row"], place)
                lexicon = np.full(len(good), number, np.int16)
                entries = [places, lexicon, key, good["word"], pron, phones]
                file.write_batch(pa.record_batch(entries, schema=_ENTRIES))
                place += len(batch)
    database.first_variants(into, first)
    return first


def _told(known: Existing, lang: str | None) -> Iterator[pa.RecordBatch]:
    """Read a lexicon, the language of every entry filled in."""
    fallback = known.lang or lang
    for batch in read_lexicon(known.path):
        langs = batch["lang"]
        if langs.null_count and fallback is None:
            raise UsageError(
                f"{known.path} does not name the language of its words: give --lexicon TAG={known.path}, or --lang TAG"
            )
        column = batch.schema.get_field_index("lang")
        yield batch.set_column(column, batch.schema.field(column), pc.fill_null(langs, fallback or ""))
