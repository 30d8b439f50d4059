"""From rows to a plan: each word once, in the order of decoding, cut into shards; in bounded memory."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from g2p_batch.counts import counted, ranked
from g2p_batch.formats.lexicon import LEXICON
from g2p_batch.model.contract import Contract
from g2p_batch.run.lookup import Matches
from g2p_batch.run.packed_words import packed, unpacked
from g2p_batch.run.run_directory import WORDS_FOLDER, Content, RunDir, Shard, shard_name
from g2p_batch.run.sort_key import Keys
from g2p_batch.storage.database import Database
from g2p_batch.storage.publish import writing
from g2p_batch.storage.tables import encoded
from g2p_batch.words.filter import REJECTS, UNKNOWN_LANGUAGE, WordFilter
from g2p_batch.words.spelling.characters import described

SHARD_WORDS = 65536

_FEWEST_WORDS, _ENOUGH_WORDS, _SHARE_OF_ALL = 512, 4096, 256
"""Smaller shards cost more to commit than they save: of 512 words, or of long lists one of so many, up to 4096."""
_SHARE = 32
"""A shard holds at most one word for so many before it. The first ones, done last, are small: several workers have
work to the end."""

_NAMES = 1000
"""Names of unknown languages that are counted."""
_ROWS = 65536
_PIECE_BYTES = 1 << 25
"""Rejects are stored in pieces of about this size."""

_STAGED = pa.schema([("row", pa.int64()), ("key", pa.int64()), ("word", pa.string())])
"""`word` is a packed word."""

_FOR_SORTING: dict[str, Any] = {"compression": "none", "use_dictionary": False, "write_statistics": ["row", "key"]}
"""The file is read once, at once: packing it costs more than it saves. Least and greatest key let numbers be sorted as
fewer bits, a quarter faster; those of words are of no use."""


@dataclass(frozen=True)
class Staged:
    """Filtered rows in temporary files."""

    rows_in: int
    words: int
    """Rows to pronounce, duplicates among them."""
    rejects: Mapping[str, int]
    """Rows by reason."""
    spelling: Mapping[str, int]
    """Rows by what was done to their words, of `spelling.STEPS`."""
    look_alikes: Mapping[str, int]
    """Rows by language and letter of another script that stands for one of the alphabet."""
    unknown_languages: Mapping[str, int]
    """Rejected rows by what they call their language, of those names that are met first."""
    words_file: Path
    """Parquet of `row`, `key` and packed `word`."""
    rejects_file: Path
    """Parquet of schema `filter.REJECTS`."""

    def rejected(self) -> Iterator[pa.RecordBatch]:
        """Read the rejected rows, in their order."""
        with pq.ParquetFile(self.rejects_file) as file:
            yield from file.iter_batches(_ROWS)


@dataclass(frozen=True)
class StoredWords:
    """What a plan keeps in its run directory."""

    words: int
    known: int
    """Words that existing lexicons hold."""
    languages: Mapping[str, int]
    """Words and known words by language."""
    looked_up: tuple[Content, ...]
    """Pieces of schema `LEXICON`: what the lexicons say of the known words, in the order of rows."""
    shards: tuple[Shard, ...]
    rejected: tuple[Content, ...]
    """Pieces of schema `filter.REJECTS`, in the order of rows."""


def stage(batches: Iterable[pa.RecordBatch], words: WordFilter, scratch: Path) -> Staged:
    """Filter rows and write them to temporary files.

    Args:
        batches: rows of schema `wordlist.ROWS`, by rising `row`.
        words: parts them.
        scratch: a folder for the files.

    Raises:
        OutputError: the disk does not hold them.
    """
    keys = Keys(words.contract)
    words_file, rejects_file = scratch / "words", scratch / "rejects"
    rows_in = good_rows = 0
    rejects: Counter[str] = Counter()
    spelling: Counter[str] = Counter()
    look_alikes: Counter[tuple[str, str]] = Counter()
    unknown: Counter[str] = Counter()
    with (
        writing(scratch),
        pq.ParquetWriter(words_file, _STAGED, **_FOR_SORTING) as good_file,
        pq.ParquetWriter(rejects_file, REJECTS, compression="lz4") as bad_file,
    ):
        for batch in batches:
            good, bad, asked = words(batch)
            rows_in += len(batch)
            good_rows += len(good)
            spelling.update(asked.steps)
            look_alikes.update(asked.look_alikes)
            key = keys.of(good["lang"], good["src_bytes"])
            good_file.write_batch(pa.record_batch([good["row"], key, packed(good)], schema=_STAGED))
            if len(bad):
                rejects.update(counted(bad["reason"]))
                if len(unknown) < _NAMES:
                    of_unknown = pc.equal(bad["reason"], UNKNOWN_LANGUAGE)
                    unknown.update(counted(bad["lang"].filter(of_unknown).drop_null()))
                bad_file.write_batch(bad)
    named = Counter({f"{tag} {described(letter)}": rows for (tag, letter), rows in look_alikes.items()})
    return Staged(
        rows_in, good_rows, ranked(rejects), ranked(spelling), ranked(named), ranked(unknown), words_file, rejects_file
    )


def cut(
    staged: Staged, matches: Matches | None, contract: Contract, shard_words: int, run: RunDir, database: Database
) -> StoredWords:
    """Store staged words as shards, each word once, what lexicons say of the others, and the rejected rows.

    A shard is the next so many words of one list, which is sorted by steps of length, language, length and bytes of
    what is asked: it holds words of like length, of one language where there are enough of it, and those that are asked
    the same.

    Args:
        staged: what `stage` returned.
        matches: words that lexicons or an earlier run hold, if there are any of these.
        contract: the same that `stage` was given.
        shard_words: most words of a shard.
        run: where shards and rejects are stored.
        database: sorts and looks up.

    Raises:
        OutputError: neither memory nor disk hold the words.
    """
    keys = Keys(contract)
    languages: Counter[str] = Counter()
    looked_up: list[Content] = []
    for piece in _pieces(_known(matches, keys, database)):
        languages.update(counted(piece.filter(pc.equal(piece["rank"], 1))["lang"]))
        looked_up.append(run.put_content(WORDS_FOLDER, f"known-{len(looked_up):06d}", ".parquet", encoded(piece)))
    known = sum(languages.values())
    shards: list[Shard] = []
    fewest = max(_FEWEST_WORDS, min(_ENOUGH_WORDS, staged.words // _SHARE_OF_ALL))
    for table in _tables(_distinct_words(staged, matches, database), keys, fewest, shard_words):
        languages.update(counted(table["lang"]))
        data = run.put_content(WORDS_FOLDER, shard_name(len(shards)), ".parquet", encoded(table))
        shards.append(Shard(len(table), data))
    rejected = [
        run.put_content(WORDS_FOLDER, f"rejected-{number:06d}", ".parquet", encoded(piece))
        for number, piece in enumerate(_pieces(staged.rejected()))
    ]
    words = sum(languages.values()) - known
    return StoredWords(words, known, ranked(languages), tuple(looked_up), tuple(shards), tuple(rejected))


def _known(matches: Matches | None, keys: Keys, database: Database) -> Iterator[pa.RecordBatch]:
    """Yield rows of schema `LEXICON` for the words that existing lexicons or an earlier run hold."""
    if matches is None:
        return
    for batch in database.look_up(matches.file, matches.entries, _ROWS):
        lang, _ = keys.read(batch["key"])
        columns = {name: batch[name] for name in batch.schema.names}
        columns |= {"lang": lang, "input_row": batch["row"], "word": unpacked(batch["word"]).word}
        yield pa.record_batch([columns[name] for name in LEXICON.names], schema=LEXICON)


def _distinct_words(staged: Staged, matches: Matches | None, database: Database) -> Iterator[pa.RecordBatch]:
    """Yield the words that are not in `matches` by key and what is asked, each with its first row."""
    columns, keys = _STAGED.names, ["key", "word", "row"]
    return _distinct(
        database.ordered([staged.words_file], columns, keys, _ROWS, without=None if matches is None else matches.file)
    )


def _distinct(ordered: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Keep the first of equal words in batches sorted by `key` and `word`."""
    before: pa.RecordBatch | None = None
    for batch in ordered:
        if not len(batch):
            continue
        same = np.ones(len(batch), np.bool_)
        for name in ("key", "word"):
            column = batch[name]
            same[1:] &= pc.equal(column[1:], column[:-1]).to_numpy(zero_copy_only=False)
            same[0] &= before is not None and column[0] == before[name][0]
        before = batch.slice(len(batch) - 1)
        yield batch.filter(pa.array(~same))


