"""Closes a program's exceptions over its lexicon: words that it still says otherwise become exceptions too.

`python -m g2p_compile.train.closing PROGRAM SAID LEXICON... [--omit TAG]`, where SAID is what
`g2p-batch generate LEXICON... --model PROGRAM --phones raw --syllables keep --format parquet -o SAID` wrote: variants
of a word whose phones are the same are one there.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

import click
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from g2p_batch.evaluation.reference import read_reference
from g2p_batch.model.contract import CONTRACT, EXCEPTIONS, digest, load_contract, save_json
from g2p_batch.words.dictionary import EXCEPTION
from g2p_batch.words.wordlist import WordLists
from g2p_compile.train.exceptions import asked_of, exception_rows, named, write_exceptions

_BETWEEN = "\n"
"""Between the variants of a word, none of which has it."""
_SHOWN = 20


@dataclass(frozen=True)
class Compared:
    """Of N words of a dictionary, which a program rejects [N] and which it says otherwise [N]."""

    rejected: pa.ChunkedArray
    otherwise: pa.ChunkedArray


def compare(dictionary: pa.Table, said: pa.Table) -> Compared:
    """Compare what was said of words with their dictionary, variant by variant.

    Args:
        dictionary: N words of schema `REFERENCE`, each once.
        said: columns `lang`, `word` and `pron`; the variants of a word in their order.
    """
    grouped = said.group_by(["lang", "word"], use_threads=False).aggregate([("pron", "list")])
    place = pc.index_in(
        named(dictionary["lang"], dictionary["word"]), value_set=pc.unique(named(grouped["lang"], grouped["word"]))
    )
    answer = pc.binary_join(grouped["pron_list"], _BETWEEN).take(place)
    same = pc.equal(answer, pc.binary_join(dictionary["prons"], _BETWEEN))
    return Compared(pc.is_null(same), pc.invert(pc.coalesce(same, True)))


def close(program: Path, dictionary: pa.Table, otherwise: pa.ChunkedArray, omitted: Collection[str]) -> pa.Table:
    """Add words to the exceptions of a program, and return all of them, of schema `EXCEPTION`.

    A word that is asked like an exception becomes one too: looking for what is asked would find the wrong one.

    Args:
        program: its folder; contract and exceptions are replaced.
        dictionary: N words of schema `REFERENCE`, each once.
        otherwise: [N] bool, which of them it says otherwise.
        omitted: tags that are to have no exceptions.

    Raises:
        ModelError: the folder holds no program.
        OutputError: a file cannot be written.
    """
    contract = load_contract(program)
    path = program / EXCEPTIONS
    before = pq.read_table(path) if path.is_file() else EXCEPTION.empty_table()
    before = before.filter(pc.invert(pc.is_in(before["lang"], pa.array([*omitted], pa.string()))))
    names = named(dictionary["lang"], dictionary["word"])
    is_exception = pc.or_(otherwise, pc.is_in(names, pc.unique(named(before["lang"], before["word"]))))
    asked = named(dictionary["lang"], asked_of(dictionary.combine_chunks(), contract))
    is_exception = pc.or_(is_exception, pc.is_in(asked, pc.unique(names.filter(is_exception))))
    foreign = before.filter(pc.invert(pc.is_in(named(before["lang"], before["word"]), pc.unique(names))))
    rows = pa.concat_tables([exception_rows(dictionary.filter(is_exception)), foreign])
    write_exceptions(path, rows)
    save_json(program / CONTRACT, replace(contract, files={**contract.files, EXCEPTIONS: digest(path)}))
    return rows


@click.command
@click.argument("program", type=click.Path(path_type=Path))
@click.argument("said", type=click.Path(path_type=Path))
@click.argument("lexicon", nargs=-1, required=True)
@click.option("--omit", multiple=True, metavar="TAG", help="Leave a language out.")
def main(program: Path, said: Path, lexicon: tuple[str, ...], omit: tuple[str, ...]) -> None:
    """Compare, tell, and close."""
    tags = sorted({*load_contract(program).languages} - {*omit})
    words = read_reference(WordLists(lexicon), tags).words
    words = words.filter(pc.is_in(words["lang"], pa.array(tags))).combine_chunks()
    found = compare(words, pq.read_table(said, columns=["lang", "word", "pron"]))
    otherwise = words.filter(found.otherwise)
    rejected = pc.sum(found.rejected).as_py()
    click.echo(f"{len(words):,} words in {len(tags)} tags: {rejected:,} rejected, {len(otherwise):,} said otherwise")
    for row in otherwise[:_SHOWN].to_pylist():
        click.echo(f"  {row['lang']}  {row['word']}  {', '.join(row['prons'])}")
    rows = close(program, words, found.otherwise, omit)
    count = len(rows.group_by(["lang", "word"]).aggregate([]))
    click.echo(f"{count:,} exceptions, {(program / EXCEPTIONS).stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
