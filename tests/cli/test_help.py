"""The help of commands with many options: each option is under one heading."""

from collections import Counter

import click
import pytest

from g2p_batch import cli
from g2p_batch.cli.help_groups import HEADINGS, GroupedCommand, long_name
from tests.cli.commandline import run

_MANY = 9
"""Options of which a command may have fewer without headings."""


def test_no_option_is_under_two_headings_and_no_heading_has_what_is_none() -> None:
    listed = Counter(name for names in HEADINGS.values() for name in names)
    known = {long_name(one) for command in cli.main.commands.values() for one in command.params} | {"help"}
    assert [name for name, count in listed.items() if count > 1 or name not in known] == []


@pytest.mark.parametrize("name", sorted(cli.main.commands))
def test_help_shows_every_option_and_many_have_headings(name: str) -> None:
    command = cli.main.commands[name]
    options = [one for one in command.params if isinstance(one, click.Option)]
    assert len(options) < _MANY or isinstance(command, GroupedCommand)
    text = run(name, "--help").stdout
    shown = {word.strip(",") for line in text.splitlines() if line.startswith("  -") for word in line.split()}
    assert {opt for option in options for opt in option.opts} <= shown
    assert "--help" in shown


def test_the_headings_of_generate_come_in_this_order() -> None:
    text = run("generate", "--help").stdout
    headings = [line.rstrip(":") for line in text.splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert headings == [
        "Input",
        "Model",
        "Spelling",
        "Several pronunciations",
        "Existing lexicons and runs",
        "Lexicon",
        "Phones",
        "Running",
        "General",
    ]