def _tables(ordered: Iterable[pa.RecordBatch], keys: Keys, fewest: int, most: int) -> Iterator[pa.Table]:
    """Cut sorted words into tables of schema `WORDS`: the first ones of `fewest` words, none of more than `most`."""
    held: list[pa.RecordBatch] = []
    count = done = 0
    for batch in ordered:
        held.append(batch)
        count += len(batch)
        while count >= (words := min(most, max(fewest, done // _SHARE))):
            table = pa.Table.from_batches(held)
            yield _words(table.slice(0, words), keys)
            held, count, done = table.slice(words).to_batches(), count - words, done + words
    if count:
        yield _words(pa.Table.from_batches(held), keys)


def _words(ordered: pa.Table, keys: Keys) -> pa.Table:
    lang, src_bytes = keys.read(ordered["key"].combine_chunks())
    words = unpacked(ordered["word"].combine_chunks())
    columns = {"row": ordered["row"], "lang": lang, "word": words.word, "src_bytes": src_bytes}
    odd = {"asked": words.asked, "doubt": words.doubt}
    return pa.table(columns | {name: column for name, column in odd.items() if column.null_count < len(column)})


def _pieces(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    held: list[pa.RecordBatch] = []
    for batch in batches:
        held.append(batch)
        if sum(part.nbytes for part in held) >= _PIECE_BYTES:
            yield pa.Table.from_batches(held)
            held = []
    if held:
        yield pa.Table.from_batches(held)
