"""Words to answers: each text that a model is asked once, and the answers of words from those of their parts."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from math import inf, log

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from g2p_batch.model.contract import Contract
from g2p_batch.model.greedy import Engine
from g2p_batch.model.nbest import Search
from g2p_batch.model.progress import Progress
from g2p_batch.model.threaded import Answers, Variants, pronounce, pronounce_variants
from g2p_batch.words.filter import Indices, distinct
from g2p_batch.words.spelling import SEPARATOR


@dataclass(frozen=True)
class Texts:
    """What a model is asked for N words.

    Attributes:
        table: T distinct texts of a language each, as columns `word`, `lang` and `src_bytes`, which counts the prefix.
        which: [P], the text of each part, those of a word after those of another.
        starts: [N + 1], where the parts of each word begin.
    """

    table: pa.Table
    which: Indices
    starts: Indices


def texts_of(words: pa.Table, contract: Contract) -> Texts:
    """Return the texts that are asked for words [N] of schema `filter.WORDS`."""
    asked = _whole(pc.coalesce(words["asked"], words["word"]))
    parts = pc.split_pattern(asked, SEPARATOR)
    starts = parts.offsets.to_numpy().astype(np.int64)
    langs = _whole(words["lang"]).take(pc.list_parent_indices(parts)).dictionary_encode()
    text = parts.flatten()
    first, which = distinct({"lang": langs, "word": text})
    at = pa.array(first)
    text, langs = text.take(at), langs.take(at)
    prefixes = pa.array([len(contract.prefix_for(tag).encode()) for tag in langs.dictionary.to_pylist()], pa.int32())
    src_bytes = pc.add(pc.binary_length(text), prefixes.take(langs.indices))
    table = pa.table({"word": text, "lang": langs.cast(pa.string()), "src_bytes": src_bytes})
    return Texts(table, which, starts - starts[0])


def ask(
    words: pa.Table, contract: Contract, engines: Callable[[], Engine], workers: int, progress: Progress
) -> Answers:
    """Pronounce words.

    A word of several parts has their pronunciations end to end and the sum of their log-probabilities; it is truncated,
    and so on, where any of them is.

    Args:
        words: N distinct words of schema `filter.WORDS`.
        contract: the model's contract.
        engines: makes an engine, as `pronounce` says.
        workers: most threads, at least 1.
        progress: is told how far the decoding is, in words.

    Returns:
        N answers in the order of `words`.

    Raises:
        ArtifactError: the engines are too short for the contract.
    """
    if words["asked"].null_count == len(words):
        return pronounce(words, contract, engines, workers, progress)
    texts = texts_of(words, contract)
    told = _InWords(progress, len(words), len(texts.table))
    parts = pronounce(texts.table, contract, engines, workers, told).take(texts.which)
    return parts if len(parts.pron) == len(words) else _joined(parts, texts.starts)


def ask_variants(
    words: pa.Table,
    contract: Contract,
    engines: Callable[[], Engine],
    workers: int,
    progress: Progress,
    search: Search,
) -> Variants:
    """Find the most probable pronunciations of words, as `ask` asks for them.

    A word of several parts has those of its parts end to end, and their probabilities multiplied.

    Raises:
        ArtifactError: the engines cannot search, or are too short for the contract.
    """
    if words["asked"].null_count == len(words):
        return pronounce_variants(words, contract, engines, workers, progress, search)
    texts = texts_of(words, contract)
    told = _InWords(progress, len(words), len(texts.table))
    found = pronounce_variants(texts.table, contract, engines, workers, told, search)
    return _combined(found, texts, search)


def _combined(found: Variants, texts: Texts, search: Search) -> Variants:
    """Return the variants of words from those of texts: the most probable combinations of the variants of its parts."""
    starts = np.searchsorted(found.word, np.arange(len(texts.table) + 1))
    rows: list[tuple[float, tuple[int, ...]]] = []
    word: list[int] = []
    for number, (begin, end) in enumerate(pairwise(texts.starts.tolist())):
        ways: list[tuple[float, tuple[int, ...]]] = [(0.0, ())]
        for text in texts.which[begin:end].tolist():
            parts = range(starts[text], starts[text + 1])
            logprob = found.answers.logprob
            both = [(score + float(logprob[part]), (*said, part)) for score, said in ways for part in parts]
            ways = sorted(both, key=lambda way: (-way[0], way[1]))[: search.variants]
        least = ways[0][0] + (log(search.min_share) if search.min_share else -inf)
        kept = [way for way in ways if way[0] >= least]
        rows += kept
        word += [number] * len(kept)
    counts = np.array([len(parts) for _, parts in rows], np.int64)
    at = np.array([part for _, parts in rows for part in parts], np.int64)
    begins = np.append(0, np.cumsum(counts))
    answers = _joined(found.answers.take(at), begins)
    words = np.array(word, np.int64)
    rank = np.arange(len(words)) - np.searchsorted(words, words) + 1
    return Variants(answers, words, rank.astype(np.int8), np.logical_and.reduceat(found.proven[at], begins[:-1]))


def _joined(parts: Answers, starts: Indices) -> Answers:
    """Join the answers of parts [P] to those of words [N], which begin at `starts` [N + 1]."""
    begins = starts[:-1]
    prons = pc.binary_join(pa.LargeListArray.from_arrays(starts, parts.pron), pa.scalar("", pa.large_string()))
    logprob = np.add.reduceat(parts.logprob, begins)
    truncated, invalid, repeated = (
        np.logical_or.reduceat(flags, begins) for flags in (parts.truncated, parts.invalid_utf8, parts.repeated)
    )
    return Answers(prons, logprob, truncated, invalid, repeated)


class _InWords:
    """Progress in texts, told in words."""

    def __init__(self, progress: Progress, words: int, texts: int) -> None:
        self._progress, self._words, self._texts = progress, words, texts
        self._texts_done = self._words_done = 0

    def start(self, total_words: int) -> None:
        self._progress.start(self._words)

    def advance(self, words: int) -> None:
        self._texts_done += words
        now = self._texts_done * self._words // self._texts
        self._progress.advance(now - self._words_done)
        self._words_done = now

    def close(self) -> None:
        self._progress.close()


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return pa.concat_arrays([pa.array([], column.type), *column.chunks])
