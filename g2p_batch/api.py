"""`G2P`: pronunciations for Python programs, from lists of words or Arrow tables; `Predictor`: for their clusters."""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, get_args, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from g2p_batch import languages
from g2p_batch.errors import InputError, UnknownLanguageError, UsageError
from g2p_batch.formats.pronounced import Speaker
from g2p_batch.model.contract import Contract, DType
from g2p_batch.model.cpu_families import usable_cores
from g2p_batch.model.devices import parse_device, use_one
from g2p_batch.model.greedy import Engine, Indices
from g2p_batch.model.nbest import Search
from g2p_batch.model.progress import Silent
from g2p_batch.model.resolve import BUNDLED_NAME, find_model
from g2p_batch.words import delimited
from g2p_batch.words.dictionary import Dictionary
from g2p_batch.words.filter import Normalize, SpellingMode, Unseen, WordFilter, distinct
from g2p_batch.words.wordlist import ROWS

_ASKED = ("word", "lang")
_ANSWERED = ("pron", "logprob", "status", "asked")
_VARIANTS = "variants"
_TEXT = (pa.string(), pa.large_string(), pa.string_view(), pa.null())
_ABSENT = -1

_log = logging.getLogger("g2p_batch")


class G2P:
    """A compiled model that pronounces words; one may be used by several threads at once.

    Opening it compiles the model if this machine has not done so yet; the logger `g2p_batch` then says so.

    Engines, with their caches, are kept between calls.

    Args:
        model: `bundled`, the folder of a compiled model, a program or a checkpoint, or a hub id.
        dtype: number format of the compiled model.
        device: `cpu`, or `cuda:0` for the first GPU; a process uses one GPU, which has to be said first.
        target_config: target configuration to compile with; the shipped one by default.
        workers: most threads per call, each with caches of its own; by default the cores that the process may use, and
            one on a GPU.
        normalize: Unicode form given to words.
        spelling: `on` to ask for words as the model learnt to spell, `off` to ask for them as they are.
        unseen: `keep` or `reject` words with characters that the model never saw.
        variants: give the so many most probable pronunciations of each word, 1 to 32, instead of the one that greedy
            decoding finds; on a CPU.
        dictionary: give what the model's dictionary says of words that the model itself says otherwise.
        min_share: leave out variants that are less probable than this share of a word's best.

    Raises:
        ModelError: the model cannot be found, reached or supported.
        ArtifactError: the compiled model is damaged, or was made for another machine.
        UsageError: the dtype or the configuration is wrong, or there are no workers, or too many.
    """

    def __init__(
        self,
        model: str | Path = BUNDLED_NAME,
        *,
        dtype: DType = "float32",
        device: str = "cpu",
        target_config: str | Path | None = None,
        workers: int | None = None,
        normalize: Normalize = "nfc",
        spelling: SpellingMode = "on",
        unseen: Unseen = "keep",
        variants: int | None = None,
        min_share: float = 0.01,
        dictionary: bool = True,
    ) -> None:
        self._search = None if variants is None else Search(variants, min_share)
        if workers is not None and (not isinstance(workers, int) or workers < 1):
            raise UsageError(f"workers is {workers!r}: give a whole number of at least 1")
        for name, value, values in (
            ("normalize", normalize, get_args(Normalize)),
            ("spelling", spelling, get_args(SpellingMode)),
            ("unseen", unseen, get_args(Unseen)),
        ):
            if value not in values:
                raise UsageError(f"{name} is {value!r}: give one of {', '.join(values)}")
        config = None if target_config is None else Path(target_config)
        hardware = parse_device(device)
        is_gpu = hardware.kind == "cuda"
        if is_gpu and workers not in (None, 1):
            raise UsageError(f"workers is {workers}, and a GPU has one: leave it out")
        use_one(hardware)
        resolved = find_model(str(model), _log.info, dtype=dtype, target=hardware.kind, config=config)
        self._artifact = resolved.open(_log.info)
        self._workers = workers or (1 if is_gpu else usable_cores())
        # On a GPU caches take seconds to make, and calls would disturb each other.
        self._engines = _Engines(self._artifact.engine, self._workers, in_turns=is_gpu)
        exceptions = self._artifact.exceptions() if dictionary else None
        self._dictionary = None if exceptions is None else Dictionary(exceptions)
        self._filter = WordFilter(self.contract, normalize, spelling, unseen)
        self._filtering = threading.Lock()

    @property
    def contract(self) -> Contract:
        """What the model was made for: its languages, its lengths and the digest of its checkpoint."""
        return self._artifact.manifest.contract

    @property
    def dtype(self) -> DType:
        """Number format of the compiled model."""
        return self._artifact.manifest.dtype

    @overload
    def __call__(self, words: pa.Table) -> pa.Table: ...

    @overload
    def __call__(self, words: Iterable[str], lang: str | Sequence[str]) -> Any: ...

    def __call__(self, words: Any, lang: str | Sequence[str] | None = None) -> Any:
        """Pronounce words; none of them, however odd, costs another its pronunciation.

        Args:
            words: N strings; or a table of N rows with text columns `word` and `lang`, and any others but `pron`,
                `logprob`, `status` and `asked`.
            lang: the language of a list, or N languages, one for each word: tags of the model or BCP-47 tags. A table
                says it row by row.

        Returns:
            For a list, N pronunciations, in order; one is empty where the word cannot be pronounced. With `variants`, N
            lists of pairs of a pronunciation and its probability, the most probable first; one is empty likewise, and
            the dictionary's have None for a probability. For a
            table, its N rows and columns as they are, and four columns more: `pron` string, `logprob` float32 and
            `asked` string, as `formats.lexicon.LEXICON` says, and `status` string. The status of a pronounced word is
            one of `formats.lexicon.STATUSES`; of one that cannot be pronounced it is the reason, one of
            `filter.REASONS`, and the other three are null. With `variants` these are of the most probable
            pronunciation, and a column `variants`, list of structs of `pron` string and `prob` float32, has all.

        Raises:
            UnknownLanguageError: `lang` is no language, or not one of the model's.
            InputError: the table lacks a column, has one twice, or has something other than text in it.
            UsageError: a list without `lang`, or with more or fewer languages than words; a table with it; or a list
                that does not hold strings.
        """
        if isinstance(words, pa.Table):
            if lang is not None:
                raise UsageError("a table says its languages in its column lang: leave out the argument lang")
            return self._answer_table(words)
        octets = pa.array(_encoded(words), pa.binary())
        answers = self._answer(octets, self._tags(lang, len(octets)))
        if answers.variants is not None:
            return [[(one["pron"], one["prob"]) for one in word or ()] for word in answers.variants.to_pylist()]
        return pc.fill_null(answers.pron, "").to_pylist()

    def _tags(self, lang: str | Sequence[str] | None, words: int) -> pa.Array:
        """Return the model's tags [N] of a list's languages."""
        if isinstance(lang, str):
            return pa.repeat(pa.scalar(supported_tag(lang, self.contract)), words)
        if not isinstance(lang, Sequence) or not all(isinstance(one, str) for one in lang):
            raise UsageError("say the language of the words: G2P(...)(words, lang='eng-us'), or one for each word")
        if len(lang) != words:
            raise UsageError(f"there are {words:,} words and {len(lang):,} languages: give one for each word, or one")
        tags = {one: supported_tag(one, self.contract) for one in set(lang)}
        return pa.array([tags[one] for one in lang], pa.string())

    def _answer_table(self, table: pa.Table) -> pa.Table:
        word, lang = (_octets(table, name) for name in _ASKED)
        named = _ANSWERED if self._search is None else (*_ANSWERED, _VARIANTS)
        if taken := [name for name in named if name in table.column_names]:
            raise InputError(f"the table has a column {taken[0]} already: rename or drop it")
        answers = self._answer(word, delimited.decode(lang)[0])
        for name in named:
            table = table.append_column(name, getattr(answers, name))
        return table

    def _answer(self, octets: pa.Array, lang: pa.Array) -> "_Answered":
        """Pronounce words, binary [N], of languages, string [N]."""
        word, invalid = delimited.decode(octets)
        unread = pc.if_else(pa.array(invalid), delimited.INVALID_UTF8, pa.scalar(None, pa.string()))
        rows = pa.record_batch([np.arange(len(word), dtype=np.int64), word, lang, unread], schema=ROWS)
        with self._filtering:
            good, bad, _ = self._filter(rows)
        first, which = distinct(good)
        words = pa.Table.from_batches([good.take(first)])
        with self._engines.lent() as engine:
            lexicon, variants = self._pronounced(words, engine)
        places = _spread(which, good["row"], len(rows))
        pron, logprob, status, asked = (lexicon[name].take(places) for name in _ANSWERED)
        reasons = bad["reason"].take(_spread(np.arange(len(bad)), bad["row"], len(rows)))
        return _Answered(
            pron, logprob, pc.coalesce(status, reasons), asked, None if variants is None else variants.take(places)
        )

    def _pronounced(self, words: pa.Table, engine: Callable[[], Engine]) -> tuple[pa.RecordBatch, pa.Array | None]:
        """Return the best pronunciation of words [N], of schema `LEXICON`, and if they are wanted all of each [N]."""
        speaker = Speaker(self.contract, engine, self._workers, self._search, self._dictionary)
        rows, word = speaker.rows(words, Silent())
        if self._search is None:
            return _best(rows), None
        ends = pa.array(np.searchsorted(word, np.arange(len(words) + 1)).astype(np.int32))
        pairs = pa.StructArray.from_arrays([rows["pron"], pc.exp(rows["logprob"])], ["pron", "prob"])
        return _best(rows), pa.ListArray.from_arrays(ends, pairs)


