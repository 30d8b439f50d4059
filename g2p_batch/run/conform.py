"""Rows of a lexicon fitted to a format: given phones, and parted from what the format cannot hold."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from g2p_batch.counts import counted
from g2p_batch.formats.kind import Format
from g2p_batch.formats.lexicon import LEXICON, OWN, REVIEW, WriteOptions
from g2p_batch.formats.word_lines import by_word
from g2p_batch.phones import PhoneSet, Segmented, Style, Unified, Unknown, coverage, restyle, segment
from g2p_batch.words.filter import REJECTS


@dataclass(frozen=True)
class Phonetics:
    """How phones are made, and what they are checked against.

    Attributes:
        style: how pronunciations become phones.
        asked: whether phones are wanted where a format can do without.
        phone_set: phones that an acoustic model has.
        named: what of the style was asked for by its name.
        given_stay: whether phones that rows came with are in the user's own alphabet, and stay as they are.
    """

    style: Style = field(default_factory=Style)
    asked: bool = False
    phone_set: PhoneSet | None = None
    named: frozenset[str] = frozenset()
    given_stay: bool = False


@dataclass(frozen=True)
class Unwanted:
    """Answers of a model that are not to be in a lexicon.

    Attributes:
        statuses: of words that are left out.
        min_logprob: least log-probability of a pronunciation that is not.
    """

    statuses: tuple[str, ...] = ()
    min_logprob: float | None = None

    def reason(self, rows: pa.RecordBatch) -> pa.Array:
        """Return for each of N rows null, or its status or `LOW_LOGPROB` where it is not wanted; string [N]."""
        reason = pa.nulls(len(rows), pa.string())
        if self.min_logprob is not None:
            is_low = pc.fill_null(pc.less(rows["logprob"], self.min_logprob), False)
            reason = pc.if_else(is_low, LOW_LOGPROB, reason)
        if self.statuses:
            reason = pc.if_else(pc.is_in(rows["status"], pa.array(self.statuses)), rows["status"], reason)
        return pc.if_else(pc.is_in(rows["source"], OWN), reason, pa.scalar(None, pa.string()))


@dataclass
class Losses:
    """What fitting met, over all rows."""

    refused: Counter[str] = field(default_factory=Counter)
    """Words that the format cannot hold, by reason."""
    variants: Counter[str] = field(default_factory=Counter)
    """Variants that it cannot hold, of words of which it holds another, by reason."""
    unknown: Unknown = field(default_factory=Counter)
    """Symbols that are not IPA, by language and symbol."""
    unified: Unified = field(default_factory=Counter)
    """Ways of writing a sound that gave way to others, by language, the one and the other."""
    outside: Counter[str] = field(default_factory=Counter)
    """Phones that are not in the set to check against."""
    outside_rows: int = 0
    """Rows with any of these."""


def _each_once(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Make one of the variants of a word that have the same phones, a model's with the sum of their probabilities.

    Args:
        batch: rows of schema `LEXICON`; those of a word are adjacent, and best first.
    """
    if batch["phones"].null_count or not pc.any(pc.greater(batch["rank"], 1)).as_py():
        return batch
    said = pc.binary_join(batch["phones"], "\x1f").dictionary_encode().indices.to_numpy()
    row = batch["input_row"].to_numpy()
    is_model = pc.is_in(batch["source"], OWN).to_numpy(zero_copy_only=False)
    # What a lexicon says is nobody's to change: each of its rows is by itself.
    alone = np.where(is_model, 0, np.arange(1, len(batch) + 1))
    _, first, group = np.unique(np.stack([row, said, alone]), axis=1, return_index=True, return_inverse=True)
    if len(first) == len(batch):
        return batch
    logprob = batch["logprob"].to_numpy(zero_copy_only=False).astype(np.float64)
    total = np.full(len(first), -np.inf)
    known = ~np.isnan(logprob)  # a dictionary has none
    np.logaddexp.at(total, group.reshape(-1)[known], logprob[known])
    once = np.bincount(group.reshape(-1)) == 1
    total = np.where(once, logprob[first], total)
    # By word as they came, the most probable first, equals as they came.
    word = np.cumsum(np.diff(row, prepend=row[0]) != 0)[first]
    order = np.lexsort((first, np.where(np.isfinite(total), -total, -np.inf), word))
    kept, word = batch.take(pa.array(first[order])), word[order]
    summed = total[order].astype(np.float32)
    rank = np.arange(len(word)) - np.searchsorted(word, word) + 1
    changed = {
        "rank": pa.array(rank.astype(np.int8)),
        "logprob": pa.array(summed, mask=~np.isfinite(summed)),
    }
    return pa.record_batch([changed.get(name, kept[name]) for name in LEXICON.names], schema=LEXICON)


LOW_LOGPROB = "low_logprob"
"""Why a pronunciation is left out that the model is less sure of than its user wants."""

_NOTHING_LOST = pa.RecordBatch.from_pylist([], REJECTS)


