"""`oov`."""

import sys
from pathlib import Path
from typing import Any

import click

from g2p_batch import languages
from g2p_batch.cli.help_groups import GroupedCommand
from g2p_batch.cli.main import main, quiet_option, say
from g2p_batch.cli.options import all_of, existing_lexicons, lexicon_option, list_options, memory_option
from g2p_batch.model import contract
from g2p_batch.model.shipped import BUNDLED


@main.command(cls=GroupedCommand)
@all_of(
    list_options,
    lexicon_option("A lexicon in any format that `generate` writes; may be repeated.", required=True),
    click.option(
        "-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="A .tsv to write.  [default: stdout]"
    ),
    memory_option,
)
@quiet_option
def oov(inputs: tuple[str, ...], **options: Any) -> None:
    """List the words that no lexicon holds.

    INPUT is a word list as `generate` reads it. Each lacking word is listed once with its language, in the order of the
    input: a word list for `generate`. A lexicon that does not name the language of its words is taken to be of --lang,
    or of TAG.

    \b
    Examples:
      g2p-batch oov words.txt --lang eng-us --lexicon cmudict.dict
      g2p-batch oov words.tsv --lexicon deu=german.dict --lexicon fra=french.dict -o lacking.tsv
    """
    from g2p_batch.counts import count_of, listed
    from g2p_batch.run.oov import lacking, write_words
    from g2p_batch.words.wordlist import WordLists

    lang, output = options["lang"], options["output"]
    tag = None if lang is None else languages.resolve(lang).tag
    lists = WordLists(
        inputs,
        tag,
        options["lang_column"],
        options["word_column"],
        options["input_format"],
        options["encoding"],
    )
    if output is not None:
        lists.sources.require_unread([output], "write the list elsewhere")
    lexicons, bundled = existing_lexicons(options["lexicons"], "own"), contract.load_contract(BUNDLED)
    with lacking(lists, lexicons, bundled, options["normalize"], options["memory"], say) as lack:
        count = write_words(lack.words, output, sys.stdout.buffer)
    for note in lack.matches.notes:
        say(f"Note: {note}")
    found = f"; found: {listed(lack.matches.ways)}" if len(lack.matches.ways) > 1 else ""
    rejected = f"; rejected: {listed(lack.rejects)}" if lack.rejects else ""
    say(f"{count_of(lack.rows_in, 'row')} read: {count_of(count, 'word')} in no lexicon{found}{rejected}.")
