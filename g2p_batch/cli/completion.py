"""What a shell completes: the values of options and arguments that a set or the disk has; imports nothing heavy."""

from collections.abc import Callable, Iterable

import click
from click.shell_completion import CompletionItem

from g2p_batch.languages import LANGUAGES
from g2p_batch.model.artifact_cache import COMMON_GPUS
from g2p_batch.model.cpu_families import FAMILIES

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]

ENCODINGS = ("utf-8", "utf-16", "latin-1", "cp1250", "cp1251", "cp1252", "koi8-r", "gb18030", "big5", "shift_jis")
"""Some of those that Python knows."""


def one_of(names: Iterable[str]) -> Complete:
    """Complete one of some names."""
    known = tuple(names)

    def complete(_ctx: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
        return [CompletionItem(name) for name in known if name.startswith(begun)]

    return complete


def languages(_ctx: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Complete a tag; where none begins so, give the tags of the languages that have a name which does."""
    key = begun.lower()
    by_tag = [one for one in LANGUAGES.values() if one.tag.startswith(key)]
    by_name = [one for one in LANGUAGES.values() if any(word.startswith(key) for word in one.name.lower().split())]
    return [CompletionItem(one.tag, help=one.name) for one in by_tag or by_name]


def files(_ctx: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Leave it to the shell to complete the path of a file or a folder."""
    return [CompletionItem(begun, type="file")]


def folders(_ctx: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Leave it to the shell to complete the path of a folder."""
    return [CompletionItem(begun, type="dir")]


def models(ctx: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Complete the bundled model's name, or a path."""
    return [*one_of(["bundled"])(ctx, parameter, begun), *files(ctx, parameter, begun)]


devices = one_of(["cpu", "cuda"])
targets = one_of(["cpu", "cuda", *(family.name for family in FAMILIES)])
gpus = one_of(COMMON_GPUS)
encodings = one_of(ENCODINGS)
