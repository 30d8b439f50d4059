"""The command group: one handler for errors and signals, and what all commands share."""

import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from g2p_batch import errors
from g2p_batch.cli import completion, streams
from g2p_batch.model import contract
from g2p_batch.model.devices import Device, parse_device

_MEBIBYTE = 1 << 20
_QUIET = "g2p_batch.quiet"


def is_quiet() -> bool:
    """Tell whether the command at work was given `--quiet`."""
    context = click.get_current_context(silent=True)
    return context is not None and context.meta.get(_QUIET, False)


def say(text: str) -> None:
    """Tell the user what is neither asked-for output nor an error."""
    if not is_quiet():
        streams.tell(text)


class Commands(click.Group):
    """Commands whose errors all end here: a message on stderr and the exit code of its kind."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the program, help and completion included, with standard streams that can be relied on."""
        streams.prepare()
        try:
            try:
                return super().main(*args, **kwargs)
            finally:
                sys.stdout.flush()
        except OSError as error:
            if not streams.is_unwritable_output(error):
                raise
            streams.give_up_output()
            streams.tell(f"Error: standard output cannot be written ({error.strerror}): let it go elsewhere")
            sys.exit(errors.FAILED)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; an error that is not of this package's tree is a bug, and keeps its traceback."""
        with _interruptible() as signals:
            try:
                return super().invoke(ctx)
            except (Exception, KeyboardInterrupt) as error:
                if isinstance(error, errors.G2PError):
                    streams.tell(f"Error: {error}")
                    ctx.exit(error.exit_code)
                if signals:  # the compiler may turn the interrupt into an error of its own
                    streams.tell("Error: stopped before the end; nothing was written: run the same command again")
                    ctx.exit(errors.STOPPED_EARLY)
                raise


@contextmanager
def _interruptible() -> Iterator[list[int]]:
    """Let a scheduler's SIGTERM clean up like Ctrl-C; yields the list of the signals that came."""
    came: list[int] = []

    def interrupt(number: int, _frame: object) -> None:
        came.append(number)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="g2p-batch", message="%(prog)s %(version)s")
def main() -> None:
    """Turn word lists into pronunciation lexicons.

    \b
    Example:
      printf 'hello\\nworld\\n' > words.txt
      g2p-batch generate words.txt --lang eng-us -o lexicon.tsv

    Exit codes: 0 complete, 1 an error that its message tells how to mend, 2 wrong usage, 75 stopped early (run the
    same command again).
    """


dtype_option = click.option(
    "--dtype", type=click.Choice(contract.DTYPES), default="float32", show_default=True, help="Number format."
)


def _hush(context: click.Context, _option: click.Parameter, value: bool) -> None:
    context.meta[_QUIET] = value


quiet_option = click.option(
    "--quiet",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_hush,
    help="Tell nothing of what is done; errors are told all the same.",
)


def _device(_context: click.Context, _option: click.Parameter, text: str) -> Device:
    return parse_device(text)


device_option = click.option(
    "--device",
    metavar="cpu|cuda[:N,...]",
    default="cpu",
    show_default=True,
    callback=_device,
    shell_complete=completion.devices,
    help="Where to decode: CPU, all GPUs, or those with these numbers.",
)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of cells as lines with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def folder_size(folder: Path) -> str:
    """Return the size of a folder in words."""
    total = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return f"{total / _MEBIBYTE:,.1f} MiB"
