"""What a lexicon holds, counted while it is written."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from g2p_batch.counts import counted
from g2p_batch.formats.lexicon import DICTIONARY, OWN


@dataclass
class LexiconTally:
    """The words of a lexicon, each counted once whatever its variants."""

    words: int = 0
    languages: Counter[str] = field(default_factory=Counter)
    """Words by language."""
    statuses: Counter[str] = field(default_factory=Counter)
    """Words whose pronunciation is a model's, or of its dictionary, by status."""
    of_dictionary: int = 0
    """Words whose pronunciation is of the model's dictionary."""

    def counting(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield rows of schema `LEXICON` as they come, and count them.

        Args:
            batches: rows; those of a word are adjacent, in one batch, and have the same `input_row`.
        """
        for batch in batches:
            rows = batch["input_row"].to_numpy()
            first = np.ones(len(rows), np.bool_)
            first[1:] = rows[1:] != rows[:-1]
            words = batch if first.all() else batch.filter(pa.array(first))
            self.words += len(words)
            self.languages.update(counted(words["lang"]))
            self.of_dictionary += pc.equal(words["source"], DICTIONARY).true_count
            of_model = pc.is_in(words["source"], OWN)
            is_ok = pc.and_(of_model, pc.equal(words["status"], "ok"))
            doubtful = words["status"].filter(pc.and_not(of_model, is_ok))  # counting names is dear, and most are ok
            self.statuses.update({"ok": is_ok.true_count} | counted(doubtful))
            yield batch
