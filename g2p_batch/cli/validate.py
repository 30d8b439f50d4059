"""`validate`."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from g2p_batch import errors, languages
from g2p_batch.cli.main import main
from g2p_batch.cli.options import format_option, lang_option, reader_option
from g2p_batch.formats.names import NAMES, READ_ONLY

if TYPE_CHECKING:
    from g2p_batch.formats.kind import Problem
    from g2p_batch.formats.registry import Readable

_MOST_SHOWN = 100


@main.command()
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@format_option("by the name and beginning of FILE", (*NAMES, *READ_ONLY), name="name")
@click.option("--tokens", type=click.Path(path_type=Path), metavar="FILE", help="tokens.txt of a sherpa-onnx voice.")
@reader_option("Say what this program takes amiss of its format, too")
@lang_option("The only language that FILE may name (tsv, parquet, jsonl, pls).")
def validate(file: Path, name: str | None, tokens: Path | None, reader: str | None, lang: str | None) -> None:
    """Check a lexicon against the rules of its format.

    FILE is a lexicon of whatever origin, also .gz or .zst, or a dictionary folder of Kaldi. What the readers of the
    format would reject, misread or skip is printed as `FILE:LINE: what`, as are phones in several alphabets, and the
    exit code is 1 if there is anything.

    \b
    Examples:
      g2p-batch validate lexicon.dict
      g2p-batch validate lexicon.txt --format sherpa --tokens tokens.txt
      g2p-batch validate words.dict --format cmudict --reader pocketsphinx
    """
    from g2p_batch.counts import count_of
    from g2p_batch.formats.kind import Expected, require_reader
    from g2p_batch.formats.registry import readable_format

    lexicon_format = readable_format(file, name)
    _check_options(lexicon_format, tokens, lang)
    require_reader(lexicon_format, reader)
    tag = None if lang is None else languages.resolve(lang).tag
    problems = lexicon_format.validate(file, Expected(tokens, tag, reader))
    count = 0
    for problem in islice(problems, _MOST_SHOWN):
        click.echo(_shown(file, problem))
        count += 1
    count += (more := sum(1 for _ in problems))
    if more:
        click.echo(f"... and {more:,} more")
    held = _Held(file, lexicon_format)
    if not count:
        for what in held.problems():
            click.echo(what)
            count += 1
    if count:
        raise errors.LexiconError(
            f"{file} breaks the rules of {lexicon_format.name} in {count:,} place{'s' if count > 1 else ''}: mend "
            "them, or leave these entries out"
        )
    click.echo(f"{file}: {count_of(held.entries, 'pronunciation')} of {count_of(held.words, 'word')}, no problem found")


class _Held:
    """What a lexicon holds that keeps the rules of its format."""

    def __init__(self, file: Path, lexicon_format: "Readable") -> None:
        self._file, self._format = file, lexicon_format
        self._spellings: set[int] = set()
        self.entries = 0

    @property
    def words(self) -> int:
        """Words of a language each, remembered as 64-bit numbers."""
        return len(self._spellings)

    def problems(self) -> Iterator[str]:
        """Count entries and words, and yield what is wrong with all of them together."""
        from g2p_batch.formats.alphabets import alphabet_of
        from g2p_batch.phones.arpabet import LANGUAGE

        try:
            alphabet_of(self._file, self._counted(), LANGUAGE)
        except errors.InputError as mixed:
            yield str(mixed)
            return
        if not self.entries:
            yield f"{self._file}: holds no word"

    def _counted(self) -> Iterator[Any]:
        for batch in self._format.read(self._file):
            said = batch.filter(batch["passed_over"].is_null())
            self.entries += len(said)
            self._spellings.update(map(hash, zip(said["word"].to_pylist(), said["lang"].to_pylist(), strict=True)))
            yield batch


def _check_options(lexicon_format: "Readable", tokens: Path | None, lang: str | None) -> None:
    if tokens is not None and lexicon_format.name != "sherpa":
        raise errors.UsageError(
            f"--tokens is for sherpa, and the format is {lexicon_format.name}: leave one of them out"
        )
    if lang is not None and not lexicon_format.names_language:
        raise errors.UsageError(f"a lexicon of {lexicon_format.name} names no language: leave out --lang")


def _shown(file: Path, problem: "Problem") -> str:
    path = str(file / problem.file if problem.file else file)
    return f"{path}:{problem.line}: {problem.what}" if problem.line else f"{path}: {problem.what}"
