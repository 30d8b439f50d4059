"""`validate`."""

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from g2p_batch import errors, languages
from g2p_batch.cli.main import main
from g2p_batch.cli.options import format_option, lang_option

if TYPE_CHECKING:
    from g2p_batch.formats.kind import Format, Problem

_MOST_SHOWN = 100


@main.command()
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@format_option("by the name and beginning of FILE", name="name")
@click.option("--tokens", type=click.Path(path_type=Path), metavar="FILE", help="tokens.txt of a sherpa-onnx voice.")
@lang_option("The only language that FILE may name (tsv, parquet, jsonl, pls).")
def validate(file: Path, name: str | None, tokens: Path | None, lang: str | None) -> None:
    """Check a lexicon against the rules of its format.

    FILE is a lexicon of whatever origin, also .gz or .zst, or a dictionary folder of Kaldi. What the readers of the
    format would reject, misread or skip is printed as `FILE:LINE: what`, and the exit code is 1 if there is anything.

    \b
    Examples:
      g2p-batch validate lexicon.dict
      g2p-batch validate lexicon.txt --format sherpa --tokens tokens.txt
    """
    from g2p_batch.formats.kind import Expected
    from g2p_batch.formats.registry import readable_format

    lexicon_format = readable_format(file, name)
    _check_options(lexicon_format, tokens, lang)
    problems = lexicon_format.validate(file, Expected(tokens, None if lang is None else languages.resolve(lang).tag))
    count = 0
    for problem in islice(problems, _MOST_SHOWN):
        click.echo(_shown(file, problem))
        count += 1
    if not count and next(lexicon_format.read(file), None) is None:
        click.echo(f"{file}: holds no word")
        count = 1
    count += (more := sum(1 for _ in problems))
    if more:
        click.echo(f"... and {more:,} more")
    if count:
        raise errors.LexiconError(
            f"{file} breaks the rules of {lexicon_format.name} in {count:,} place{'s' if count > 1 else ''}: mend "
            "them, or leave these entries out"
        )
    click.echo(f"{file}: {_counted(file, lexicon_format)}, no problem found")


def _check_options(lexicon_format: "Format", tokens: Path | None, lang: str | None) -> None:
    if tokens is not None and lexicon_format.name != "sherpa":
        raise errors.UsageError(
            f"--tokens is for sherpa, and the format is {lexicon_format.name}: leave one of them out"
        )
    if lang is not None and not lexicon_format.names_language:
        raise errors.UsageError(f"a lexicon of {lexicon_format.name} names no language: leave out --lang")


def _shown(file: Path, problem: "Problem") -> str:
    path = str(file / problem.file if problem.file else file)
    return f"{path}:{problem.line}: {problem.what}" if problem.line else f"{path}: {problem.what}"


def _counted(file: Path, lexicon_format: "Format") -> str:
    counts = [(len(batch), batch["rank"].to_pylist().count(1)) for batch in lexicon_format.read(file)]
    entries, words = (sum(column) for column in zip(*counts, strict=True)) if counts else (0, 0)
    return f"{entries:,} pronunciation{'' if entries == 1 else 's'} of {words:,} word{'' if words == 1 else 's'}"
