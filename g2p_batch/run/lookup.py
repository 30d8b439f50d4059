"""Existing lexicons and earlier runs: what they say of a word comes before what a model would."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from g2p_batch.errors import RunError
from g2p_batch.formats.existing import ExistingLexicon
from g2p_batch.formats.lexicon import OWN
from g2p_batch.model.progress import Say
from g2p_batch.run.packed_words import MARK, packed
from g2p_batch.run.run_directory import PLAN, RunDir
from g2p_batch.run.sort_key import Keys
from g2p_batch.storage.database import Database
from g2p_batch.storage.locations import Location
from g2p_batch.storage.publish import writing
from g2p_batch.storage.tables import decoded
from g2p_batch.words.filter import WordFilter
from g2p_batch.words.wordlist import ROWS

_ANSWER_COLUMNS = pa.schema(
    [
        ("pron", pa.string()),
        ("phones", pa.list_(pa.string())),
        ("logprob", pa.float32()),
        ("source", pa.string()),
        ("status", pa.string()),
        ("asked", pa.string()),
    ]
)
"""What is said of a word, as the columns of `LEXICON` have it."""

_ENTRIES = pa.schema(
    [("order", pa.int64()), ("lexicon", pa.int16()), ("key", pa.int64()), ("word", pa.string()), *_ANSWER_COLUMNS]
)


def _answers(lexicon: ExistingLexicon, lang: str | None, say: Say) -> Iterator[pa.RecordBatch]:
    """Read `word`, `lang` and the columns of `_ANSWER_COLUMNS` of a lexicon, as `ExistingLexicon.entries` does."""
    for batch in lexicon.entries(lang, say):
        yield pa.record_batch(
            {
                **{name: batch[name] for name in ("word", "lang", "pron", "phones")},
                "logprob": _logarithm(batch["prob"]),
                "source": pa.repeat("lexicon", len(batch)),
                "status": pa.repeat("ok", len(batch)),
                "asked": pa.nulls(len(batch), pa.string()),
            }
        )


def _logarithm(prob: pa.Array) -> pa.Array:
    """Return the logarithm of probabilities, null where there is none."""
    return pc.ln(pc.if_else(pc.greater(prob, 0), prob, None))


@dataclass(frozen=True)
class EarlierRun:
    """A run whose answers count as if the model were asked again; what is not done of it is not there."""

    root: Location

    @property
    def files(self) -> list[Location]:
        """The file that tells which run it is."""
        return [self.root / PLAN]

    def require_same(self, options: Mapping[str, Any]) -> None:
        """Check that the model would give the same answers.

        Args:
            options: of the run that asks, by the names that its user knows.

        Raises:
            RunError: another model, another option, or no run.
        """
        planned = RunDir(self.root).require_plan().fingerprint.options
        for name, now in options.items():
            if planned.get(name) != now:
                raise RunError(
                    f"--since-run {self.root} was planned with {name} {planned.get(name)}, now it is {now}: leave it "
                    "out, since its answers may differ"
                )

    def answers(self) -> Iterator[pa.RecordBatch]:
        """Read `word`, `lang` and the columns of `_ANSWER_COLUMNS` of all that the model has answered.

        Words that the run has of a run before it are among them, those of lexicons are not: they count where they are
        given.

        Raises:
            RunError: data is damaged.
        """
        run = RunDir(self.root)
        plan = run.require_plan()
        parts = [receipt.part for _, receipt in sorted(run.receipts(plan).items())]
        for content in (*plan.looked_up, *parts):
            data = run.whole(content)
            if data is None:
                raise RunError(
                    f"{self.root / content.file} is missing or damaged: mend the run with `g2p-batch merge` and "
                    "`g2p-batch run`, or leave out --since-run"
                )
            rows = decoded(data)
            yield from rows.filter(pc.is_in(rows["source"], OWN)).to_batches()


WAYS = ("exactly", "by case", "as asked")
"""How a word is found: the same, in other case, or spelt otherwise and asked the same."""


@dataclass(frozen=True)
class Matches:
    """Words of word lists that lexicons or an earlier run hold.

    Attributes:
        file: Parquet of `row`, `key` and packed `word`, and of the entry's.
        entries: what is told of entries, for `Database.look_up`.
        ways: words by how they were found, of `WAYS`.
        notes: what to tell of lexicons that gave no word.
    """

    file: Path
    entries: Path
    ways: Mapping[str, int]
    notes: tuple[str, ...]


def match_words(
    words: Path,
    entries: Path,
    holders: Sequence[ExistingLexicon | EarlierRun],
    keys: Keys,
    database: Database,
    scratch: Path,
) -> Matches:
    """Look words up; an earlier run answers for its own words alone, since a model may say others otherwise.

    Args:
        words: Parquet of `row`, `key` and packed `word`.
        entries: what `stage_entries` made of the lexicons.
        holders: the lexicons, and behind them the earlier run if there is one.
        keys: of both.
        database: finds them.
        scratch: a folder for files.

    Raises:
        OutputError: neither memory nor disk hold what is needed.
    """
    file = scratch / "matches"
    loose = sum(isinstance(holder, ExistingLexicon) for holder in holders)
    counts = database.match(words, entries, loose, keys.language, MARK, file)
    ways = {WAYS[way]: sum(words for _, how, words in counts if how == way) for way in range(len(WAYS))}
    giving = {number for number, _, _ in counts}
    useless = [holder for number, holder in enumerate(holders[:loose]) if number not in giving]
    notes = [f"--lexicon {holder} holds none of the words: check its language, and its format" for holder in useless]
    return Matches(file, entries, {way: words for way, words in ways.items() if words}, tuple(notes))


def stage_entries(
    lexicons: Sequence[ExistingLexicon | EarlierRun],
    lang: str | None,
    words: WordFilter,
    database: Database,
    scratch: Path,
    say: Say = lambda _: None,
) -> Path:
    """Write the entries of lexicons and earlier runs to a file, prepared as words are, so that they can be looked up.

    Args:
        lexicons: at least one; the first that holds a word is the one that counts.
        lang: language of lexicons that neither name languages nor were given one.
        words: parts the rows of word lists; it learns here which words they hold that no model need be asked.
        database: finds the first lexicon that holds a word.
        scratch: a folder for files.
        say: is told what is to know of lexicons.

    Returns:
        The file, for `match_words`.

    Raises:
        InputError: nothing tells the language of a lexicon.
        InputError: a lexicon cannot be read.
        RunError: data of an earlier run is damaged.
        OutputError: the disk does not hold the entries.
    """
    keys, into, first = Keys(words.contract), scratch / "entries", scratch / "first-entries"
    rows_before = 0
    with writing(into), pq.ParquetWriter(into, _ENTRIES, compression="lz4", use_dictionary=False) as file:
        for number, holder in enumerate(lexicons):
            answers = _answers(holder, lang, say) if isinstance(holder, ExistingLexicon) else holder.answers()
            for batch in answers:
                rows = np.arange(len(batch))
                unread = pa.nulls(len(batch), pa.string())
                good = words.of_lexicon(pa.record_batch([rows, batch["word"], batch["lang"], unread], schema=ROWS))
                key = keys.of(good["lang"], good["src_bytes"])
                columns = [batch[name].take(good["row"]) for name in _ANSWER_COLUMNS.names]
                order = pc.add(good["row"], rows_before)
                lexicon = np.full(len(good), number, np.int16)
                entries = [order, lexicon, key, packed(good), *columns]
                file.write_batch(pa.record_batch(entries, schema=_ENTRIES))
                rows_before += len(batch)
    database.first_variants(into, first)
    return first
