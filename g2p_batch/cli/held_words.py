"""Words on which a model is measured: a list that a user gives, each word once."""

from typing import Any

import click

from g2p_batch import errors
from g2p_batch.cli import completion
from g2p_batch.model.contract import Contract


def _of_words(ctx: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    """Refuse a language without words; `--words` is read first."""
    if value is not None and ctx.params["words"] is None:
        raise errors.UsageError("--lang is the language of the words of --words FILE: give both, or leave it out")
    return value


list_lang_option = click.option(
    "--lang",
    metavar="TAG",
    callback=_of_words,
    help="Language of all words of FILE.",
    shell_complete=completion.languages,
)


def asked_texts(path: str, lang: str | None, contract: Contract) -> Any:
    """Return what a model is asked for the words of a list, each text once: a table with word and lang."""
    import pyarrow as pa

    from g2p_batch.words.asking import texts_of
    from g2p_batch.words.filter import WORDS, WordFilter
    from g2p_batch.words.wordlist import WordLists, read

    parted = WordFilter(contract)
    words = pa.Table.from_batches([parted(batch).good for batch in read(WordLists((path,), lang=lang))], WORDS)
    if not len(words):
        raise errors.InputError(f"{path} holds no word that {contract.name} can pronounce: check words and languages")
    return texts_of(words, contract).table
