"""Standard streams, wherever they go: open, in an encoding that loses nothing, and never the end of a run."""

import codecs
import errno
import io
import os
import sys
from typing import TextIO

import click

_STREAMS = (("stdin", "r", os.O_RDONLY), ("stdout", "w", os.O_RDONLY), ("stderr", "w", os.O_WRONLY))
"""By their number: name, mode, and how /dev/null stands in for a closed one.

What is asked for goes to stdout, and must not get lost: writing there fails, as it does on a closed stream. Notes have
nowhere to go where stderr is closed.
"""
_UNWRITABLE = {errno.ENOSPC, errno.EBADF, errno.EDQUOT, errno.EFBIG, errno.EIO}


def prepare() -> None:
    """Open streams that are closed, whose numbers other files would get, and spell out what an encoding lacks."""
    for number, (name, mode, flags) in enumerate(_STREAMS):
        if _is_closed(number):
            os.open(os.devnull, flags)  # gets the lowest number that is free
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 - of a number
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            is_ascii = codecs.lookup(stream.encoding).name == "ascii"
            stream.reconfigure(encoding="utf-8" if is_ascii else stream.encoding, errors="backslashreplace")


def tell(text: str) -> None:
    """Write a line to stderr; where that cannot be written, nobody can be told, and the work goes on."""
    try:
        click.echo(text, err=True)
    except OSError:
        _give_up(sys.stderr)


def is_unwritable_output(error: BaseException) -> bool:
    """Tell whether an error is that standard output cannot be written; of a file it would be an error of ours."""
    return isinstance(error, OSError) and error.errno in _UNWRITABLE and error.filename is None


def give_up_output() -> None:
    """Let go of what is buffered for standard output: Python would try it again at its end."""
    _give_up(sys.stdout)


def _give_up(stream: TextIO) -> None:
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, stream.fileno())
    os.close(sink)


def _is_closed(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return True
    return False
