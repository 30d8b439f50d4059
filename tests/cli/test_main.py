"""What all commands share: help, signals, tracebacks, standard output."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from g2p_batch import cli
from g2p_batch.model.resolve import Model
from tests.cli.commandline import Ran, generate, run, words
from tests.helpers.fake_model import Opened

COMMANDS = (
    "bench",
    "compile",
    "evaluate",
    "export",
    "generate",
    "info",
    "languages",
    "merge",
    "oov",
    "plan",
    "prune",
    "report",
    "run",
    "scripts",
    "status",
    "train",
    "validate",
    "verify",
)


README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def test_the_commands_are_these_and_each_has_a_help_text_with_an_example() -> None:
    assert tuple(sorted(cli.main.commands)) == COMMANDS
    for name, command in cli.main.commands.items():
        assert command.help
        assert f"g2p-batch {name}" in command.help
        assert all(isinstance(p, click.Argument) or p.help for p in command.params), name
        assert f"`{name}" in README
        assert run(name, "--help").exit_code == 0


def translated(number: signal.Signals) -> None:
    """Meet a signal as inside the compiler, which raises its own error in place of the interrupt."""
    try:
        signal.raise_signal(number)
    except KeyboardInterrupt:
        raise RuntimeError from None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("meet", [signal.raise_signal, translated])
def test_a_signal_before_the_run_exits_with_75(
    opened: list[Opened],
    monkeypatch: pytest.MonkeyPatch,
    meet: Callable[[signal.Signals], None],
    number: signal.Signals,
) -> None:
    before = [signal.getsignal(known) for known in (signal.SIGINT, signal.SIGTERM)]
    monkeypatch.setattr(Model, "compiled", lambda *_: meet(number))
    assert generate(words(), "--lang", "fra") == Ran(
        75, "", f"Error: stopped by {number.name} before the first shard: run the same command again\n"
    )
    assert [signal.getsignal(known) for known in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_bug_keeps_its_traceback(opened: list[Opened], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(Model, "compiled", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        generate(words(), "--lang", "fra")


def test_a_closed_pipe_is_no_trouble(here: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-c", "from g2p_batch.cli import main; main()", "languages"]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert done.stderr == b""


def test_a_full_standard_output_is_an_error(here: Path) -> None:
    command = [sys.executable, "-c", "from g2p_batch.cli import main; main()", "languages"]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False)
    message = b"Error: standard output cannot be written (No space left on device): let it go elsewhere\n"
    assert (done.returncode, done.stderr) == (1, message)
