"""Which process made a file, told in a few characters of its name, and whether that process is still there."""

import os
from functools import cache
from pathlib import Path
from secrets import token_hex

from g2p_batch.storage.checksummed_json import sha256_of

OWNER = r"[0-9a-f]{6}\.[0-9a-f]+\.[0-9a-f]+"
"""What `this_process` returns, as a pattern."""

_PROC = Path("/proc")
_STARTED = 19
"""Place of the time of its start in what Linux tells of a process behind its name; its state comes first."""
_ENDED = ("Z", "X")


def this_process() -> str:
    """Return what tells this process from all others: the machine since it was started, number and time of its start.

    Containers see other processes than their machine, and count as machines of their own.
    """
    pid = os.getpid()
    return f"{_machine()}.{pid:x}.{_start_of(pid) or 0:x}"


def lives(owner: str) -> bool | None:
    """Tell whether a process is there; None if it cannot be seen: on another machine, or where others' are hidden."""
    machine, pid, started = owner.split(".")
    if machine != _machine():
        return None
    start = _start_of(int(pid, 16))
    return None if start is None and _is_hidden(int(pid, 16)) else start == int(started, 16)


@cache
def _machine() -> str:
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii")
        processes = (_PROC / "self/ns/pid").stat().st_ino
    except OSError:  # no Linux that tells: then this process is alone on its machine
        return token_hex(3)
    return sha256_of(f"{boot}{processes}".encode())[:6]


def _start_of(pid: int) -> int | None:
    """Return when a process was started, in ticks since the machine was, or None where it has ended."""
    try:
        told = (_PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].decode().split()
    except OSError:
        return None
    return None if told[0] in _ENDED else int(told[_STARTED])


def _is_hidden(pid: int) -> bool:
    """Tell whether a number is that of a process of another user, of whom `/proc` may tell nothing."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return False
