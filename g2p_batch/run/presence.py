"""Who is at work on a run directory: each command says so while it lives, and one that takes data away goes alone.

No command waits for another but at two moments. Whoever begins to work first says so, then looks whether somebody goes
alone; whoever goes alone first says so, then looks whether others work: of two that meet, at least one sees the other.
"""

import os
import platform
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from g2p_batch.errors import BusyError, OutputError
from g2p_batch.run.run_directory import RunDir
from g2p_batch.storage.checksummed_json import DamagedError, seal, unseal
from g2p_batch.storage.owner import OWNER, lives, this_process
from g2p_batch.storage.store import StoredFile

RENEWAL_S, LOST_S = 60.0, 600.0
"""A process of another machine is taken for lost when it has not renewed what it says for so long."""

_PATIENCE_S = 3.0
"""Whoever goes alone waits so long for others to end: of several that want to, those that came late do so at once."""
_LOOK_S = 0.1

_AT_WORK = re.compile(rf"at-work-(?P<owner>{OWNER})-[^-]+\.json")
_ALONE = re.compile(r"alone-(?P<number>\d+)\.json")


@dataclass(frozen=True)
class Attendant:
    """A process at a run directory."""

    owner: str
    """What `this_process` returns there."""
    host: str
    pid: int
    deed: str
    """What it does to the run, as part of a sentence, if it goes alone."""

    def __str__(self) -> str:
        return f"process {self.pid} of {self.host}"


@contextmanager
def at_work(run: RunDir) -> Iterator[None]:
    """Be known to be at work on a run, as long as this process lives.

    Raises:
        BusyError: another process is taking its data away, and goes on doing so.
        OutputError: the run directory cannot be written.
    """
    me = _myself("")
    name = f"at-work-{me.owner}-{uuid.uuid4().hex[:6]}.json"
    # Twice as long as whoever goes alone waits, who gives way to those that were at work before.
    for is_last in _looks(2 * _PATIENCE_S):
        run.store.put(name, seal(me))
        records = _Records(run)
        other = records.alone()
        if other is None:
            records.others()  # removes what killed processes said
            break
        run.store.remove(name)
        if is_last:
            raise _refused(run, other)
    with _kept(run, name, me):
        yield


@contextmanager
def alone(run: RunDir, deed: str) -> Iterator[None]:
    """Be the only process at work on a run.

    Args:
        run: the run.
        deed: what is done to it, as part of a sentence.

    Raises:
        BusyError: another process is at work on it, or may be: it is on another machine, and was there a while ago.
        OutputError: the run directory cannot be written.
    """
    me, before = _myself(deed), _Records(run)
    if other := before.alone():
        raise _refused(run, other)
    # Above the records of processes that were lost, since of two that replaced the same one the later would win.
    name = f"alone-{before.last_number + 1:06d}.json"
    if not run.store.put_if_absent(name, seal(me)):
        raise _refused(run, _read(run, name))
    with _kept(run, name, me):
        if other := _Records(run).alone():
            raise _refused(run, other)
        before.forget_lost()
        for is_last in _looks(_PATIENCE_S):
            names = _Records(run, name).others()
            if not names:
                break
            if is_last:
                other = _read(run, names[0])
                raise BusyError(
                    f"{run.root} cannot be {deed}: {other or 'another command'} is at work on it: stop it, or wait "
                    f"until it has ended (on a machine that was lost it counts as such after {LOST_S / 60:.0f} minutes)"
                )
        yield


def is_attended(run: RunDir) -> bool:
    """Tell whether another process is at work on a run."""
    records = _Records(run)
    return bool(records.others()) or records.alone() is not None


class _Records:
    """What a run directory tells of processes at one moment."""

    def __init__(self, run: RunDir, own: str = "") -> None:
        """Read it; `own` is the name of a file that this process has put just now."""
        self._run = run
        files = run.store.list("")
        self._at_work = [(file, told["owner"]) for file in files if (told := _AT_WORK.fullmatch(file.name))]
        self._alone = [(file, int(told["number"])) for file in files if (told := _ALONE.fullmatch(file.name))]
        mine = [file for file, owner in self._at_work if owner == this_process()]
        mine += [file for file, _ in self._alone if file.name == own]
        self._now = max((file.modified_s for file in mine), default=time.time())
        """By the clock that tells when files of the run were written, if one of this process tells."""

    @property
    def last_number(self) -> int:
        """The highest number under which a process goes alone, or was lost doing so."""
        return max((number for _, number in self._alone), default=0)

    def others(self) -> list[str]:
        """Return the records of other processes that are at work; those of processes that ended are removed."""
        names = []
        for file, owner in self._at_work:
            if owner == this_process():
                continue
            if self._is_lost(owner, file):
                self._run.store.remove(file.name)
            else:
                names.append(file.name)
        return names

    def alone(self) -> Attendant | None:
        """Return another process that goes alone, or None where none does."""
        found = ((file, _read(self._run, file.name)) for file, _ in self._alone)
        return next(
            (
                other
                for file, other in found
                if other is not None and other.owner != this_process() and not self._is_lost(other.owner, file)
            ),
            None,
        )

    def forget_lost(self) -> None:
        """Remove the records of processes that were lost while they went alone, when no other goes alone."""
        for file, _ in self._alone:
            self._run.store.remove(file.name)

    def _is_lost(self, owner: str, file: StoredFile) -> bool:
        seen = lives(owner)
        return self._now - file.modified_s > LOST_S if seen is None else not seen


def _refused(run: RunDir, other: Attendant | None) -> BusyError:
    who = other or "another command"
    deed = other.deed if other else "taken"
    return BusyError(f"{run.root} is being {deed} by {who}: run the same command again when it has ended")


def _myself(deed: str) -> Attendant:
    return Attendant(this_process(), platform.node(), os.getpid(), deed)


def _read(run: RunDir, name: str) -> Attendant | None:
    try:
        return unseal(run.store.get(name) or b"", Attendant)
    except DamagedError:
        return None


def _looks(seconds: float) -> Iterator[bool]:
    """Yield now and then for so long, and tell each time whether it is the last."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        yield False
        time.sleep(min(_LOOK_S, left))
    yield True


@contextmanager
def _kept(run: RunDir, name: str, me: Attendant) -> Iterator[None]:
    """Keep a record new while something is done, and remove it afterwards."""
    ended = threading.Event()
    thread = threading.Thread(target=_renew, args=(lambda: run.store.put(name, seal(me)), ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        with suppress(OutputError):  # what ended the work is worth more, and the record tells that its process ended
            run.store.remove(name)


def _renew(put: Callable[[], None], ended: threading.Event) -> None:
    while not ended.wait(RENEWAL_S):
        with suppress(OutputError):  # the next one may succeed, and the work itself meets what is wrong with the disk
            put()
