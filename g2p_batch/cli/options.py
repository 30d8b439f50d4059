"""Options from a TOML file."""

import tomllib
from pathlib import Path
from typing import Any

import click

from g2p_batch import errors


def configured(ctx: click.Context, _parameter: click.Parameter, path: Path | None) -> None:
    """Take options from a TOML file where the command line does not give them."""
    if path is None:
        return
    options = {
        max(option.opts, key=len).removeprefix("--"): option
        for option in ctx.command.params
        if isinstance(option, click.Option) and option.expose_value
    }
    settings = _settings(path)
    if unknown := sorted(set(settings) - set(options)):
        raise errors.UsageError(f"{path} has an unknown key {unknown[0]!r}: use some of {', '.join(options)}")
    for key, value in settings.items():
        wanted = _kind(options[key])
        if type(value) is not wanted:
            raise errors.UsageError(f"{path}: {key} is {value!r}, not {_KINDS[wanted]}")
    ctx.default_map = {options[key].name: value for key, value in settings.items()}


_KINDS = {bool: "true or false", int: "a whole number", str: "text in quotes"}


def _kind(option: click.Option) -> type:
    if option.is_flag:
        return bool
    return int if isinstance(option.type, click.IntRange) else str


def _settings(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as cause:
        raise errors.UsageError(f"{path} cannot be read ({cause}): give a TOML file of options") from None
