"""Lexicons as examples to train on: bytes of words and pronunciations, and what could not be used."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from g2p_batch.counts import listed
from g2p_batch.errors import InputError
from g2p_batch.evaluation.reference import Reference
from g2p_batch.model.alphabet import count_alphabets
from g2p_batch.model.contract import Alphabets, Contract
from g2p_batch.model.ids import BYTE_OFFSET
from g2p_batch.storage.tables import contents
from g2p_batch.words.filter import TOO_LONG, UNKNOWN_LANGUAGE
from g2p_batch.words.spelling import small_letters

UNKNOWN = "unk"
"""Stands for a tag in examples that hide theirs, as in the upstream training code."""

HELD_OUT = "held_out"
"""Why a word is not trained on: it is one of those that training is measured by."""

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Texts:
    """N strings as bytes.

    Attributes:
        data: [bytes] uint8, one string after the other.
        offsets: [N + 1] int64, where each begins.
    """

    data: npt.NDArray[np.uint8]
    offsets: Int64

    @classmethod
    def of(cls, texts: pa.Array) -> "Texts":
        """Return strings [N] without nulls."""
        offsets, data = contents(texts.cast(pa.large_string()))
        return cls(data[offsets[0] : offsets[-1]], offsets - offsets[0])

    @cached_property
    def lengths(self) -> Int64:
        """Bytes of each string, [N]."""
        return np.diff(self.offsets)

    def text(self, row: int) -> str:
        """Return a string."""
        return self.data[self.offsets[row] : self.offsets[row + 1]].tobytes().decode()

    def put(self, rows: Int64, ids: Int64, starts: Int64) -> None:
        """Write the ids of strings `rows` [B] into `ids` [B, S], each from its column of `starts` [B] on."""
        lengths = self.offsets[rows + 1] - self.offsets[rows]
        row = np.repeat(np.arange(len(rows)), lengths)
        within = np.arange(len(row)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        ids[row, starts[row] + within] = self.data[self.offsets[rows][row] + within].astype(np.int64) + BYTE_OFFSET


@dataclass(frozen=True)
class Examples:
    """N pairs of a word and one pronunciation.

    Attributes:
        tags: the K languages that there are, sorted.
        lang: [N] int32, the place of each example's language in `tags`.
        words: N words.
        prons: N pronunciations.
        prefixes: K + 1 texts that go before words: of each tag, and last the one that hides it.
    """

    tags: tuple[str, ...]
    lang: Int32
    words: Texts
    prons: Texts
    prefixes: Texts

    def __len__(self) -> int:
        return len(self.lang)

    @property
    def counts(self) -> Int64:
        """Examples of each tag, [K]."""
        return np.bincount(self.lang, minlength=len(self.tags))

    def pairs_of(self, tag: str) -> list[tuple[str, str]]:
        """Return words and pronunciations of the examples of a language."""
        rows = np.flatnonzero(self.lang == self.tags.index(tag)).tolist()
        return [(self.words.text(row), self.prons.text(row)) for row in rows]

    def digest(self) -> str:
        """Return the sha256 of all of it."""
        total = hashlib.sha256(repr(self.tags).encode())
        for part in (self.lang, *(array for texts in self._texts() for array in (texts.offsets, texts.data))):
            total.update(np.ascontiguousarray(part).tobytes())
        return total.hexdigest()

    def _texts(self) -> tuple[Texts, ...]:
        return self.words, self.prons, self.prefixes


@dataclass(frozen=True)
class TrainingLexicon:
    """What training files hold.

    Attributes:
        examples: what can be trained on.
        rows: data rows read.
        words: distinct words, of a language each, with a pronunciation.
        alphabets: characters of the words to train on.
        rejects: rows without a word and its pronunciation, by reason.
        dictionary: words with examples, as they are written, of schema `REFERENCE`.
        left_out: pronunciations that cannot be trained on, by reason; with all variants or the first of each word.
    """

    examples: Examples
    rows: int
    words: int
    alphabets: Alphabets
    dictionary: pa.Table
    rejects: Mapping[str, int]
    left_out: Mapping[str, int]


def in_small_letters(words: pa.Table) -> pa.Table:
    """Return words of schema `REFERENCE` as generation writes what an alphabet without capitals is asked.

    Words that only capitals told apart are then there several times.
    """
    words = words.combine_chunks()
    small = small_letters(words["word"].combine_chunks(), words["lang"].combine_chunks())
    return words.set_column(1, "word", small)


def make_lexicon(
    reference: Reference,
    words: pa.Table,
    contract: Contract,
    name: str,
    *,
    all_variants: bool = False,
    held_out: pa.Table | None = None,
) -> TrainingLexicon:
    """Make examples of words: about 30 bytes each beside their text.

    Args:
        reference: what was read.
        words: its words as they are to be asked.
        contract: the languages and lengths to train for, and the form of the prefix.
        name: what a message calls the lexicons.
        all_variants: make an example of every variant, not of the first alone.
        held_out: words with columns `lang` and `word` that are not trained on.

    Raises:
        InputError: nothing is left.
    """
    held = np.zeros(len(words), np.bool_) if held_out is None else _among(words, held_out)
    parent = pc.list_parent_indices(words["prons"].combine_chunks()).to_numpy()
    first = np.diff(parent, prepend=-1) > 0
    kept = np.ones(len(parent), np.bool_) if all_variants else first
    pairs = pa.table(
        {
            "lang": words["lang"].take(parent[kept]),
            "word": words["word"].take(parent[kept]),
            "pron": words["prons"].combine_chunks().flatten().filter(pa.array(kept)),
        }
    )
    known, long = (mask for mask in _masks(pairs, contract))
    reasons = {
        UNKNOWN_LANGUAGE: ~known,
        HELD_OUT: known & held[parent[kept]],
        TOO_LONG: known & ~held[parent[kept]] & long,
    }
    bad = np.logical_or.reduce(list(reasons.values()))
    left_out = {reason: int(mask.sum()) for reason, mask in reasons.items() if mask.any()}
    if bad.all():
        raise InputError(f"{name} holds nothing to train on ({listed(left_out)}): check languages and words")
    good = pairs.filter(pa.array(~bad)).combine_chunks()
    alphabets = count_alphabets(good.select(["lang", "word"]).to_batches())
    usable = np.zeros(len(words), np.bool_)
    usable[parent[kept][~bad]] = True
    dictionary = reference.words.filter(pa.array(usable))
    return TrainingLexicon(
        examples_of(good, contract), reference.rows, len(words), alphabets, dictionary, reference.rejects, left_out
    )


def askable(words: pa.Table, contract: Contract) -> pa.Table:
    """Return the words of schema `REFERENCE` that a model of the contract can be asked, in their order."""
    known, long = _masks(words, contract)
    return words.filter(pa.array(known & ~long)).combine_chunks()


def hold_out(words: pa.Table, most: int) -> pa.Table:
    """Return so many words of each language to measure by, or a third of them: those of the smallest hashes.

    What is chosen depends on tags and words alone (sha256 of `TAG`, a tab, `WORD`), so it stays nearly the same when
    the lexicon grows, and entirely the same when languages are added.

    Args:
        words: of schema `REFERENCE`. Of a word that is there several times, the first is returned.
        most: words of each language.
    """
    keys = pc.binary_join_element_wise(words["lang"], words["word"], "\t").to_pylist()
    order = np.argsort([hashlib.sha256(key.encode()).digest() for key in keys], kind="stable")
    langs = words["lang"].combine_chunks().dictionary_encode().indices.to_numpy()
    left = np.minimum(most, np.bincount(langs) // 3)
    chosen, seen = [], set()
    for row in order.tolist():
        if left[langs[row]] and keys[row] not in seen:
            left[langs[row]] -= 1
            seen.add(keys[row])
            chosen.append(row)
    return words.take(np.sort(np.array(chosen, np.int64)))


def sample(words: pa.Table, tags: Collection[str], most: int, seed: int) -> pa.Table:
    """Return at most so many words of each of some tags, chosen by `seed`, in the order in which they are.

    Raises:
        InputError: there are none.
    """
    words = words.filter(pc.is_in(words["lang"], pa.array(sorted(tags)))).combine_chunks()
    if not len(words):
        raise InputError(f"--dev holds no word that could be asked: give words of {' '.join(sorted(tags))}")
    shuffled = np.random.default_rng(seed).permutation(len(words))
    codes = words["lang"].combine_chunks().dictionary_encode().indices.to_numpy()[shuffled]
    chosen = np.concatenate([shuffled[codes == code][:most] for code in np.unique(codes)])
    return words.take(np.sort(chosen))


def _masks(table: pa.Table, contract: Contract) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Tell of rows [N] whether their language is known, and whether word or pronunciation is too long."""
    langs = table["lang"].combine_chunks().dictionary_encode()
    tags = langs.dictionary.to_pylist()
    known = np.isin(langs.indices.to_numpy(), [i for i, tag in enumerate(tags) if tag in contract.languages])
    prefix = np.array([len(contract.prefix_for(tag).encode()) for tag in tags], np.int64)
    # An example that hides its tag has the prefix of the tag `unk` instead.
    prefix = np.maximum(prefix, len(contract.prefix_for(UNKNOWN).encode()))
    long = prefix[langs.indices.to_numpy()] + _bytes(table["word"]) > contract.max_source_bytes
    if "pron" in table.column_names:
        long |= _bytes(table["pron"]) + 1 > contract.max_target_bytes  # the EOS is one more
    return known, long


def _bytes(column: pa.ChunkedArray) -> Int64:
    lengths: Int64 = pc.binary_length(column).to_numpy().astype(np.int64)
    return lengths


def _among(words: pa.Table, others: pa.Table) -> npt.NDArray[np.bool_]:
    """Tell of words [N] whether they are, in their language, among others."""
    wanted, had = (pc.binary_join_element_wise(table["lang"], table["word"], "\t") for table in (words, others))
    among: npt.NDArray[np.bool_] = pc.is_in(wanted, pc.unique(had)).to_numpy()
    return among


def examples_of(pairs: pa.Table, contract: Contract) -> Examples:
    """Return rows [N] of columns `lang`, `word` and `pron` as examples, in their order."""
    tags = tuple(sorted(pc.unique(pairs["lang"]).to_pylist()))
    lang = pc.index_in(pairs["lang"], pa.array(tags)).to_numpy().astype(np.int32)
    prefixes = pa.array([contract.prefix_for(tag) for tag in (*tags, UNKNOWN)])
    words, prons = (Texts.of(pairs[name].combine_chunks()) for name in ("word", "pron"))
    return Examples(tags, lang, words, prons, Texts.of(prefixes))