class Conformer:
    """Fits a stream of rows to a format, and keeps what is lost, and what is to be looked at, in temporary files."""

    def __init__(
        self,
        lexicon_format: Format,
        options: WriteOptions,
        phonetics: Phonetics,
        unwanted: Unwanted,
        scratch: Path,
    ) -> None:
        self._format, self._options, self._phonetics, self._unwanted = lexicon_format, options, phonetics, unwanted
        self._refused, self._doubtful = scratch / "refused", scratch / "doubtful"
        self._repeated = None if lexicon_format.repeats is None else lexicon_format.repeats()
        self.losses = Losses()

    def rows(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield the rows that the format holds, of schema `LEXICON`.

        Args:
            batches: rows of that schema; those of a word are adjacent and have the same `input_row`.
        """
        with (
            pq.ParquetWriter(self._refused, REJECTS, compression="lz4") as refused,
            pq.ParquetWriter(self._doubtful, REVIEW, compression="lz4") as doubtful,
        ):
            for batch in by_word(batches):
                wanted, unwanted = self._parted(batch, self._unwanted.reason(batch))
                if not len(wanted):
                    refused.write_batch(unwanted)
                    continue
                spoken = _each_once(self._with_phones(wanted))
                held, lost = self._parted(spoken, self._reason(spoken))
                for rejects in (unwanted, lost):
                    if len(rejects):
                        refused.write_batch(rejects)
                to_check = held.filter(pc.not_equal(held["status"], "ok"))
                if len(to_check):
                    columns = [to_check[name] for name in REVIEW.names]
                    doubtful.write_batch(pa.record_batch(columns, schema=REVIEW))
                yield held

    def refused(self) -> Iterator[pa.RecordBatch]:
        """Yield the words of which no variant is wanted, or the format holds none, when `rows` came to its end."""
        with pq.ParquetFile(self._refused) as file:
            yield from file.iter_batches()

    def doubtful(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows whose status is not `ok` (`REVIEW`), when `rows` has come to its end."""
        with pq.ParquetFile(self._doubtful) as file:
            yield from file.iter_batches()

    def _with_phones(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Fill in phones where the format writes them or they are asked for."""
        phonetics = self._phonetics
        wanted = self._format.phones == "written" or phonetics.asked
        if not wanted and phonetics.phone_set is None:
            return batch
        phones = self._phones(batch)
        if phonetics.phone_set is not None:
            covered = coverage(phones, phonetics.phone_set)
            self.losses.outside.update(covered.outside)
            self.losses.outside_rows += pc.sum(covered.rows).as_py() or 0
        if not wanted:
            return batch
        columns = {"phones": phones} | ({"pron": pc.binary_join(phones, "")} if self._format.phones == "joined" else {})
        return pa.record_batch([columns.get(name, batch[name]) for name in LEXICON.names], schema=LEXICON)

    def _phones(self, batch: pa.RecordBatch) -> pa.Array:
        """Return phones in the style: those that rows came with, and for the others those of their pronunciations."""
        style = self._phonetics.style
        is_given = batch["phones"].is_valid().to_numpy(zero_copy_only=False)
        said, given = np.flatnonzero(~is_given), np.flatnonzero(is_given)
        if not len(given):
            return self._counted(segment(batch["pron"], batch["lang"], style))
        rows, told = batch.take(pa.array(said)), batch.take(pa.array(given))
        stay = self._phonetics.given_stay
        kept = Segmented(told["phones"]) if stay else restyle(told["phones"], told["lang"], style)
        both = (segment(rows["pron"], rows["lang"], style), kept)
        order = np.argsort(np.concatenate([said, given]))
        return pa.concat_arrays([*map(self._counted, both)]).take(pa.array(order))

    def _counted(self, done: Segmented) -> pa.Array:
        self.losses.unknown.update(done.unknown)
        self.losses.unified.update(done.unified)
        return done.phones

    def _parted(self, batch: pa.RecordBatch, reason: pa.Array) -> tuple[pa.RecordBatch, pa.RecordBatch]:
        """Return the rows without a `reason` [N] against them, and the words of which no row is so (`REJECTS`)."""
        if reason.null_count == len(batch):
            return batch, _NOTHING_LOST
        held = reason.is_null()
        kept = pc.is_in(batch["input_row"], batch["input_row"].filter(held))
        lost = pc.invert(kept)
        rows = [column.filter(lost) for column in (batch["input_row"], batch["lang"], batch["word"], reason)]
        first = np.unique(rows[0].to_numpy(), return_index=True)[1]
        refused = pa.record_batch(rows, schema=REJECTS).take(pa.array(first))
        self.losses.variants.update(counted(reason.filter(pc.and_(reason.is_valid(), kept))))
        self.losses.refused.update(counted(refused["reason"]))
        return batch.filter(held), refused

    def _reason(self, batch: pa.RecordBatch) -> pa.Array:
        """Return for each of N rows null, or the reason why the format cannot hold it."""
        reason = self._format.refuse(batch, self._options)
        if self._repeated is None:
            return reason
        held = reason.is_null()
        return pc.replace_with_mask(reason, held, self._repeated(batch.filter(held), self._options))
