"""Options that several commands have, and options from a TOML file."""

import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from g2p_batch import errors
from g2p_batch.cli import completion
from g2p_batch.cli.help_groups import long_name
from g2p_batch.formats.names import NAMES, READ_ONLY, choice
from g2p_batch.storage.locations import located
from g2p_batch.storage.memory import DEFAULT_MEMORY, Memory

if TYPE_CHECKING:
    from g2p_batch.formats.alphabets import Alphabet
    from g2p_batch.formats.existing import ExistingLexicon

_Command = Callable[..., Any]
_Decorator = Callable[[_Command], _Command]


def all_of(*options: _Decorator) -> _Decorator:
    """Put options on a command in the order in which they are listed."""

    def decorate(command: _Command) -> _Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


model_option = click.option(
    "--model",
    metavar="bundled|DIR|FILE|HUB_ID",
    default="bundled",
    show_default=True,
    help="The bundled model, a folder (compiled, program or checkpoint), the model.toml of a checkpoint, or a hub id.",
    shell_complete=completion.models,
)


def format_option(default: str, names: Sequence[str] = NAMES, name: str = "format") -> _Decorator:
    """Return the option of the format of a lexicon, one of some, and what it is by default."""
    text = f"{choice(names)}.  [default: {default}]"
    return click.option("--format", name, metavar="F", help=text, shell_complete=completion.one_of(names))


def lang_option(text: str) -> _Decorator:
    """Return the option of a language."""
    return click.option("--lang", metavar="TAG", help=text, shell_complete=completion.languages)


LANG_OF_ALL = "Language of all words: a tag of `g2p-batch languages`, or BCP-47."

list_options = all_of(
    click.argument("inputs", metavar="INPUT...", nargs=-1, required=True, shell_complete=completion.files),
    lang_option(LANG_OF_ALL),
    click.option("--lang-column", metavar="NAME", help="Column of languages.  [default: lang, language, tag, ...]"),
    click.option(
        "--word-column",
        metavar="NAME",
        help="Column of words, or its number where there is no header.  [default: word, grapheme, orthography, ...]",
    ),
    click.option(
        "--input-format",
        type=click.Choice(["txt", "tsv", "csv", "parquet"]),
        help="What INPUT is, whatever its name.  [default: by its name, or a word a line]",
    ),
    click.option(
        "--encoding",
        metavar="NAME",
        help="Of text: latin-1, cp1252, utf-16 ...  [default: utf-8]",
        shell_complete=completion.encodings,
    ),
    click.option(
        "--normalize",
        type=click.Choice(["nfc", "nfkc", "none"]),
        default="nfc",
        show_default=True,
        help="Unicode form given to words.",
    ),
)
"""Word lists, and how they are read."""

memory_option = click.option(
    "--memory",
    type=Memory.parse,
    metavar="SIZE",
    default=DEFAULT_MEMORY.text,
    show_default=True,
    help="Most memory for sorting; more words spill to the disk.",
)


def lexicon_option(text: str, required: bool = False) -> _Decorator:
    """Return the option of existing lexicons."""
    return click.option(
        "--lexicon",
        "lexicons",
        metavar="[TAG=][FORMAT:]FILE",
        multiple=True,
        required=required,
        help=text,
        shell_complete=completion.files,
    )


def reader_option(text: str) -> _Decorator:
    """Return the option of programs that take less than a format allows, which `Format.readers` names."""
    readers = click.Choice(["phonetisaurus", "pocketsphinx"])
    return click.option("--reader", type=readers, help=f"{text} (docs/formats.md#one-reader).")


def existing_lexicons(texts: tuple[str, ...], alphabet: "Alphabet" = "auto") -> "tuple[ExistingLexicon, ...]":
    """Read `[TAG=][FORMAT:]FILE`; what stands before a mark and is no language or format is a part of the file's name.

    Args:
        texts: what the user wrote.
        alphabet: what the phones of all of them are in.
    """
    from g2p_batch.formats.existing import ExistingLexicon
    from g2p_batch.languages import lookup

    lexicons = []
    for text in texts:
        tag, _, rest = text.partition("=")
        language = lookup(tag) if rest else None
        name, file = named_format(text if language is None else rest)
        path = located(file)
        if not isinstance(path, Path):
            raise errors.UsageError(f"--lexicon {path} is in a bucket: copy it to this machine first")
        lexicons.append(ExistingLexicon(path, None if language is None else language.tag, name, alphabet))
    return tuple(lexicons)


def named_format(text: str) -> tuple[str | None, str]:
    """Read `[FORMAT:]FILE`: the format, if one of that name is read, and the file."""
    name, _, file = text.partition(":")
    return (name, file) if file and name in (*NAMES, *READ_ONLY) else (None, text)


def configured(ctx: click.Context, _parameter: click.Parameter, path: Path | None) -> None:
    """Take options from a TOML file where the command line does not give them."""
    if path is None:
        return
    options = {
        long_name(option): option
        for option in ctx.command.params
        if isinstance(option, click.Option) and option.expose_value
    }
    settings = _settings(path)
    if unknown := sorted(set(settings) - set(options)):
        raise errors.UsageError(f"{path} has an unknown key {unknown[0]!r}: use some of {', '.join(options)}")
    for key, value in settings.items():
        wanted = _kind(options[key])
        if not _is(value, wanted):
            raise errors.UsageError(f"{path}: {key} is {value!r}, not {_KINDS[wanted]}")
    ctx.default_map = {options[key].name: value for key, value in settings.items()}


_KINDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text in quotes",
    list: "a list of texts in quotes",
}


def _kind(option: click.Option) -> type:
    if option.is_flag:
        return bool
    if option.multiple:
        return list
    if isinstance(option.type, click.types.FloatParamType):
        return float
    return int if isinstance(option.type, click.IntRange) else str


def _is(value: Any, wanted: type) -> bool:
    texts = value if isinstance(value, list) else []
    if wanted is float:
        return type(value) in (int, float)
    return type(value) is wanted and all(type(text) is str for text in texts)


def _settings(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as cause:
        raise errors.InputError(f"{path} cannot be read ({cause}): give a TOML file of options") from None
