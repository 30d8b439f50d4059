"""Figures of the words of a run, taken from its parts one by one; no word is kept but the lowest-scored."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from g2p_batch.counts import counted
from g2p_batch.evaluation.calibration import mean_logprob
from g2p_batch.reporting.histogram import Histogram
from g2p_batch.reporting.lowest import Lowest

LISTED = 50
"""Lowest-scored words that are kept of each language."""
_LOOP = "repeated"
"""The status of words whose answer goes round in circles."""
LONGEST = 256
"""Longer words and pronunciations count as this long."""


@dataclass(frozen=True)
class WordTally:
    """What parts hold.

    Attributes:
        words: words by language, one for all its variants.
        doubtful: those whose status is not `ok`, by language.
        scored: those with a finite score, by language.
        score: sum of their scores by language.
        sums: log-probabilities of whole pronunciations.
        means: the same over their characters.
        word_lengths: words by characters.
        pron_lengths: pronunciations by characters.
        lowest: the lowest-scored words but loops, which would fill every list.
        looping: words whose answer goes round in circles, by language.
        loops: the lowest-scored of them.
    """

    words: Counter[str] = field(default_factory=Counter)
    doubtful: Counter[str] = field(default_factory=Counter)
    scored: Counter[str] = field(default_factory=Counter)
    score: Counter[str] = field(default_factory=Counter)
    sums: Histogram = field(default_factory=lambda: Histogram(-200.0, 0.01, 20_000))
    means: Histogram = field(default_factory=lambda: Histogram(-20.0, 0.001, 20_000))
    word_lengths: Histogram = field(default_factory=lambda: Histogram(0.0, 1.0, LONGEST + 1))
    pron_lengths: Histogram = field(default_factory=lambda: Histogram(0.0, 1.0, LONGEST + 1))
    lowest: Lowest = field(default_factory=lambda: Lowest(LISTED))
    looping: Counter[str] = field(default_factory=Counter)
    loops: Lowest = field(default_factory=lambda: Lowest(LISTED))

    def add(self, rows: pa.Table) -> None:
        """Count the rows of one part, of schema `formats.lexicon.LEXICON`."""
        words = rows.filter(pc.equal(rows["rank"], 1))
        self.words.update(counted(words["lang"]))
        self.doubtful.update(counted(words.filter(pc.not_equal(words["status"], "ok"))["lang"]))
        self.word_lengths.add(_floats(pc.utf8_length(words["word"])))
        self.pron_lengths.add(_floats(pc.utf8_length(rows["pron"])))
        scored = words.filter(pc.and_(pc.equal(words["source"], "model"), pc.is_finite(words["logprob"])))
        self._add_scores(scored)
        loops = pc.equal(scored["status"], _LOOP)
        self.lowest.add(scored.filter(pc.invert(loops)))
        self.loops.add(scored.filter(loops))
        self.looping.update(counted(scored.filter(loops)["lang"]))

    def _add_scores(self, scored: pa.Table) -> None:
        self.sums.add(_floats(scored["logprob"]))
        self.means.add(_floats(mean_logprob(scored["logprob"], pc.utf8_length(scored["pron"]))))
        by_language = scored.group_by("lang").aggregate([("logprob", "sum"), ("logprob", "count")])
        for row in by_language.to_pylist():
            self.scored[row["lang"]] += row["logprob_count"]
            self.score[row["lang"]] += row["logprob_sum"]


def _floats(column: pa.ChunkedArray) -> npt.NDArray[np.float64]:
    values: npt.NDArray[np.float64] = column.cast(pa.float64()).to_numpy()
    return values