def _best(rows: pa.RecordBatch) -> pa.RecordBatch:
    return rows.filter(pc.equal(rows["rank"], 1))


class _Engines:
    """Engines that calls are lent and give back; some are kept."""

    def __init__(self, make: Callable[[], Engine], kept: int, in_turns: bool) -> None:
        self._make, self._kept = make, kept
        self._turns = _turns if in_turns else nullcontext()
        self._free: list[Engine] = []
        self._lock = threading.Lock()

    @contextmanager
    def lent(self) -> Iterator[Callable[[], Engine]]:
        """Give a function that returns an engine at each call, for the time of the context."""
        taken: list[Engine] = []

        def engine() -> Engine:
            with self._lock:
                free = self._free.pop() if self._free else None
            taken.append(free or self._make())
            return taken[-1]

        with self._turns:
            yield engine
            # After an error they are not kept: nobody knows what they were about.
            with self._lock:
                self._free = [*self._free, *taken][: self._kept]


class Predictor:
    """Pronounces tables in the workers of other systems: Ray Data, Spark, or anything else that sends functions around.

    It is pickled as its arguments. The model is opened, and compiled if the machine has not done so yet, by the first
    call in a process; all predictors of a process with the same arguments share it and its one engine, and take turns.

    Args:
        model: `bundled`, the folder of a compiled model, a program or a checkpoint, or a hub id; a folder is one that
            every machine sees.
        dtype: number format of the compiled model.
        device: as of `G2P`.
        target_config: target configuration to compile with; the shipped one by default.
    """

    def __init__(
        self,
        model: str | Path = BUNDLED_NAME,
        *,
        dtype: DType = "float32",
        device: str = "cpu",
        target_config: str | Path | None = None,
    ) -> None:
        self._arguments = (str(model), dtype, device, None if target_config is None else str(target_config))

    def __call__(self, table: pa.Table) -> pa.Table:
        """Return a table of N rows with `pron`, `logprob`, `status` and `asked`, as `G2P` does.

        Raises:
            ModelError, ArtifactError, UsageError: as `G2P` does when it is made.
            InputError: as `G2P` does.
        """
        with _opening:
            g2p = _opened(*self._arguments)
        return g2p(table)

    def batches(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield record batches with what `G2P` tells of their rows: a function for Spark's `mapInArrow`."""
        for batch in batches:
            yield from self(pa.Table.from_batches([batch])).to_batches()


class _OneEngine(G2P):
    """Has one engine, for which calls take turns."""

    def __init__(self, model: str, dtype: DType, device: str, target_config: str | None) -> None:
        super().__init__(model, dtype=dtype, device=device, target_config=target_config, workers=1)
        self._engines = _Engines(self._artifact.engine, 1, in_turns=True)


_opened = cache(_OneEngine)
_opening = threading.Lock()
_turns = threading.Lock()
"""Of all calls to engines of which there is one."""


class _Answered(NamedTuple):
    """Columns of N rows, as `_ANSWERED` names them."""

    pron: pa.Array
    logprob: pa.Array
    status: pa.Array
    asked: pa.Array
    variants: pa.Array | None
    """As `_VARIANTS`, where they are wanted."""


def supported_tag(lang: str, contract: Contract) -> str:
    """Return the model's tag for a language, given as a tag or as BCP-47.

    Raises:
        UnknownLanguageError: it is no language, or not one of the model's; the message names what to ask for instead.
    """
    if lang in contract.languages:
        return lang
    language = languages.resolve(lang)
    if language.tag not in contract.languages:
        raise UnknownLanguageError(
            f"the model {contract.name} was not trained on {language.tag} ({language.name}) "
            f"but on {', '.join(contract.languages)}: take another model, or one of these languages"
        )
    return language.tag


def _encoded(words: Iterable[str]) -> list[bytes]:
    """Return UTF-8 of each word; a lone surrogate gives bytes that are none, and are found out later."""
    if isinstance(words, (str, bytes)) or not isinstance(words, Iterable):
        raise UsageError(f"words is of type {type(words).__name__}: give a list of strings")
    octets = []
    for index, word in enumerate(words):
        if not isinstance(word, str):
            raise UsageError(f"words[{index}] is of type {type(word).__name__}: give a list of strings")
        octets.append(word.encode("utf-8", "surrogatepass"))
    return octets


def _octets(table: pa.Table, name: str) -> pa.Array:
    """Return a text column as binary [N]: Arrow does not promise that strings are UTF-8."""
    columns = table.column_names.count(name)
    if columns != 1:
        raise InputError(f"the table has {columns or 'no'} columns {name} among {table.column_names}: give it one")
    column = table[name]
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if column.type not in _TEXT:
        raise InputError(f"the column {name} holds {column.type}, not text: cast it to string")
    return pa.concat_arrays([pa.array([], pa.binary()), *column.cast(pa.binary()).chunks])


def _spread(places: Indices, rows: pa.Array, total: int) -> pa.Array:
    """Put places [n] into their rows [n], among `total` rows that are null where nothing is put."""
    spread = np.full(total, _ABSENT)
    spread[rows.to_numpy()] = places
    return pa.array(spread, mask=spread == _ABSENT)
