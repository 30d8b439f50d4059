"""Words of word lists that no lexicon holds."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import gettempdir
from typing import IO

import pyarrow as pa

from g2p_batch.formats.existing import ExistingLexicon
from g2p_batch.formats.word_lines import write_lines
from g2p_batch.languages import LANGUAGES
from g2p_batch.model.contract import Contract
from g2p_batch.model.progress import Say
from g2p_batch.run.lookup import Matches, match_words, stage_entries
from g2p_batch.run.sharding import Staged, stage
from g2p_batch.run.sort_key import Keys
from g2p_batch.storage.database import Database, database
from g2p_batch.storage.memory import Memory
from g2p_batch.storage.publish import publish, scratch_folder
from g2p_batch.words.filter import Normalize, WordFilter
from g2p_batch.words.wordlist import WordLists, read

_ROWS = 65536
_ANY_LENGTH = 1 << 20
"""Longest word in bytes: no model is asked."""


@dataclass(frozen=True)
class Lacking:
    """What a look-up found, while its files are there."""

    rows_in: int
    rejects: Mapping[str, int]
    """Rows that are no words, by reason."""
    matches: Matches
    """Words that lexicons hold."""
    words: Iterator[pa.RecordBatch]
    """`word` and `lang`: each word that no lexicon holds, once, in the order of the input."""


@contextmanager
def lacking(
    source: WordLists,
    lexicons: Sequence[ExistingLexicon],
    contract: Contract,
    normalize: Normalize,
    memory: Memory,
    say: Say = lambda _: None,
) -> Iterator[Lacking]:
    """Look the words of word lists up in lexicons.

    Args:
        source: the word lists.
        lexicons: in any format that is read here, at least one.
        contract: of any model; says how languages may be called beside the known tags.
        normalize: how words are prepared, in word lists and lexicons.
        memory: most memory for sorting; what goes beyond it is in a temporary folder.
        say: is told what is to know of lexicons.

    Raises:
        UsageError: nothing tells the language of a lexicon, or an option is wrong.
        InputError: an input cannot be read.
        OutputError: neither memory nor disk hold the words.
    """
    tags = tuple({*contract.languages, *LANGUAGES})
    words = WordFilter(replace(contract, languages=tags, max_source_bytes=_ANY_LENGTH, alphabets={}), normalize)
    with scratch_folder(Path(gettempdir()), "oov") as scratch, database(memory, scratch) as sorter:
        staged = stage(read(source), words, scratch)
        entries = stage_entries(lexicons, source.lang, words, sorter, scratch, say)
        keys = Keys(words.contract)
        matches = match_words(staged.words_file, entries, lexicons, keys, sorter, scratch)
        yield Lacking(staged.rows_in, staged.rejects, matches, _words(staged, matches, keys, sorter))


def write_words(words: Iterable[pa.RecordBatch], path: Path | None, stream: IO[bytes]) -> int:
    """Write words as a TSV list, to a file that appears whole or to a stream; returns how many they are.

    Raises:
        OutputError: the file cannot be written.
    """
    count = 0

    def write(file: IO[bytes]) -> None:
        nonlocal count
        file.write(b"word\tlang\n")
        for batch in words:
            write_lines(file, batch.columns, "\t")
            count += len(batch)

    def write_file(draft: Path) -> None:
        with draft.open("wb") as file:
            write(file)

    if path is None:
        write(stream)
    else:
        publish(path, write_file)
    return count


def _words(staged: Staged, matches: Matches, keys: Keys, sorter: Database) -> Iterator[pa.RecordBatch]:
    for batch in sorter.first_rows(staged.words_file, _ROWS, without=matches.file):
        yield pa.record_batch([batch["word"], keys.read(batch["key"])[0]], names=["word", "lang"])
