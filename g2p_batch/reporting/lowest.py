"""The words with the lowest scores, of any number of words."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

COLUMNS = ("lang", "word", "pron", "logprob", "status")

_ORDER = [("logprob", "ascending"), ("lang", "ascending"), ("word", "ascending")]


class Lowest:
    """Keeps the lowest-scored words of each language; ties go by language and word, so that the order of adding tells
    nothing.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: dict[str, pa.Table] = {}

    def add(self, rows: pa.Table) -> None:
        """Take in rows of schema `LEXICON`; those without a finite score are passed over."""
        rows = rows.select(COLUMNS).filter(pc.is_finite(rows["logprob"]))
        langs = rows["lang"].combine_chunks().dictionary_encode()
        limits = np.array([self._limit(tag) for tag in langs.dictionary.to_pylist()], np.float32)
        rows = rows.filter(pa.array(rows["logprob"].to_numpy() <= limits[langs.indices.to_numpy()]))
        for tag in rows["lang"].unique().to_pylist():
            new = rows.filter(pc.equal(rows["lang"], tag))
            self._kept[tag] = self._least(pa.concat_tables([new, *self._of(tag)]))

    def of(self, tag: str) -> pa.Table:
        """Return the lowest of one language, of the columns `COLUMNS`, the lowest first."""
        return next(iter(self._of(tag)), _NONE)

    def overall(self) -> pa.Table:
        """Return the lowest of all languages, of the columns `COLUMNS`, the lowest first."""
        return self._least(pa.concat_tables([_NONE, *self._kept.values()]))

    @property
    def kept(self) -> int:
        """How many words are held."""
        return sum(map(len, self._kept.values()))

    def _of(self, tag: str) -> list[pa.Table]:
        return [self._kept[tag]] if tag in self._kept else []

    def _limit(self, tag: str) -> float:
        """Return the score above which a word of a language is not wanted."""
        kept = self.of(tag)
        return kept["logprob"][self._most - 1].as_py() if len(kept) == self._most else np.inf

    def _least(self, rows: pa.Table) -> pa.Table:
        # Taken, not sliced: a slice would keep all rows in memory.
        return rows.take(pc.sort_indices(rows, _ORDER)[: self._most])


_NONE = pa.schema(
    [
        pa.field("lang", pa.string(), nullable=False),
        pa.field("word", pa.string(), nullable=False),
        pa.field("pron", pa.string(), nullable=False),
        pa.field("logprob", pa.float32()),
        pa.field("status", pa.string(), nullable=False),
    ]
).empty_table()
