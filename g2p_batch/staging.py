"""From rows to a plan: each word once, in the order of decoding, cut into shards; in bounded memory."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from g2p_batch.contract import Contract
from g2p_batch.database import Database
from g2p_batch.parquet import encoded
from g2p_batch.publish import writing
from g2p_batch.report import counted, ranked
from g2p_batch.rundir import WORDS_FOLDER, Content, RunDir, Shard, shard_name
from g2p_batch.screen import REJECTS, WORDS, Normalize, screen

SHARD_WORDS = 65536

_FEWEST_WORDS = 512
"""Smaller shards cost more to commit than they save."""
_SHARE = 32
"""A shard holds at most one word for so many before it. The first ones, done last, are small: several workers have
work to the end."""

_LENGTH_STEP = 16
"""Words whose lengths in bytes lie in the same step are planned together, whatever their language."""
_ROWS = 65536
_PIECE_BYTES = 1 << 25
"""Rejects are stored in pieces of about this size."""

_STAGED = pa.schema([("row", pa.int64()), ("key", pa.int64()), ("word", pa.string())])


@dataclass(frozen=True)
class Staged:
    """Rows that were screened, in temporary files."""

    rows_in: int
    words: int
    """Rows to pronounce, duplicates among them."""
    rejects: Mapping[str, int]
    """Rows by reason."""
    words_file: Path
    """Parquet of `row`, `key` and `word`."""
    rejects_file: Path
    """Parquet of schema `screen.REJECTS`."""

    def rejected(self) -> Iterator[pa.RecordBatch]:
        """Read the rejected rows, in their order."""
        with pq.ParquetFile(self.rejects_file) as file:
            yield from file.iter_batches(_ROWS)


@dataclass(frozen=True)
class Cut:
    """Stored words and rejects."""

    words: int
    languages: Mapping[str, int]
    """Words by language."""
    shards: tuple[Shard, ...]
    rejected: tuple[Content, ...]
    """Pieces of schema `screen.REJECTS`, in the order of rows."""


class _Keys:
    """Language and length as one number that sorts by length step, then language, then length."""

    def __init__(self, contract: Contract) -> None:
        self._tags = pa.array(sorted(contract.languages), pa.string())
        self._lengths = contract.max_source_bytes + 1

    def of(self, lang: pa.Array, src_bytes: pa.Array) -> pa.Array:
        """Return the keys of N words, int64."""
        codes = pc.index_in(lang, self._tags).to_numpy().astype(np.int64)
        lengths = src_bytes.to_numpy().astype(np.int64)
        steps = (lengths - 1) // _LENGTH_STEP
        return pa.array((steps * len(self._tags) + codes) * self._lengths + lengths)

    def read(self, key: pa.Array) -> tuple[pa.Array, pa.Array]:
        """Return language and src_bytes of N keys."""
        keys = key.to_numpy()
        langs = self._tags.take(pa.array(keys // self._lengths % len(self._tags)))
        return langs, pa.array((keys % self._lengths).astype(np.int32))


def stage(batches: Iterable[pa.RecordBatch], contract: Contract, normalize: Normalize, scratch: Path) -> Staged:
    """Screen rows and write them to temporary files.

    Args:
        batches: rows of schema `wordlist.ROWS`, by rising `row`.
        contract: says which languages and lengths the model takes.
        normalize: how words are prepared.
        scratch: a folder for the files.

    Raises:
        OutputError: the disk does not hold them.
    """
    keys = _Keys(contract)
    words_file, rejects_file = scratch / "words", scratch / "rejects"
    rows_in = words = 0
    rejects: Counter[str] = Counter()
    with (
        writing(scratch),
        pq.ParquetWriter(words_file, _STAGED, compression="lz4", use_dictionary=False) as good_file,
        pq.ParquetWriter(rejects_file, REJECTS, compression="lz4") as bad_file,
    ):
        for batch in batches:
            good, bad = screen(batch, contract, normalize)
            rows_in += len(batch)
            words += len(good)
            key = keys.of(good["lang"], good["src_bytes"])
            good_file.write_batch(pa.record_batch([good["row"], key, good["word"]], schema=_STAGED))
            if len(bad):
                rejects.update(counted(bad["reason"]))
                bad_file.write_batch(bad)
    return Staged(rows_in, words, ranked(rejects), words_file, rejects_file)


def cut(staged: Staged, contract: Contract, shard_words: int, run: RunDir, database: Database) -> Cut:
    """Store staged words as shards, each word once, and the rejected rows.

    A shard is the next so many words of one list, which is sorted by steps of length, language, length and bytes: it
    holds words of like length, of one language where there are enough of it.

    Args:
        staged: what `stage` returned.
        contract: the same that `stage` was given.
        shard_words: most words of a shard.
        run: where shards and rejects are stored.
        database: sorts.

    Raises:
        OutputError: neither memory nor disk hold the words.
    """
    keys = _Keys(contract)
    ordered = database.ordered([staged.words_file], _STAGED.names, ["key", "word", "row"], _ROWS)
    shards: list[Shard] = []
    languages: Counter[str] = Counter()
    for table in _tables(_distinct(ordered), keys, shard_words):
        languages.update(counted(table["lang"]))
        data = run.put_content(WORDS_FOLDER, shard_name(len(shards)), ".parquet", encoded(table))
        shards.append(Shard(len(table), data))
    rejected = [
        run.put_content(WORDS_FOLDER, f"rejected-{number:06d}", ".parquet", encoded(piece))
        for number, piece in enumerate(_pieces(staged.rejected()))
    ]
    return Cut(sum(languages.values()), ranked(languages), tuple(shards), tuple(rejected))


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


def _tables(ordered: Iterable[pa.RecordBatch], keys: _Keys, most: int) -> Iterator[pa.Table]:
    """Cut sorted words into tables of schema `WORDS`, of at most so many words."""
    held: list[pa.RecordBatch] = []
    count = done = 0
    for batch in ordered:
        held.append(batch)
        count += len(batch)
        while count >= (words := min(most, max(_FEWEST_WORDS, done // _SHARE))):
            table = pa.Table.from_batches(held)
            yield _words(table.slice(0, words), keys)
            held, count, done = table.slice(words).to_batches(), count - words, done + words
    if count:
        yield _words(pa.Table.from_batches(held), keys)


def _words(ordered: pa.Table, keys: _Keys) -> pa.Table:
    lang, src_bytes = keys.read(ordered["key"].combine_chunks())
    return pa.table([ordered["row"], lang, ordered["word"], src_bytes], schema=WORDS)


def _pieces(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    held: list[pa.RecordBatch] = []
    for batch in batches:
        held.append(batch)
        if sum(part.nbytes for part in held) >= _PIECE_BYTES:
            yield pa.Table.from_batches(held)
            held = []
    if held:
        yield pa.Table.from_batches(held)
