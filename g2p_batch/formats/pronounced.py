"""Words to rows of the lexicon: what the model's dictionary has of them, and for the others what the model says."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from g2p_batch.formats.lexicon import dictionary_entries, entries, variant_entries
from g2p_batch.model.contract import Contract
from g2p_batch.model.greedy import Engine, Indices
from g2p_batch.model.nbest import Search
from g2p_batch.model.progress import Progress
from g2p_batch.words.asking import ask, ask_variants
from g2p_batch.words.dictionary import Dictionary


@dataclass(frozen=True)
class Speaker:
    """What pronounces words.

    Attributes:
        contract: the model's contract.
        engines: makes an engine, as `pronounce` says.
        workers: most threads, at least 1.
        search: what to look for, where several pronunciations of a word are wanted.
        dictionary: of the model, if it is asked first.
    """

    contract: Contract
    engines: Callable[[], Engine]
    workers: int
    search: Search | None = None
    dictionary: Dictionary | None = None

    def rows(self, words: pa.Table, progress: Progress) -> tuple[pa.RecordBatch, Indices]:
        """Pronounce N distinct words of schema `filter.WORDS`.

        Args:
            words: the words.
            progress: is told how far the decoding is, in words; of what a dictionary has it hears nothing.

        Returns:
            Rows of schema `LEXICON`, and of each the place of its word, rising.

        Raises:
            ArtifactError: as `ask` and `ask_variants` say.
        """
        if self.dictionary is None:
            return self._of_model(words, progress)
        found = self.dictionary.find(words)
        if not found.held.any():
            return self._of_model(words, progress)
        rest = np.flatnonzero(~found.held)
        said = dictionary_entries(words, found)
        if not len(rest):
            return said, found.word
        decoded, word = self._of_model(words.take(pa.array(rest)), progress)
        words_of = np.concatenate([found.word, rest[word]])
        order = np.argsort(words_of, kind="stable")
        (rows,) = pa.Table.from_batches([said, decoded]).take(pa.array(order)).combine_chunks().to_batches()
        return rows, words_of[order]

    def _of_model(self, words: pa.Table, progress: Progress) -> tuple[pa.RecordBatch, Indices]:
        if self.search is None:
            answers = ask(words, self.contract, self.engines, self.workers, progress)
            return entries(words, answers), np.arange(len(words))
        found = ask_variants(words, self.contract, self.engines, self.workers, progress, self.search)
        return variant_entries(words, found), found.word
